"""`flask doctor`: for each check one thing is broken for real and the sentence about it seen; whole, it is silent."""

import base64
import gc
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from pydantic import SecretStr

from careapp import localdb
from careapp.access import Actor
from careapp.audit import sealer
from careapp.audit.anchors import Anchor
from careapp.cli.doctor.command import doctor, installation
from careapp.cli.doctor.report import CHECKS, NOT_CHECKED, WELL, WRONG, Finding, Installation, examine, variable_of
from careapp.config import Settings, new_encryption_key
from careapp.db import db
from careapp.jobs import health
from careapp.jobs.watchdog import Watchdog
from careapp.localdb.server import OPTIONS_VARIABLE
from careapp.operations.tenants import create_tenant
from tests import factories as make
from tests.conftest import ROOT, TestTenant, everything, make_app
from tests.database import TestDatabase
from tests.jobs.relays import wait_until
from tests.localdb.helpers import discard
from tools.ports import free_port

# A client of kafka-python that cannot connect forgets its socket, which shall go where it was made.
pytestmark = pytest.mark.filterwarnings(r"ignore:Exception ignored in. <s(sl|ocket)\.\w*[Ss]ocket")
SECRET = "s" * 8 + "ecret-of-the-tests-0123456789"
KEY = new_encryption_key("k1")
PAGE = ROOT / "docs" / "operations" / "doctor.md"
NINE = "abcdefghi" * 5  # one different sign fewer than a secret needs
NINE_BYTES = bytes.fromhex("0123456789abcdef76") * 4  # which, written in hex, have 16 different signs
MADE_UP = {
    "secret_key": NINE, "secret_key_fallbacks": f"{SECRET},{NINE}", "internal_tokens": f"demo:{SECRET},demo:{NINE}",
    "internal_keys": f"demo:k1:{SECRET},demo:k2:{NINE}", "provider_service_keys": f"demo:k1:{SECRET},demo:k2:{NINE}",
    "encryption_keys": f"{KEY},k2:{base64.b64encode(NINE_BYTES[:32]).decode()}",
}  # fmt: skip
# Secrets that others give us, that a program makes, and that production refuses.
NOT_MADE_UP = {"oidc_client_secret", "kafka_password", "jwt_signing_key", "jwt_secret"}


@pytest.fixture(autouse=True)
def _forgotten_sockets() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(scope="module")
def intact() -> Iterator[TestDatabase]:
    """A database that no test breaks."""
    with TestDatabase.apart() as made:
        yield made


@pytest.fixture
def own() -> Iterator[TestDatabase]:
    """A database of this test alone, to break."""
    with TestDatabase.apart() as made:
        yield made


