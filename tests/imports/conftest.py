"""Fixtures of import tests: one run into this test's tenant, and its tables as they are afterwards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from sqlalchemy import Row, text

from careapp import tenancy
from careapp.db import db
from careapp.imports.report import Report
from careapp.imports.run import import_files
from tests.conftest import TestTenant

CLINICAL = (
    "patients", "patient_name_words", "patient_facts", "clinics", "providers", "provider_clinics", "episodes",
    "prescriptions", "status_changes", "imported_records",
)  # fmt: skip


@pytest.fixture
def run(app: APIFlask, tenant: TestTenant) -> Callable[..., Report]:
    """run(path, …, dry_run=False) imports files into this test's tenant."""

    def import_into(*paths: Path, tenant: TestTenant = tenant, **options: Any) -> Report:
        return import_files(list(paths), tenant_key=tenant.key, progress=lambda document: None, **options)

    return import_into


@pytest.fixture
def rows(app: APIFlask, tenant: TestTenant) -> Callable[[Any], list[Row[Any]]]:
    """rows("SELECT …"), or rows(select(…)) to read encrypted columns, in this test's tenant."""

    def select(statement: Any) -> list[Row[Any]]:
        db.session.rollback()
        with tenancy.bound(tenant.id):
            found = list(db.session.execute(text(statement) if isinstance(statement, str) else statement).all())
            db.session.rollback()
        return found

    return select


@pytest.fixture
def table_sizes(rows: Callable[[str], list[Row[Any]]]) -> Callable[[], dict[str, int]]:
    """table_sizes() counts the rows of every table an import writes, and of the outbox."""
    return lambda: {table: rows(f"SELECT count(*) FROM {table}")[0][0] for table in (*CLINICAL, "outbox")}
