"""`flask tenant export` and `delete`: everything of one tenant, nothing of another, over every table there is."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from apiflask import APIFlask
from click.testing import Result

from careapp import clock, localdb
from careapp.access import Actor
from careapp.cli.doctor import walls
from careapp.db import db, table_of
from careapp.operations import tenant_deletion, tenant_export
from careapp.operations.maintenance import tenants
from careapp.operations.tenant_deletion import NotDeleted
from careapp.operations.tenant_export import ExportFailed, read_manifest
from careapp.operations.tenant_rows import LOG, connected, tables
from careapp.operations.tenants import create_tenant, tenant_id_of
from careapp.outbox.models import OutboxEvent
from tests import factories as make
from tests.conftest import ROOT, TestTenant, everything, make_app
from tests.database import TestDatabase
from tests.jobs.relays import wait_until
from tests.rules.whole_tenant import BY_OTHERS, fill

GOING, KILLED, LEAVING, STAYING = "going", "killed", "leaving", "staying"
BY = ("--by", "The board")
WHY = (*BY, "--reason", "The clinic closed")


@pytest.fixture(scope="module")
def own() -> Iterator[TestDatabase]:
    """A database of this file alone: what is left of other tenants is compared row by row."""
    with TestDatabase.apart() as made:
        yield made


@pytest.fixture(scope="module")
def four(own: TestDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[APIFlask, dict[str, Actor]]]:
    """An application with four tenants that have a row in every table, and somebody of each by its key."""
    app = make_app(own, tmp_path_factory.mktemp("var"))
    with app.app_context():
        actors = {
            key: everything(TestTenant(create_tenant(own.owner, key=key, name=key, time_zone="UTC"), key))
            for key in (GOING, KILLED, LEAVING, STAYING)
        }
        for actor in actors.values():
            fill(actor)
            make.an_appointment(actor, notes=f"Notes of {actor.tenant_key}")
            db.session.remove()
            by_others(own, actor.tenant_id)
        db.session.remove()
    yield app, actors
    with app.app_context():
        db.engine.dispose()


def unwalled(database: TestDatabase) -> psycopg.Connection[Any]:
    """As a superuser, whom row-level security does not hold."""
    return psycopg.connect(localdb.libpq_url(database.whole), options="-c search_path=care,public")


def by_others(own: TestDatabase, tenant: int) -> None:
    """What the app role does not write: seals, an address in the directory; and the hold is lifted."""
    with unwalled(own) as connection:
        for statement in BY_OTHERS:
            connection.execute(statement, {"tenant": tenant})  # type: ignore[arg-type]
        connection.execute(
            "INSERT INTO sign_in_directory SELECT %s, %s, id FROM users WHERE tenant_id = %s",
            [bytes([tenant]) * 32, tenant, tenant],
        )
        connection.execute("UPDATE legal_holds SET lifted_at = now(), lifted_by = 'test'")


@pytest.fixture
def two(four: tuple[APIFlask, dict[str, Actor]]) -> Iterator[tuple[APIFlask, Actor, Actor]]:
    """The application, somebody of the tenant that goes last in this file, and somebody of the one that stays."""
    app, actors = four
    with app.app_context():
        yield app, actors[GOING], actors[STAYING]
        db.session.remove()


def flask(app: APIFlask, *words: str, typed: str = "") -> Result:
    return app.test_cli_runner().invoke(args=["tenant", *words], input=typed)


def test_an_export_of_an_older_version_is_not_whole(
    two: tuple[APIFlask, Actor, Actor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, file = two[0], tmp_path / "old.zip"
    suspended(app, GOING)
    with monkeypatch.context() as before:
        before.setattr(tenant_export, "tables", lambda: [one for one in tables() if one.name != "legal_holds"])
        assert flask(app, "export", GOING, str(file), *BY).exit_code == 0
    refused = flask(app, "delete", GOING, "--export", str(file), *WHY, typed=f"{GOING}\n")
    assert (refused.exit_code, "without legal_holds" in refused.output) == (1, True), refused.output
    assert flask(app, "resume", GOING, *BY).exit_code == 0


def test_a_disk_that_takes_no_file(two: tuple[APIFlask, Actor, Actor]) -> None:
    refused = flask(two[0], "export", GOING, "/proc/going.zip", *BY)
    assert (refused.exit_code, "/proc/going.zip.unfinished cannot be written" in refused.output) == (1, True)


def suspended(app: APIFlask, key: str) -> None:
    """Suspend it, some minutes ago."""
    with clock.at(clock.now() - timedelta(minutes=5)):
        assert flask(app, "suspend", key, *WHY).exit_code == 0


def send_all(app: APIFlask) -> None:
    """Send what waits of every tenant: the relay's ordinary work, which changes rows of the outbox."""
    assert app.test_cli_runner().invoke(args=["outbox", "drain"]).exit_code == 0


