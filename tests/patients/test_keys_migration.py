"""The migration that finds out by what those registered before it are recognised, and when facts were recorded."""

from alembic import command
from alembic.config import Config

from careapp.access import Actor
from careapp.db import db
from careapp.patients.views import ContactPoint, Identifier
from tests import factories as make
from tests.database import ROOT, TestDatabase, migrate
from tests.looking import execute, id_of, rows


def test_keys_are_those_that_registering_gives(god: Actor, database: TestDatabase) -> None:
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
    db.session.remove()
    config = Config(ROOT / "migrations" / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["owner_url"] = database.owner
    try:
        command.downgrade(config, "0004")
    finally:
        migrate(database.owner)
    assert rows(god, "SELECT kind, value FROM patient_keys ORDER BY kind, value") == before
    told = "SELECT f.recorded_at = p.created_at AS same FROM patient_facts f JOIN patients p ON p.id = f.patient_id"
    assert [row.same for row in rows(god, told)] == [True]
