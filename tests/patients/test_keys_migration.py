"""Migrations that find out by what those registered before them are found, and when facts were recorded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from careapp.access import Actor
from careapp.db import db
from careapp.operations.tenants import create_tenant
from careapp.patients.views import ContactPoint, HumanName, Identifier
from tests import factories as make
from tests.conftest import TestTenant, everything, make_app
from tests.database import ROOT, TestDatabase, migrate
from tests.looking import execute, id_of, rows


@pytest.fixture
def database() -> Iterator[TestDatabase]:
    """A database of its own: what other tests did to the audit log would not go back to the tables of before."""
    with TestDatabase.apart() as made:
        yield made


def test_keys_are_those_that_registering_gives(database: TestDatabase, tmp_path: Path) -> None:
    app = make_app(database, tmp_path)
    with app.app_context():
        tenant = create_tenant(database.owner, key="moving", name="Moving", time_zone="Asia/Yangon")
        try:
            there_and_back(everything(TestTenant(tenant, "moving")), database)
        finally:
            db.session.remove()
            db.engine.dispose()


def there_and_back(god: Actor, database: TestDatabase) -> None:
    """Register somebody, take the migration back and apply it again, and compare what is stored."""
    brien = make.a_patient(god, name=HumanName(family="O'Brien", given=["Jean-Luc", "Aung"]))
    patient = make.a_patient(
        god, telecom=[ContactPoint(system="phone", value="၀၉ ၅၅၅၀၁၀၁"), ContactPoint(system="email", value="")],
        identifiers=[Identifier(value=" / "), Identifier(value="12/abc(N)1")],
    )  # fmt: skip
    execute(
        god, "INSERT INTO patient_facts (tenant_id, patient_id, kind, text) VALUES (:tenant, :patient, 'ALLERGY', 'x')",
        tenant=god.tenant_id, patient=id_of(god, "patients", patient.locator),
    )  # fmt: skip
    before = rows(god, "SELECT kind, value FROM patient_keys ORDER BY kind, value")
    assert [tuple(row) for row in before] == [("IDENTIFIER", "12ABC(N)1"), ("PHONE", "95550101")]
    found_by = "SELECT word FROM patient_name_words WHERE patient_id = :patient ORDER BY word"
    his = id_of(god, "patients", brien.locator)
    words = [row.word for row in rows(god, found_by, patient=his)]
    assert words == ["aung", "brien", "jean", "jeanluc", "luc", "o", "obrien"]
    db.session.remove()
    config = Config(ROOT / "migrations" / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["owner_url"] = database.owner
    try:
        command.downgrade(config, "0021")
        assert [row.word for row in rows(god, found_by, patient=his)] == ["aung", "brien", "jean", "luc", "o"]
        db.session.remove()
        command.downgrade(config, "0004")
    finally:
        migrate(database.owner)
    assert rows(god, "SELECT kind, value FROM patient_keys ORDER BY kind, value") == before
    assert [row.word for row in rows(god, found_by, patient=his)] == words
    told = "SELECT f.recorded_at = p.created_at AS same FROM patient_facts f JOIN patients p ON p.id = f.patient_id"
    assert [row.same for row in rows(god, told)] == [True]