def rows_of(database: TestDatabase, tenant: int) -> dict[str, list[str]]:
    """All rows of a tenant by table, as a superuser sees them, by the catalogue and not by what the code names."""
    with unwalled(database) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attname = 'tenant_id'"
            " AND relnamespace = 'care'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
        ).fetchall()
        return {
            name: [text for (text,) in connection.execute(
                f"SELECT to_jsonb(t)::text FROM {name} t WHERE tenant_id = %s ORDER BY 1", [tenant]  # type: ignore[arg-type]
            )] for (name,) in found
        }  # fmt: skip


def tombstone(database: TestDatabase, key: str) -> dict[str, Any]:
    """What the row of a deleted tenant says of its deletion."""
    with unwalled(database) as connection:
        statement = "SELECT deletion FROM tenants WHERE key = %s AND name = %s AND deleted_at IS NOT NULL"
        [(deletion,)] = connection.execute(statement, [key, tenant_deletion.NAME]).fetchall()
    assert isinstance(deletion, dict)
    return deletion


def test_every_table_has_a_row_to_go(two: tuple[APIFlask, Actor, Actor], own: TestDatabase) -> None:
    _, going, _ = two
    there = rows_of(own, going.tenant_id)
    assert set(there) == {table.name for table in tables()}, "a new table with tenant_id is among them by itself"
    assert [name for name, rows in there.items() if not rows] == [], "fill() of tests/rules/whole_tenant.py makes one"


def test_an_export_holds_every_row_and_says_so(
    two: tuple[APIFlask, Actor, Actor], own: TestDatabase, tmp_path: Path
) -> None:
    app, going, _ = two
    file = tmp_path / "going.zip"
    made = flask(app, "export", GOING, str(file), *BY)
    assert made.exit_code == 0, made.output
    assert file.stat().st_mode & 0o777 == 0o600
    there = rows_of(own, going.tenant_id)
    manifest = json.loads(zipfile.ZipFile(file).read("manifest.json"))
    with zipfile.ZipFile(file) as archive:
        for name, rows in there.items():
            text = archive.read(f"{name}.ndjson").decode()
            assert sorted(text.splitlines()) == sorted(rows), name
            assert manifest["tables"][name]["rows"] == len(rows)
            assert manifest["tables"][name]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
        assert set(archive.namelist()) == {f"{name}.ndjson" for name in there} | {"manifest.json"}
    assert (manifest["tenant"], manifest["decrypted"]) == (GOING, False)
    assert "Notes of" not in json.dumps(there), "encrypted texts stay encrypted"
    told = [row["detail"] for row in map(json.loads, there["audit_event"]) if row["action"] == "tenant.export"]
    assert {"by": "The board", "way": "as kept"} in told, "before the first row left"
    assert STAYING not in made.output
    again = flask(app, "export", GOING, str(file), *BY)
    assert (again.exit_code, "is there already" in again.output) == (1, True)


