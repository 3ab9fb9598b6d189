"""People at their screens: a clinic with staff who can sign in, and how they do it."""

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, expect
from sqlalchemy import select

from careapp import commands
from careapp.access import Actor, Role
from careapp.db import db
from careapp.providers.models import PROVIDERS
from tests import factories as make
from tests.identity.people import PASSWORD, a_user


@dataclass(frozen=True)
class Clinic:
    """One clinic with one doctor, and the e-mail addresses of its staff."""

    actor: Actor
    clinic: Any
    doctor: Any
    slots: list[Any]
    emails: dict[Role, str]


def a_clinic_at_work(actor: Actor, *, time_zone: str = "Asia/Yangon") -> Clinic:
    """A clinic whose doctor has six free slots from an hour ahead, and staff of every role."""
    clinic = make.a_clinic(actor, time_zone=time_zone)
    doctor = make.a_provider(actor, name="Dr Thiri Aung", clinic_locators=[clinic.locator])
    slots = [make.a_slot(actor, doctor, hours=hours, clinic=clinic) for hours in range(1, 7)]
    with commands.system_transaction(actor.tenant_id):
        provider_id = db.session.execute(select(PROVIDERS.id).where(PROVIDERS.locator == doctor.locator)).scalar_one()
    emails = {
        role: a_user(actor, role, provider_id=provider_id if role == Role.CLINICIAN else None).email for role in Role
    }
    return Clinic(actor, clinic, doctor, slots, emails)


def sign_in(page: Page, url: str, email: str) -> None:
    """Sign in through the form."""
    page.goto(f"{url}/sign-in")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("form[action='/sign-out']")).to_be_visible()