@pytest.fixture
def whole(app: APIFlask, request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """An installation as it is to be; on a database of its own for a test that asks for one to break.

    The application is there as it is for the command: it maps the tables.
    """
    own: TestDatabase = request.getfixturevalue("own" if "own" in request.fixturenames else "intact")
    settings = Settings(
        CAREAPP_ENV="production", CAREAPP_VAR=tmp_path, secret_key=SECRET, database_url=own.app, encryption_keys=KEY,
        trusted_hosts="care.example", trusted_proxies=1, _env_file=None,
    )  # fmt: skip
    backup = own.app.replace("care_app", "care_backup")
    return Installation(
        settings, {"app": own.app, "owner": own.owner, "relay": own.relay, "backup": backup}, directory=tmp_path
    )


def told(at: Installation, name: str) -> str:
    """What a check says, as one text; empty where all is well."""
    found = list(examine(at, frozenset({name})))
    assert found, f"{name} says nothing at all"
    return " ".join(f"{one.state}: {one.text} {one.remedy}" for one in found if one.state != WELL)


def sealed(database: TestDatabase) -> Anchor:
    """The one anchor after sealing. Rows wait while anybody's older transaction is open, in other databases as well."""
    wait_until(lambda: sealer.seal_all(database.relay) > 0)
    with sealer.connected(database.relay) as connection:
        [anchor] = sealer.newest_anchors(connection)
    return anchor


def changed(at: Installation, **settings: Any) -> Installation:
    """The same installation with other settings, as given."""
    return replace(at, settings=at.settings.model_copy(update=settings))


def run(database: TestDatabase, *statements: str) -> None:
    """As a superuser, in the database of the test."""
    with psycopg.connect(localdb.libpq_url(database.whole), autocommit=True) as connection:
        connection.execute("SET search_path = care, public")
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("name", [
    "settings", "transport", "files", "disk", "clock", "time zones", "translations", "database", "roles", "walls",
    "grants", "extensions", "schema", "structure", "connections", "outbox", "audit", "partitions", "keys",
])  # fmt: skip
def test_a_whole_installation_gets_no_word(whole: Installation, name: str) -> None:
    assert told(whole, name) == ""


@pytest.mark.parametrize(("given", "said"), [
    ({"env": "development"}, "CAREAPP_ENV is development"),
    ({"trusted_hosts": "localhost"}, "TRUSTED_HOSTS names localhost"),
    ({"trusted_hosts": "10.0.0.7"}, "TRUSTED_HOSTS names 10.0.0.7"),
    ({"trusted_proxies": 0}, "TRUSTED_PROXIES is 0"),
    *(({name: given}, f"wrong: {name.upper()} looks made up") for name, given in MADE_UP.items()),
    ({"internal_tokens": f"demo:{SECRET}"}, "may send bare tokens"),
    ({"jwt_jwks_url": "http://127.0.0.1/keys"}, "JWT_JWKS_URL is plain http"),
    ({"kafka_bootstrap_servers": "k:9092", "kafka_network_trusted": True}, "KAFKA_REPLICATION_FACTOR is 1"),
])  # fmt: skip
def test_settings_that_are_unwise(whole: Installation, given: dict[str, Any], said: str) -> None:
    names = {"env": "CAREAPP_ENV", "var_dir": "CAREAPP_VAR"}
    kept = {names.get(name, name): getattr(whole.settings, name) for name in Settings.model_fields}
    settings = Settings(**kept | {names.get(name, name): value for name, value in given.items()}, _env_file=None)
    assert said in told(replace(whole, settings=settings), "settings")


def test_no_kind_of_secret_is_left_out() -> None:
    secrets = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert set(MADE_UP) == secrets - NOT_MADE_UP, (
        "a new secret belongs into machine._secrets and MADE_UP, or into NOT_MADE_UP"
    )
    assert len(secrets) == len(MADE_UP) + len(NOT_MADE_UP)


def test_a_connection_anybody_could_answer(whole: Installation) -> None:
    for role, query in (("app", ""), ("app", "?sslmode=require"), ("app", "?sslmode=verify-ca"), ("replica", "")):
        away = {role: f"postgresql://care_app@db.internal/care{query}"}
        said = f"{variable_of(role)} does not ask for an encrypted connection"
        assert said in told(replace(whole, addresses=away), "transport")
    elsewhere = {"relay": "postgresql://care_relay@localhost/care?hostaddr=192.0.2.7"}
    assert "DATABASE_RELAY_URL does not ask" in told(replace(whole, addresses=elsewhere), "transport")
    safe = {"app": "postgresql://care_app@db.internal/care?sslmode=verify-full", "backup": None}
    assert told(replace(whole, addresses=safe), "transport") == ""


@pytest.mark.parametrize("name", [".env", "secret_key.secret"])
def test_a_secret_others_can_read(whole: Installation, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("SECRET_KEY=x")
    path.chmod(0o600)
    assert told(whole, "files") == ""
    path.chmod(0o640)
    assert f"{name} can be read by others" in told(whole, "files")


def test_a_full_disk(whole: Installation) -> None:
    assert "has 0 MB left" in told(changed(whole, var_dir=Path("/proc/care/var")), "disk"), "proc has no room at all"


def test_a_clock_that_is_wrong(whole: Installation, own: TestDatabase) -> None:
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        pytest.skip("NOT TESTED: no libfaketime on this machine to give a process another clock")
    asked = command(own, "--only", "clock", LD_PRELOAD=str(libraries[0]), FAKETIME="-600")
    assert asked.returncode == 1, asked.stderr
    assert "seconds behind the database's" in asked.stdout


def test_a_tenant_in_a_zone_nobody_knows(whole: Installation, own: TestDatabase) -> None:
    create_tenant(own.owner, key="mars", name="Mars", time_zone="Mars/Base")
    assert "Tenant mars is in the time zone Mars/Base" in told(whole, "time zones")


def test_a_credential_of_no_tenant(whole: Installation, own: TestDatabase) -> None:
    assert told(whole, "credentials").startswith(NOT_CHECKED)
    create_tenant(own.owner, key="east", name="East", time_zone="Asia/Yangon")
    given = changed(
        whole, internal_tokens=SecretStr(f"east:{SECRET},eats:{SECRET}1,eats:{SECRET}2"),
        internal_keys=SecretStr(f"east:k1:{SECRET}"), provider_service_keys=SecretStr(f"west:k1:{SECRET}"),
    )  # fmt: skip
    said = told(given, "credentials")
    assert said.count("wrong: INTERNAL_TOKENS has an entry for eats, and there is no such tenant.") == 1
    assert said.count("wrong: PROVIDER_SERVICE_KEYS has an entry for west, and there is no such tenant.") == 1
    assert ("for east" in said, SECRET in said) == (False, False)
    run(own, "UPDATE tenants SET deleted_at = now() WHERE key = 'east'")
    for name in ("INTERNAL_TOKENS", "INTERNAL_KEYS"):
        assert f"unwise: {name} has an entry for east, which is deleted. Take it out." in told(given, "credentials")


def test_a_translation_that_was_not_built(whole: Installation, tmp_path: Path) -> None:
    assert "no translation into 'my'" in told(replace(whole, catalogues=tmp_path), "translations")


def test_addresses_that_do_not_answer_or_lead_to_the_wrong_place(
    whole: Installation, own: TestDatabase, intact: TestDatabase
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # taken, and nobody listens
        nowhere = f"postgresql://care_app@127.0.0.1:{free.getsockname()[1]}/care"
        broken = replace(whole, addresses=whole.addresses | {"app": nowhere})
        assert "wrong: The database does not answer at DATABASE_URL" in told(broken, "database")
        assert told(broken, "schema").startswith("not checked")
    missing = own.app.replace(own.name, "care_of_nobody")
    assert "refuses at DATABASE_URL" in told(replace(whole, addresses=whole.addresses | {"app": missing}), "database")
    swapped = replace(whole, addresses=whole.addresses | {"relay": own.app})
    assert "DATABASE_RELAY_URL signs in as care_app, not as care_relay" in told(swapped, "database")
    forgotten = replace(whole, addresses=whole.addresses | {"backup": intact.app.replace("care_app", "care_backup")})
    said = f"DATABASE_BACKUP_URL leads to another database, {intact.name}, than DATABASE_URL, {own.name}."
    assert said in told(forgotten, "database")
    unset = replace(whole, addresses=whole.addresses | {"relay": None})
    assert "DATABASE_RELAY_URL is not set: jobs cannot work" in told(unset, "database")


def test_roles_that_may_too_much(whole: Installation, own: TestDatabase) -> None:
    for address, said in ((own.owner, "owns tables"), (own.whole, "is a superuser")):
        for role in ("app", "relay"):
            given = replace(whole, addresses=whole.addresses | {role: address})
            assert said in told(given, "roles")
            assert f"use care_{role}." in told(given, "roles")


CHANGES = [
    ("ALTER TABLE patients NO FORCE ROW LEVEL SECURITY", "walls", "patients has no forced row-level security"),
    ("ALTER TABLE episodes DISABLE ROW LEVEL SECURITY", "walls", "episodes has no forced row-level security"),
    ("DROP POLICY tenant ON episodes", "walls", "episodes has no policy for the tenant"),
    ("ALTER TABLE audit_event DISABLE TRIGGER append_only", "walls", "audit_event has no trigger append_only"),
    ("REVOKE SELECT ON patients FROM care_app", "grants", "care_app may not read patients"),
    ("REVOKE SELECT ON outbox FROM care_relay", "grants", "care_relay may not read outbox"),
    ("REVOKE SELECT ON episodes FROM care_backup", "grants", "care_backup may not read episodes"),
    ("GRANT DELETE ON audit_event TO care_app", "grants", "care_app may delete rows of audit_event, which it must not"),
    ("GRANT DELETE ON outbox TO care_app", "grants", "care_app may delete rows of outbox, which it must not"),
    ("GRANT SELECT ON episodes TO care_relay", "grants", "care_relay may read episodes, which it must not"),
    ("REVOKE UPDATE ON appointments FROM care_app", "grants", "care_app may not change rows of appointments"),
    ("REVOKE UPDATE (parked_at, next_at, withheld_at) ON outbox FROM care_app", "grants", "not write to outbox"),
    ("ALTER ROLE care_app IN DATABASE {} SET search_path = public", "roles", "the search_path is 'public'"),
    ("ALTER DATABASE {} SET default_transaction_read_only = on", "roles", "nothing can be written"),
    (
        "ALTER TABLE appointments_present DROP CONSTRAINT appointment_patient_busy",
        "structure",
        "has no constraint appointment_",
    ),
    ("DROP INDEX patients_newest", "structure", "patients has no index patients_newest"),
    ("ALTER TABLE patients DROP COLUMN gender", "structure", "patients has no column gender"),
    ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'patients_newest'::regclass", "structure", "not valid"),
    ("REVOKE INSERT ON patients FROM care_app", "grants", "care_app may not write to patients"),
    ("GRANT SELECT ON patients TO PUBLIC", "grants", "everybody has rights on patients"),
    ("DROP EXTENSION btree_gist CASCADE", "extensions", "The extension btree_gist is missing"),
    ("UPDATE alembic_version SET version_num = '0001'", "schema", "The database is at migration 0001, the code at"),
    ("UPDATE alembic_version SET version_num = '9999'", "schema", "at 9999, which this version does not know"),
    ("DROP TABLE alembic_version", "schema", "The database has no tables"),
    ("ALTER DATABASE {} SET synchronous_commit = off", "server", "a crash loses what was acknowledged"),
    ("ALTER DATABASE {} SET log_statement = 'all'", "server", "texts about patients stand in the server's log"),
    ("ALTER ROLE care_app IN DATABASE {} SET statement_timeout = 0", "server", "care_app has no statement_timeout"),
]


@pytest.mark.parametrize(("statement", "check", "said"), CHANGES)
def test_a_database_somebody_changed(
    whole: Installation, own: TestDatabase, statement: str, check: str, said: str
) -> None:
    assert said not in told(whole, check)
    run(own, statement.format(own.name))
    assert said in told(whole, check)


def test_more_connections_than_the_server_has(whole: Installation) -> None:
    assert "The processes of one machine may open" in told(changed(whole, database_pool_size=5000), "connections")


def test_an_archive_that_is_off_is_said_so(whole: Installation) -> None:
    assert told(whole, "archive").startswith(NOT_CHECKED)
    assert "no restore to a moment" in told(whole, "server") or "goes back to the last dump" in told(whole, "server")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for a server of our own, which archives its log as soon as there is a file `room` in it."""
    if "CAREAPP_TEST_SUPERUSER_URL" in os.environ:
        pytest.skip("NOT TESTED: an archive that fails, which needs a PostgreSQL of our own")
    directory = Path(tempfile.mkdtemp(prefix="archive-", dir="/tmp"))
    directory.chmod(0o711)
    command = f"archive_command=test -f {directory}/room"
    monkeypatch.setenv(OPTIONS_VARIABLE, f"-c fsync=off -c archive_mode=on -c '{command}'")
    yield directory
    discard(directory / "pg")
    shutil.rmtree(directory)


def test_an_archive_that_fails(whole: Installation, room: Path) -> None:
    server = localdb.lease(room / "pg")
    at = replace(whole, addresses=whole.addresses | {"app": server.app})
    assert told(at, "archive") == "", "there is nothing to archive yet"
    with psycopg.connect(localdb.libpq_url(server.superuser), autocommit=True) as superuser:
        superuser.execute("SELECT pg_switch_wal()")
    wait_until(lambda: told(at, "archive") != "")
    assert "The server cannot archive its log since its start." in told(at, "archive")
    (room / "room").touch()
    wait_until(lambda: told(at, "archive") == "")


def test_jobs_that_hang_or_are_not_there(whole: Installation) -> None:
    port = free_port()
    at = changed(whole, jobs_port=port)
    assert "No jobs process answers" in told(at, "jobs")
    watchdog = Watchdog(3600.0)
    server = health.serve(port, watchdog, lambda: None)
    try:
        assert told(at, "jobs") == ""
        with watchdog.running("audit seals", -1.0):
            assert "The job 'audit seals' hangs" in told(at, "jobs")
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def working(own: TestDatabase, tmp_path: Path) -> Iterator[tuple[APIFlask, Actor]]:
    """An application on the database to break, and somebody who has done something there."""
    app = make_app(own, tmp_path / "var", encryption_keys=KEY)
    with app.app_context():
        actor = everything(TestTenant(create_tenant(own.owner, key="t1", name="T", time_zone="UTC"), "t1"))
        make.an_appointment(actor, notes="Her notes")
        yield app, actor
        db.session.remove()
        db.engine.dispose()


def test_events_that_wait_and_events_that_are_parked(
    whole: Installation, own: TestDatabase, working: tuple[APIFlask, Actor]
) -> None:
    assert told(whole, "outbox") == "", "they are of this second"
    run(own, "UPDATE outbox SET created_at = now() - interval '2 minutes'")
    assert "events wait, the oldest for 12" in told(whole, "outbox")
    run(own, "UPDATE outbox SET parked_at = now()")
    assert "events are parked" in told(whole, "outbox")


def test_an_audit_log_that_was_changed_or_is_not_sealed(
    whole: Installation, own: TestDatabase, working: tuple[APIFlask, Actor], tmp_path: Path
) -> None:
    anchor = sealed(own)
    kept = tmp_path / "anchors"
    kept.write_text(anchor.line())
    anchored = replace(whole, anchors=kept)
    assert told(whole, "audit") == told(anchored, "anchors") == ""
    run(own, "SET session_replication_role = replica", "UPDATE audit_event SET actor = 'nobody' WHERE tenant_id = 1")
    assert "Seal 1 of t1's audit log holds" in told(whole, "audit")
    run(own, "SET session_replication_role = replica", "DELETE FROM audit_event", "DELETE FROM audit_seal")
    assert "Seal 1 of t1 is not the one that was kept" in told(anchored, "anchors")
    run(own, "INSERT INTO audit_event (tenant_id, actor, purpose, action, outcome, patients, detail, at)"
             " VALUES (1, 'x', 'TREAT', 'x', 'done', '{}', '{}', now() - interval '10 minutes')")  # fmt: skip
    assert "The audit log of t1 was not sealed for 6" in told(whole, "audit")
    kept.write_text("nothing of the kind")
    assert "cannot be read: line 1 is no anchor" in told(anchored, "anchors")
    assert told(whole, "anchors").startswith(NOT_CHECKED)


@pytest.mark.parametrize(
    ("table", "next_one"),
    [("audit_event", "interval '1 month', '_YYYY_MM'"), ("outbox_sent", "interval '1 day', '_YYYY_MM_DD'")],
)
def test_a_partition_that_was_not_made(whole: Installation, own: TestDatabase, table: str, next_one: str) -> None:
    with psycopg.connect(localdb.libpq_url(own.whole)) as connection:
        [(name,)] = connection.execute(f"SELECT '{table}' || to_char(now() AT TIME ZONE 'UTC' + {next_one})").fetchall()
    run(own, f"DROP TABLE {name}")
    assert f"{table} has no partition {name}" in told(whole, "partitions")
    assert f"are kept in {table}_other" in told(whole, "partitions")


def test_a_key_that_was_taken_away(
    whole: Installation, own: TestDatabase, working: tuple[APIFlask, Actor], tmp_path: Path
) -> None:
    assert told(whole, "keys") == ""
    asked = command(own, "--only", "keys", ENCRYPTION_KEYS=new_encryption_key("other"))
    assert asked.returncode == 1
    assert "texts need the key 'k1'" in asked.stdout
    run(own, "UPDATE appointments SET notes = 'plain'")
    assert "1 texts are not encrypted yet" in told(whole, "keys")


def test_a_backup_that_is_old_empty_or_not_there(whole: Installation, tmp_path: Path) -> None:
    place = tmp_path / "backups"
    place.mkdir()
    at = replace(whole, backups=place)
    assert "There is no backup" in told(at, "backups")
    (place / "care.dump").write_bytes(b"PGDMP")
    assert told(at, "backups") == ""
    days_ago = time.time() - 2 * 86400
    os.utime(place / "care.dump", (days_ago, days_ago))
    assert "The newest backup is of" in told(at, "backups")
    (place / "new.dump").touch()
    assert "new.dump, is empty" in told(at, "backups")


def test_services_that_do_not_answer(whole: Installation) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    given = {
        "oidc_issuer": f"http://{nowhere}", "oidc_client_id": "care", "jwt_jwks_url": f"http://{nowhere}/keys",
        "provider_service_url": f"http://{nowhere}", "kafka_bootstrap_servers": nowhere,
        "provider_service_keys": type(whole.settings.provider_service_keys)(f"t1:k:{SECRET}"),
    }  # fmt: skip
    at = changed(whole, **given)
    assert "The identity provider does not answer" in told(at, "identity provider")
    assert "JWT_JWKS_URL publishes no keys" in told(at, "token keys")
    assert "The provider service does not answer for tenant t1" in told(at, "provider service")
    assert "Kafka does not answer" in told(at, "kafka")
    for name in ("identity provider", "token keys", "provider service", "kafka"):
        assert told(whole, name).startswith(NOT_CHECKED), "what is not set is not looked at"


def command(database: TestDatabase, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`flask doctor` as a process of its own, in production."""
    given = {
        "CAREAPP_ENV": "production", "SECRET_KEY": SECRET, "ENCRYPTION_KEYS": KEY, "TRUSTED_HOSTS": "care.example",
        "DATABASE_URL": database.app, "DATABASE_OWNER_URL": database.owner, "DATABASE_RELAY_URL": database.relay,
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "doctor", *words], cwd=ROOT, text=True, capture_output=True,
        env=os.environ | given | environment, timeout=120, check=False,
    )  # fmt: skip


def test_the_command_ends_with_its_verdict(own: TestDatabase) -> None:
    fine = command(own, "--only", "schema", "--only", "roles", "--json")
    assert fine.returncode == 0, fine.stderr
    answer = json.loads(fine.stdout)
    assert (answer["well"], [one["state"] for one in answer["findings"]]) == (True, [WELL, WELL])
    run(own, "UPDATE alembic_version SET version_num = '0001'")
    broken = command(own, "--only", "schema")
    assert (broken.returncode, "db upgrade" in broken.stdout) == (1, True)
    unknown = command(own, "--only", "weather")
    assert (unknown.returncode, "there is no check weather" in unknown.stderr) == (2, True)
    unset = command(own, DATABASE_URL="")
    assert unset.returncode == 1
    assert "production needs DATABASE_URL" in unset.stderr


def test_nothing_can_be_written_while_it_looks(whole: Installation) -> None:
    for role in whole.addresses:
        with whole.connect(role) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TEMPORARY TABLE here (one int)" if role == "backup" else
                               "UPDATE outbox SET attempts = 0")  # fmt: skip


def test_one_check_that_fails_itself_stops_no_other(whole: Installation, own: TestDatabase) -> None:
    run(own, "REVOKE SELECT ON alembic_version FROM care_app")
    found: list[Finding] = list(examine(whole, frozenset({"schema", "connections"})))
    assert {one.check: one.state for one in found} == {"schema": WRONG, "connections": WELL}


def test_an_error_nobody_expected_is_a_finding_too(whole: Installation, tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_text("no certificate")
    given = whole.settings.model_copy(
        update={"kafka_bootstrap_servers": "kafka.example:9092", "kafka_security_protocol": "SSL",
                "kafka_ca_file": authority},
    )  # fmt: skip
    found = {one.check: one for one in examine(replace(whole, settings=given), frozenset({"kafka", "connections"}))}
    assert {name: one.state for name, one in found.items()} == {"kafka": WRONG, "connections": WELL}
    assert "SSLError" in found["kafka"].text


def test_without_a_pooler_or_a_replica_there_is_nothing_to_look_at(whole: Installation) -> None:
    for name in ("pooler", "replica"):
        assert told(whole, name).startswith(NOT_CHECKED)


def test_a_replica_that_is_none_or_not_there(whole: Installation, own: TestDatabase) -> None:
    promoted = replace(whole, addresses=whole.addresses | {"replica": own.app})
    assert "DATABASE_REPLICA_URL leads to no replica" in told(promoted, "replica")
    assert told(promoted, "database") == ""
    other = replace(whole, addresses=whole.addresses | {"replica": own.relay})
    assert "DATABASE_REPLICA_URL signs in as care_relay, not as care_app" in told(other, "database")
    nowhere = f"postgresql://care_app@127.0.0.1:{free_port()}/care"
    gone = replace(whole, addresses=whole.addresses | {"replica": nowhere})
    assert "wrong: The database does not answer at DATABASE_REPLICA_URL" in told(gone, "database")


def test_the_page_names_every_check() -> None:
    text = PAGE.read_text()
    lines = [f"| {one.name} | {one.looks_at} |" for one in CHECKS.values()]
    assert [line for line in lines if line not in text] == []
    assert text.count("\n| ") == len(lines) + 1, "and no other"


def test_each_check_is_broken_here() -> None:
    """Its sentence is looked for after something was broken: to be silent on a whole installation is not enough."""
    source = Path(__file__).read_text() + (ROOT / "tests/scale/test_doctor_beside.py").read_text()
    said_here = set(re.findall(r"in told\(.*, \"([a-z ]+)\"\)", source))
    by_command = set(re.findall(r"= command\(own, \"--only\", \"([a-z ]+)\"[,)]", source))
    broken = said_here | by_command | {check for _, check, _ in CHANGES}
    assert set(CHECKS) - broken == set()


def test_it_looks_at_what_the_application_was_started_with(app: APIFlask, database: TestDatabase) -> None:
    assert installation().addresses["app"] == database.app
    assert doctor.name == "doctor"