def test_an_export_takes_no_file_that_lay_there(two: tuple[APIFlask, Actor, Actor], tmp_path: Path) -> None:
    app, *_ = two
    trap = tmp_path / "going.zip.unfinished"
    trap.symlink_to(tmp_path / "elsewhere")
    refused = flask(app, "export", GOING, str(tmp_path / "going.zip"), *BY)
    assert (refused.exit_code, "an export is under way, or one was killed" in refused.output) == (1, True)
    assert [one.name for one in tmp_path.iterdir()] == [trap.name], "nothing was written through it"


def test_an_export_is_of_one_moment(
    two: tuple[APIFlask, Actor, Actor], own: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed after the first table was read is in none of those that come later."""
    app, going, _ = two
    write_table, added = tenant_export._write_table, []

    def write_and_go_on(*args: Any) -> dict[str, Any]:
        made = write_table(*args)
        if not added:
            with unwalled(own) as connection:
                connection.execute("INSERT INTO sign_in_directory VALUES ('late', %s, 0)", [going.tenant_id])
            added.append(args[2].name)
        return made

    monkeypatch.setattr(tenant_export, "_write_table", write_and_go_on)
    assert flask(app, "export", GOING, str(tmp_path / "going.zip"), *BY).exit_code == 0
    assert added != ["sign_in_directory"], "another table came first"
    with zipfile.ZipFile(tmp_path / "going.zip") as file:
        assert len(file.read("sign_in_directory.ndjson").splitlines()) == len(
            rows_of(own, going.tenant_id)["sign_in_directory"]
        ) - 1  # fmt: skip
    with unwalled(own) as connection:
        connection.execute("DELETE FROM sign_in_directory WHERE email_hash = 'late'")


def test_the_name_of_an_export_is_kept_as_its_content_is(
    two: tuple[APIFlask, Actor, Actor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion may follow at once, and then a power cut: until its directory is written a new file has no name."""
    fsync, target, kept = os.fsync, tmp_path / "going.zip", list[tuple[bool, bool]]()

    def watched(file: int) -> None:
        kept.append((os.path.samestat(os.fstat(file), tmp_path.stat()), target.exists()))
        fsync(file)

    monkeypatch.setattr(os, "fsync", watched)
    assert flask(two[0], "export", GOING, str(target), *BY).exit_code == 0
    assert kept == [(False, False), (True, True)], "its content, and then, with its name in it, the directory"


def test_texts_are_opened_only_when_asked_for(two: tuple[APIFlask, Actor, Actor], tmp_path: Path) -> None:
    app, *_ = two
    file = tmp_path / "open.zip"
    assert flask(app, "export", GOING, str(file), "--decrypt", *BY).exit_code == 0
    with zipfile.ZipFile(file) as archive:
        assert "Notes of going" in archive.read("appointments.ndjson").decode()
        assert json.loads(archive.read("manifest.json"))["decrypted"] is True
        assert "Notes of staying" not in "".join(archive.read(name).decode() for name in archive.namelist())


def test_an_export_that_was_touched_is_none(two: tuple[APIFlask, Actor, Actor], tmp_path: Path) -> None:
    app, *_ = two
    file, bad, dated = tmp_path / "good.zip", tmp_path / "bad.zip", tmp_path / "dated.zip"
    assert flask(app, "export", GOING, str(file), *BY).exit_code == 0
    assert read_manifest(file).tenant == GOING
    year = str(clock.now().year).encode()
    for changed, words in ((bad, (b"Cough", b"Cold")), (dated, (b'"madeAt": "' + year, b'"madeAt": "2999'))):
        with zipfile.ZipFile(file) as good, zipfile.ZipFile(changed, "w") as other:
            held = {name: good.read(name) for name in good.namelist()}
            assert any(words[0] in text for text in held.values())
            for name, text in held.items():
                other.writestr(name, text.replace(*words))
    torn = tmp_path / "torn.zip"
    with zipfile.ZipFile(file) as good:
        first = max(good.infolist(), key=lambda one: one.compress_size)
    whole = file.read_bytes()
    begin = first.header_offset + 30 + len(first.filename) + 20  # behind the header and its sizes of 64 bits
    torn.write_bytes(whole[:begin] + b"\xff" * 16 + whole[begin + 16 :])
    for given in (bad, dated, torn, tmp_path / "none"):
        given.touch()
        with pytest.raises(ExportFailed):
            read_manifest(given)


REFUSED: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no export": ((), GOING, "Give --export FILE"),
    "another key typed": (("--without-export",), STAYING, "That is another key"),
    "an export of another": (("--export", "staying.zip"), GOING, "is an export of staying"),
    "an export from before": (("--export", "old.zip"), GOING, "was made before going was suspended"),
    "not suspended": (("--export", "new.zip"), GOING, "Suspend going and export it then"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_and_nothing_goes(
    two: tuple[APIFlask, Actor, Actor], own: TestDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    app, going, _ = two
    words, typed, said = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    if case == "an export of another":
        flask(app, "export", STAYING, "staying.zip", *BY)
    with clock.at(clock.now() - timedelta(minutes=10)):
        flask(app, "export", GOING, "old.zip", *BY)
    if case != "not suspended":
        suspended(app, GOING)
    flask(app, "export", GOING, "new.zip", *BY)
    before = rows_of(own, going.tenant_id)
    refused = flask(app, "delete", GOING, *words, *WHY, typed=f"{typed}\n")
    assert (refused.exit_code, said in refused.output) == (1, True), refused.output
    assert rows_of(own, going.tenant_id) == before
    flask(app, "resume", GOING, *BY)


def test_an_export_is_stale_once_the_tenant_was_let_in_again(
    two: tuple[APIFlask, Actor, Actor], own: TestDatabase, tmp_path: Path
) -> None:
    """Between the look at the export and the tombstone somebody types a key, and may take his time."""
    app, going, _ = two
    suspended(app, GOING)
    assert flask(app, "export", GOING, str(tmp_path / "going.zip"), *BY).exit_code == 0
    looked_at = read_manifest(tmp_path / "going.zip")
    assert flask(app, "resume", GOING, *BY).exit_code == 0
    with pytest.raises(NotDeleted, match="Suspend going"):
        tenant_deletion.begin(own.owner, going, by="x", reason="x", export=looked_at)
    assert tenant_id_of(GOING) == going.tenant_id


def test_a_legal_hold_keeps_all_of_it(two: tuple[APIFlask, Actor, Actor], own: TestDatabase) -> None:
    app, going, _ = two
    with unwalled(own) as connection:
        connection.execute("UPDATE legal_holds SET lifted_at = NULL, lifted_by = NULL WHERE tenant_id = 1")
    before = rows_of(own, going.tenant_id)
    refused = flask(app, "delete", GOING, "--without-export", *WHY, typed=f"{GOING}\n")
    assert (refused.exit_code, "1 patients are under a legal hold" in refused.output) == (1, True)
    assert rows_of(own, going.tenant_id) == before
    with unwalled(own) as connection:
        connection.execute("UPDATE legal_holds SET lifted_at = now(), lifted_by = 'test'")


def test_a_statement_that_forgets_its_tenant_reaches_no_other(
    two: tuple[APIFlask, Actor, Actor], own: TestDatabase
) -> None:
    """Row-level security holds the owner too: the walls, not the WHERE clause alone."""
    _, going, _ = two
    with connected(own.owner, going.tenant_id) as connection:
        assert connection.execute("SELECT DISTINCT tenant_id FROM patients").fetchall() == [(going.tenant_id,)]
        gone = connection.execute("DELETE FROM patient_name_words").rowcount
        connection.rollback()
    assert gone == len(rows_of(own, going.tenant_id)["patient_name_words"]) > 0


def test_what_a_suspended_tenant_did_is_still_told(
    four: tuple[APIFlask, dict[str, Actor]], two: tuple[APIFlask, Actor, Actor], own: TestDatabase
) -> None:
    app, leaving = two[0], four[1][LEAVING]
    make.an_appointment(leaving)
    assert tenant_deletion.waiting_events(own.owner, leaving.tenant_id) > (0, 0)
    suspended(app, LEAVING)
    send_all(app)
    assert tenant_deletion.waiting_events(own.owner, leaving.tenant_id) == (0, 0)
    assert LEAVING in {one.key for one in tenants()}, "every other job goes over it as well"
    assert flask(app, "resume", LEAVING, *BY).exit_code == 0


def test_in_production_no_command_sends_past_the_broker_of_jobs(
    two: tuple[APIFlask, Actor, Actor], own: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without one the events of every tenant would go to the log and count as sent. Nothing is deleted either."""
    app, going, staying = two
    make.an_episode(staying)
    production = app.config["SETTINGS"].model_copy(update={"env": "production"})
    monkeypatch.setitem(app.config, "SETTINGS", production)
    before = rows_of(own, going.tenant_id), rows_of(own, staying.tenant_id)
    for words in (["outbox", "drain"], ["tenant", "delete", GOING, "--without-export", *WHY]):
        refused = app.test_cli_runner().invoke(args=words, input=f"{GOING}\n")
        assert (refused.exit_code, "Set KAFKA_BOOTSTRAP_SERVERS" in refused.output) == (1, True), refused.output
        assert "Type" not in refused.output, "nobody is asked for what cannot be done"
    assert (rows_of(own, going.tenant_id), rows_of(own, staying.tenant_id)) == before
    assert tenant_deletion.waiting_events(own.owner, staying.tenant_id) > (0, 0)


def test_history_of_who_is_not_deleted_stays(two: tuple[APIFlask, Actor, Actor], own: TestDatabase) -> None:
    """The owner may take away a deleted tenant's history, row by row, and nobody else's."""
    _, going, _ = two
    with connected(own.owner, going.tenant_id) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("DELETE FROM status_changes")


def test_a_demo_clinic_that_was_deleted_is_refused_in_words(
    two: tuple[APIFlask, Actor, Actor], own: TestDatabase
) -> None:
    create_tenant(own.owner, key="demo", name="Demo", time_zone="UTC")
    with unwalled(own) as connection:
        connection.execute("UPDATE tenants SET deleted_at = now() WHERE key = 'demo'")
    refused = two[0].test_cli_runner().invoke(args=["demo", "--in-production"])
    assert (refused.exit_code, "demo was a tenant that is deleted" in refused.output) == (1, True), refused.output


def process(own: TestDatabase, var: Path, *words: str) -> "subprocess.Popen[str]":
    """`flask tenant` as a process of its own, which types the key."""
    given = {
        "CAREAPP_VAR": str(var), "DATABASE_URL": own.app, "DATABASE_OWNER_URL": own.owner,
        "DATABASE_RELAY_URL": own.relay,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "wsgi", "tenant", *words], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | given,
    )  # fmt: skip


def test_it_goes_on_where_it_was_killed(
    four: tuple[APIFlask, dict[str, Actor]], two: tuple[APIFlask, Actor, Actor], own: TestDatabase, tmp_path: Path
) -> None:
    app, killed, staying = two[0], four[1][KILLED], two[2]
    send_all(app)
    others = rows_of(own, staying.tenant_id)
    whole = sum(len(rows) for name, rows in rows_of(own, killed.tenant_id).items() if name not in LOG)
    with unwalled(own) as holder, unwalled(own) as watching:
        watching.autocommit = True
        holder.execute("SELECT id FROM patients WHERE tenant_id = %s FOR UPDATE", [killed.tenant_id])
        running = process(own, tmp_path, "delete", KILLED, "--without-export", *WHY)
        assert running.stdin
        running.stdin.write(f"{KILLED}\n")
        running.stdin.flush()
        wait_until(lambda: running.poll() is not None or bool(watching.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'careapp tenant' AND wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ).fetchall()))  # fmt: skip
        running.kill()
        told = running.communicate()[0]
    left = rows_of(own, killed.tenant_id)
    assert left["patients"], told
    assert left["appointments"] == [], "what points at patients went before them"
    again = flask(app, "delete", KILLED, "--without-export", "--by", "Else", "--reason", "Else", typed=f"{KILLED}\n")
    assert again.exit_code == 0, again.output
    left = rows_of(own, killed.tenant_id)
    assert {name for name, rows in left.items() if rows} == LOG
    [begun] = [row for row in map(json.loads, left["audit_event"]) if row["action"] == "tenant.delete"]
    assert begun["detail"]["by"] == "The board", "who decided it the first time"
    [ended] = [row for row in map(json.loads, left["audit_event"]) if row["action"] == "tenant.deleted"]
    assert ended["detail"]["rows"] == tombstone(own, KILLED)["rows"] == whole + 2, "of both runs, and its own event"
    assert rows_of(own, staying.tenant_id) == others


def test_what_is_not_told_yet_is_not_forgotten(
    four: tuple[APIFlask, dict[str, Actor]], two: tuple[APIFlask, Actor, Actor], own: TestDatabase
) -> None:
    """Without a relay the last event waits; the same command goes on when it has been sent. A parked one is named."""
    app, leaving, staying = two[0], four[1][LEAVING], two[2]
    send_all(app)
    others = rows_of(own, staying.tenant_id)
    relay, app.config["DATABASE_RELAY_URL"] = app.config["DATABASE_RELAY_URL"], None
    stopped = flask(app, "delete", LEAVING, "--without-export", *WHY, typed=f"{LEAVING}\n")
    assert (stopped.exit_code, "events wait to be sent" in stopped.output) == (1, True), stopped.output
    park = "UPDATE outbox SET parked_at = {} WHERE tenant_id = %s AND published_at IS NULL"
    with unwalled(own) as connection:
        connection.execute(park.format("now()"), [leaving.tenant_id])  # type: ignore[arg-type]
    make.an_episode(two[1])
    app.config["DATABASE_RELAY_URL"] = relay
    stopped = flask(app, "delete", LEAVING, "--without-export", *WHY, typed=f"{LEAVING}\n")
    app.config["DATABASE_RELAY_URL"] = None
    assert (stopped.exit_code, "1 events are parked" in stopped.output) == (1, True), stopped.output
    assert tenant_deletion.waiting_events(own.owner, two[1].tenant_id) > (0, 0), "it is no relay for others"
    tenant_deletion._empty(own.owner, leaving.tenant_id, table_of(OutboxEvent))
    assert tenant_deletion.waiting_events(own.owner, leaving.tenant_id) == (1, 1), "whoever asks"
    with unwalled(own) as connection:
        connection.execute(park.format("NULL"), [leaving.tenant_id])  # type: ignore[arg-type]
    left = rows_of(own, leaving.tenant_id)
    assert {name for name, rows in left.items() if rows} == LOG | set(tenant_deletion.EVENTS)
    [event] = [row for row in left["outbox"] if "care.tenant.deleted" in row]
    assert not [word for word in WHY if word in event], "who decided it and why is for the log alone"
    app.config["DATABASE_RELAY_URL"] = relay
    assert flask(app, "delete", LEAVING, "--without-export", *WHY, typed=f"{LEAVING}\n").exit_code == 0
    assert {name for name, rows in rows_of(own, leaving.tenant_id).items() if rows} == LOG
    told = [json.loads(row)["action"] for row in rows_of(own, leaving.tenant_id)["audit_event"]]
    assert told.count("tenant.delete") == 1, "it began once"
    assert rows_of(own, staying.tenant_id) == others


def test_one_command_at_a_time_deletes_a_tenant(two: tuple[APIFlask, Actor, Actor], own: TestDatabase) -> None:
    app, going, _ = two
    with tenant_deletion.alone(own.owner, going.tenant_id):
        refused = flask(app, "delete", GOING, "--without-export", *WHY, typed=f"{GOING}\n")
    assert (refused.exit_code, "Somebody else is deleting this tenant." in refused.output) == (1, True), refused.output
    with tenant_deletion.alone(own.owner, going.tenant_id), unwalled(own) as connection:
        [(deleted_at,)] = connection.execute("SELECT deleted_at FROM tenants WHERE id = %s", [going.tenant_id])
    assert deleted_at is None


def test_a_tombstone_that_somebody_holds_is_said_in_words(
    two: tuple[APIFlask, Actor, Actor], own: TestDatabase
) -> None:
    app, going, _ = two
    with unwalled(own) as holder:
        holder.execute("SELECT FROM tenants WHERE id = %s FOR UPDATE", [going.tenant_id])
        refused = flask(app, "delete", GOING, "--without-export", *WHY, typed=f"{GOING}\n")
    assert (refused.exit_code, "Somebody holds what is to go." in refused.output) == (1, True), refused.output
    with unwalled(own) as connection:
        [(deleted_at,)] = connection.execute("SELECT deleted_at FROM tenants WHERE id = %s", [going.tenant_id])
    assert deleted_at is None


def test_a_tenant_goes_and_no_other_loses_a_row(
    two: tuple[APIFlask, Actor, Actor], own: TestDatabase, tmp_path: Path
) -> None:
    """While others write to every table: nothing keeps them from it, and their open work holds nothing up."""
    app, going, staying = two
    send_all(app)
    suspended(app, GOING)
    file, others = tmp_path / "going.zip", rows_of(own, staying.tenant_id)
    assert flask(app, "export", GOING, str(file), *BY).exit_code == 0
    assert tenant_id_of(GOING) == going.tenant_id
    with unwalled(own) as writing:
        for table in tables():
            writing.execute(f"LOCK TABLE {table.name} IN ROW EXCLUSIVE MODE")  # type: ignore[arg-type]
        done = flask(app, "delete", GOING, "--export", str(file), *WHY, typed=f"{GOING}\n")
    assert done.exit_code == 0, done.output
    assert rows_of(own, staying.tenant_id) == others
    left = {name: rows for name, rows in rows_of(own, going.tenant_id).items() if rows}
    assert set(left) == LOG, "the log of who saw and did what stays, with its seals"
    told = [json.loads(row) for row in left["audit_event"]]
    [begun] = [row for row in told if row["action"] == "tenant.delete"]
    assert begun["detail"]["by"] == "The board"
    assert begun["detail"]["hash"] == read_manifest(file).sha256
    assert any(row["action"] == "tenant.deleted" for row in told)
    with unwalled(own) as connection:
        assert walls.faults(connection) == [], "the guard of history is on again"
    deletion = tombstone(own, GOING)
    assert (deletion["by"], deletion["export"], deletion["seal"]) == ("The board", begun["detail"]["hash"], 1)
    assert tenant_id_of(GOING) is None
    taken = flask(app, "add", GOING, "--name", "Another", "--time-zone", "UTC")
    assert (taken.exit_code, "There is a tenant going already" in taken.output) == (1, True)
    assert GOING not in flask(app, "list").output.splitlines()
    again = flask(app, "delete", GOING, "--without-export", *WHY, typed=f"{GOING}\n")
    assert again.exit_code == 0, "what came in between goes as well"
    assert tombstone(own, GOING) == deletion, "nothing came: when it ended and how many rows went stays as it was"
    assert [row for row in rows_of(own, going.tenant_id)["audit_event"] if '"tenant.deleted"' in row] == [
        row for row in left["audit_event"] if '"tenant.deleted"' in row
    ]
