"""Fixtures of demo tests: blueprints under names of their own, and what a built tenant holds."""

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import Row, select, text

from careapp import tenancy
from careapp.db import db
from careapp.demo.blueprints import EVERY_DAY, OTHER, Blueprint, Group, ProviderPlan, Rota
from careapp.demo.build import build
from careapp.demo.stories import STORIES
from careapp.episodes.models import EPISODES
from careapp.operations.tenants import tenant_id_of
from careapp.prescriptions.models import PRESCRIPTIONS
from careapp.referrals.models import REFERRALS

WEDNESDAY = datetime(2026, 6, 10, 15, 30, tzinfo=UTC)  # 11:30 in New York; no clock changes in the weeks around it

# What is the same in two builds: names, states and times from the moment of the build on.
_ALIKE = (
    "SELECT given, family, birth_date, gender, telecom FROM patients ORDER BY id",
    "SELECT p.name, s.starts_at - :now, s.ends_at - :now, capacity, booked, s.status FROM provider_slots s"
    " JOIN providers p ON p.id = provider_id ORDER BY s.starts_at, p.id",
    "SELECT given, family, a.starts_at - :now, a.status, type, reason, category FROM appointments a"
    " JOIN patients p ON p.id = patient_id ORDER BY a.id",
    "SELECT status, stage, care_type, reason, opened_at - :now, closed_at - :now FROM episodes ORDER BY id",
    "SELECT status, medication_text, issued_at - :now FROM prescriptions ORDER BY id",
    "SELECT status, type, priority, scheduled_for - :now FROM diagnostics_referrals ORDER BY id",
    "SELECT entity, action, from_status, to_status, at - :now FROM status_changes WHERE entity <> 'provider'"
    " ORDER BY id",
    # encrypted, so read as the application reads them
    *(
        select(columns[name]).order_by(columns.id)
        for columns, name in ((EPISODES, "summary"), (PRESCRIPTIONS, "void_reason"), (REFERRALS, "outcome"))
    ),
)

WRONG_PLACES = """SELECT s.locator FROM provider_slots s
    LEFT JOIN appointments a ON a.slot_id = s.id AND a.status <> 'CANCELLED'
    GROUP BY s.id, s.locator, s.booked HAVING s.booked <> count(a.id)"""


def every_story_once(**changes: Any) -> Blueprint:
    """A small clinic in which each story is told once, under a key of its own."""
    key = f"demo{uuid.uuid4().hex[:8]}"
    providers = (
        ProviderPlan("Dr One", "GENERAL_PRACTICE", 0, Rota(((9, 12),), minutes=60, days=EVERY_DAY), blocked=2),
        ProviderPlan("Dr Two", "EMERGENCY_MEDICINE", 0, Rota(((13, 17),)), group=Group(3, 18)),
    )
    values = {"providers": providers, "stories": dict.fromkeys(STORIES, 1), **changes}
    return replace(OTHER, key=key, mail_domain=f"{key}.test", **values)


@pytest.fixture
def build_at(app: APIFlask) -> Callable[..., bool]:
    """build_at(blueprint, now=…) builds a tenant as of a moment."""
    return lambda blueprint, now=WEDNESDAY: build(app.config["DATABASE_OWNER_URL"], blueprint, now=now)


def rows(blueprint: Blueprint, statement: Any, **values: Any) -> list[Row[Any]]:
    """Rows of a built tenant."""
    tenant_id = tenant_id_of(blueprint.key)
    with tenancy.bound(tenant_id):
        found = list(
            db.session.execute(*((text(statement), values) if isinstance(statement, str) else (statement,))).all()
        )
        db.session.rollback()
    return found


def digest(blueprint: Blueprint, now: datetime = WEDNESDAY) -> str:
    """One value for all that two builds have in common."""
    found = [[tuple(row) for row in rows(blueprint, statement, now=now)] for statement in _ALIKE]
    assert all(found)
    return hashlib.sha256(repr(found).encode()).hexdigest()
