"""Plans of a clinic's figures: as the app role, among two years of forty clinics, no large table is read whole.

In a database of its own, since its rows would change the statistics other plans are checked by.
"""

from collections.abc import Iterator

import psycopg
import pytest

from careapp import localdb
from careapp.access import Actor
from careapp.db import db
from careapp.operations.tenants import create_tenant
from careapp.overviews.dashboard import get_dashboard
from tests.conftest import TestTenant, application, everything
from tests.database import TestDatabase
from tests.rules import test_query_plans as plans

CLINICS, DAYS, REFERRALS = 40, 730, 20_000
LARGE = ("appointments", "provider_slots", "diagnostics_referrals", "episodes", "patients")

# Two providers a clinic; a visit a day of each, every fortieth at no clinic; one referral in 53 is open.
SEED = (
    "INSERT INTO clinics (tenant_id, name, time_zone) SELECT %(tenant)s, 'Clinic ' || n, 'Asia/Yangon'"
    " FROM generate_series(1, %(clinics)s) n",
    "INSERT INTO providers (tenant_id, name, specialty, status) SELECT %(tenant)s, 'Dr ' || n, 'GP', 'ACTIVE'"
    " FROM generate_series(1, 2 * %(clinics)s) n",
    "INSERT INTO provider_clinics (tenant_id, provider_id, clinic_id) SELECT %(tenant)s, p.id, c.id"
    " FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM providers) p"
    " JOIN (SELECT id, row_number() OVER (ORDER BY id) AS n FROM clinics) c ON c.n = (p.n + 1) / 2",
    "INSERT INTO patients (tenant_id, family, given, gender, birth_date) SELECT %(tenant)s, 'Name' || n,"
    " ARRAY['Given'], 'other', date '1950-01-01' + n FROM generate_series(1, 5000) n",
    "INSERT INTO episodes (tenant_id, patient_id, care_type, status, opened_at) SELECT %(tenant)s, id, 'GP', 'CLOSED',"
    " now() - interval '700 days' FROM patients, generate_series(1, 4)",
    "INSERT INTO provider_slots (tenant_id, provider_id, clinic_id, starts_at, ends_at, booked, status)"
    " SELECT %(tenant)s, w.provider_id, CASE WHEN n %% 40 > 0 THEN w.clinic_id END, at, at + interval '1 hour', 1,"
    " 'BOOKED' FROM provider_clinics w, generate_series(1, %(days)s) n,"
    " LATERAL (SELECT date_trunc('hour', now()) + (n - %(days)s + 7) * interval '1 day' AS at) times",
    "INSERT INTO appointments (tenant_id, episode_id, patient_id, provider_id, clinic_id, slot_id, starts_at, ends_at,"
    " busy_until, status) SELECT %(tenant)s, e.id, e.patient_id, s.provider_id, s.clinic_id, s.id, s.starts_at,"
    " s.ends_at, s.ends_at, 'ATTENDED' FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM provider_slots) s"
    " JOIN (SELECT *, row_number() OVER (ORDER BY id) AS n FROM episodes) e ON e.n = 1 + s.n %% 20000",
    "INSERT INTO diagnostics_referrals (tenant_id, episode_id, patient_id, type, reason, status, due_at)"
    " SELECT %(tenant)s, e.id, e.patient_id, 'LAB', 'Blood count', CASE WHEN n %% 53 = 0 THEN 'REFERRED' ELSE"
    " 'COMPLETED' END, CASE WHEN n %% 53 = 0 THEN now() END"
    " FROM (SELECT *, row_number() OVER (ORDER BY id) AS n FROM episodes) e WHERE n <= %(referrals)s",
)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actor]:
    """Somebody in a tenant with forty clinics and two years of visits."""
    with (
        TestDatabase.apart() as database,
        application(database, tmp_path_factory.mktemp("busy")) as app,
        app.app_context(),
    ):
        tenant_id = create_tenant(database.owner, key="busy", name="Busy", time_zone="Asia/Yangon")
        _seed(database, {"tenant": tenant_id, "clinics": CLINICS, "days": DAYS, "referrals": REFERRALS})
        yield everything(TestTenant(tenant_id, "busy"))
        db.session.remove()


def _seed(database: TestDatabase, values: dict[str, int]) -> None:
    with psycopg.connect(localdb.libpq_url(database.app)) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute("SET enable_nestloop = off")  # no statistics yet: the seed itself must not crawl
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(values["tenant"])])
        for statement in SEED:
            connection.execute(statement, values)
    with psycopg.connect(localdb.libpq_url(database.owner), autocommit=True) as owner:
        owner.execute("SET default_statistics_target = 1000")
        for table in (*LARGE, "providers", "provider_clinics", "clinics"):
            owner.execute(f"ANALYZE {table}")


def test_no_large_table_is_read_from_end_to_end(busy: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "LARGE", set(LARGE))
    with plans.statements() as sent:
        choice = get_dashboard(busy)
    assert choice.dashboard is not None
    assert choice.dashboard.visits.all > 0
    assert sum(one.ended for one in choice.dashboard.weeks) > 100
    assert choice.dashboard.referrals is not None
    assert choice.dashboard.referrals.open > 0
    assert len(sent) == 5
    for statement, values in sent:
        assert plans.whole_reads(busy, statement, values) == [], statement
