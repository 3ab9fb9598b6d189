"""A whole run: database, scene, recorded statements, servers, rounds, report."""

import json
import os
import pickle
import platform
import re
import secrets
import signal
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import jwt
import psycopg
from apiflask import APIFlask
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from werkzeug.test import TestResponse

from bench import report
from bench.cases import Case, Credentials, Request
from bench.clients import clients
from bench.databases import working_copy
from bench.generator import SIZES
from bench.measuring import APPLICATION, BARE, EMPTY, LONG, QUICK, WAYS, Bench, Result, Round, figures, measure, ratios
from bench.scene import Scene, tomorrow
from bench.servers import ROOT, VAR, Database, web_server
from bench.statements import Plan, Recording, plan_of, recording
from careapp import commands, create_app
from careapp.config import new_encryption_key
from careapp.db import db
from careapp.identity import sessions
from careapp.localdb import libpq_url

SCREENS = 100  # that look at the board
LIFE = 12 * 3600  # seconds of a token, as many as it may have: a soak lasts longer than an hour
PLANS = VAR / "plans.pickle"
# Generated tenants in which clinics may be laid, so that they have as much around them as the others.
TENANTS = tuple(f"bench-{n}" for n in range(SIZES["small"].tenants))
WRITTEN = ("appointments", "provider_slots", "episodes", "status_changes", "outbox", "outbox_head", "audit_event",
           "audit_patients", "idempotency_key")  # fmt: skip
_STATISTICS = """
SELECT coalesce(sum(total_exec_time), 0), coalesce(sum(calls), 0),
       coalesce(sum(shared_blks_hit + shared_blks_read), 0) FROM pg_stat_statements
WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND userid = 'care_app'::regrole"""
_MARK = re.compile(r'data-version="([^"]*)"')


@dataclass(frozen=True)
class Laid:
    """Everything that rounds need, running: the bench, and each case's recorded statements with the plan they give."""

    bench: Bench
    database: Database
    found: dict[str, tuple[Recording, Plan]]


def run_all(cases: Sequence[Case], *, size: str, quick: bool, authenticated: bool = True) -> dict[str, Any]:
    """Run these cases against each ruler, print the table and keep it in var/bench/last.json.

    Unless `authenticated`, neither ruler runs authentication's statement.
    """
    length = QUICK if quick else LONG
    with laid(cases, size=size, authenticated=authenticated) as it:
        measured = {case.name: measure(it.bench, case, it.found[case.name][1], length, tell) for case in cases}
    tell("")
    results = [result(case, it.found[case.name][0], measured[case.name]) for case in cases]
    everything = [one for rounds in measured.values() for ways in rounds.values() for one in ways]
    made = {**describe(it.database, size, length.cycles, results, everything), "authenticated": authenticated}
    (VAR / "last.json").write_text(json.dumps(made, indent=1))
    print(report.table(made))
    return made


@contextmanager
def laid(
    cases: Sequence[Case], *, size: str, authenticated: bool = True, ways: Sequence[str] = WAYS, tenants: int = 1
) -> Iterator[Laid]:
    """A copy of the generated database with clinics in so many tenants, the servers and the clients, all until the end
    of the block. The statements of `cases` are those of the first tenant.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("stopped"))
    VAR.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        tell("database and clinics")
        database = stack.enter_context(working_copy(size))
        key = prepared(database)
        app = create_app(poll_memory_seconds=0)  # what a poll asks when it is answered for the first time
        scenes = [lay_scene(stack, database, tenant) for tenant in TENANTS[:tenants]]
        places = [(scene, sign_in(app, scene, key)) for scene in scenes]
        scene, credentials = places[0]
        found = {case.name: record(app, case, case.requests(scene, credentials), authenticated) for case in cases}
        PLANS.write_bytes(pickle.dumps({name: plan for name, (_, plan) in found.items()}))
        with app.app_context():
            stack.callback(db.engine.dispose)
        yield Laid(start(stack, database, places, ways), database, found)


def tell(what: str) -> None:
    """Say on the terminal what goes on, in one line that is written over."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


def prepared(database: Database) -> rsa.RSAPrivateKey:
    """Let this process and those it starts be production on this database; returns the key that signs tokens."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    os.environ.update(production(database, key))
    return key


def production(database: Database, key: rsa.RSAPrivateKey) -> dict[str, str]:
    """Settings of a production process on this database, whatever else stands in the environment or in `.env`."""
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    addresses = database.addresses
    return {
        "RATE_LIMIT_SERVICE": "1000000000", "RATE_LIMIT_PERSON": "1000000000",
        "CAREAPP_ENV": "production", "CAREAPP_VAR": str(VAR), "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": new_encryption_key("bench"),
        "TRUSTED_HOSTS": "127.0.0.1", "JWT_PUBLIC_KEY": public, "DATABASE_URL": addresses.app,
        "DATABASE_OWNER_URL": addresses.owner, "DATABASE_RELAY_URL": addresses.relay,
        "JWT_SECRET": "", "JWT_JWKS_URL": "",
        "INTERNAL_TOKENS": ",".join(f"{tenant}:{secrets.token_urlsafe(24)}" for tenant in TENANTS),
        "JWT_ISSUER": "careapp", "JWT_AUDIENCE": "careapp",
        "DATABASE_POOL_SIZE": "4", "TRUSTED_PROXIES": "0", "PYTHONPATH": str(ROOT),
        "BENCH_DATABASE": libpq_url(addresses.app), "BENCH_PLANS": str(PLANS),
    }  # fmt: skip


def lay_scene(stack: ExitStack, database: Database, tenant: str) -> Scene:
    """Two clinics in one of the generated tenants."""
    options = "-c search_path=care,public -c timezone=UTC"
    connection = stack.enter_context(psycopg.connect(database.superuser, autocommit=True, options=options))
    row = connection.execute("SELECT id FROM tenants WHERE key = %s", [tenant]).fetchone()
    assert row is not None
    scene = Scene(connection, row[0], tenant, tomorrow())
    scene.lay()
    return scene


def sign_in(app: APIFlask, scene: Scene, key: rsa.RSAPrivateKey) -> Credentials:
    """A token as an identity provider would sign it, and the cookie of a session as its browser has it from the second
    page on: with what the first one has put into it for forms.
    """
    now = int(time.time())
    claims = {
        "iss": "careapp", "aud": "careapp", "iat": now, "exp": now + LIFE, "sub": f"user:{scene.user_id}",
        "jti": str(uuid.uuid4()), "tenant": scene.key, "roles": ["front_desk"],
    }  # fmt: skip
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]

    def signed_in() -> str:
        with app.app_context(), commands.system_transaction(scene.tenant_id):
            sid = sessions.start(scene.tenant_id, scene.user_id)
        return f"{app.config['SESSION_COOKIE_NAME']}={serializer.dumps({'tenant': scene.tenant_id, 'sid': sid})}"

    def board(cookie: str) -> TestResponse:
        with redirect_stdout(StringIO()):
            return app.test_client(use_cookies=False).get("/episodes", headers={"Host": "127.0.0.1", "Cookie": cookie})

    cookie = board(signed_in()).headers["Set-Cookie"].partition(";")[0]

    def mark() -> str:
        page = board(cookie)
        found = _MARK.search(page.text)
        assert found, page.text
        return found[1]

    portals = dict(one.split(":") for one in os.environ["INTERNAL_TOKENS"].split(","))
    screens = tuple(signed_in() for _ in range(SCREENS))
    return Credentials(jwt.encode(claims, key, algorithm="RS256"), cookie, screens, portals[scene.key], mark)


def record(app: APIFlask, case: Case, requests: list[Request], authenticated: bool) -> tuple[Recording, Plan]:
    """The statements of the case's first and last request, and the plan they give."""
    first, last = answered(app, case, requests[0]), answered(app, case, requests[-1])
    if [one.sql for one in first.statements] != [one.sql for one in last.statements]:
        raise SystemExit(f"{case.name}: its first request and its last ran different statements")
    return last, plan_of(first, requests[0].inputs, last, requests[-1].inputs, authenticated=authenticated)


def answered(app: APIFlask, case: Case, request: Request) -> Recording:
    """What the application, in this process, sends to the database for a request."""
    with app.app_context():
        engine = db.engine
    with recording(engine) as found, redirect_stdout(StringIO()):  # its log is not our answer
        answer = app.test_client(use_cookies=False).open(
            request.path, method=request.method, headers=request.headers, data=request.body or None
        )
    if answer.status_code >= 300:
        raise SystemExit(f"{case.name}: the application answered {answer.status}: {answer.text[:500]}")
    return found


def start(
    stack: ExitStack, database: Database, places: Sequence[tuple[Scene, Credentials]], ways: Sequence[str]
) -> Bench:
    """Start the web servers of these ways and the clients; their requests go to all places in turn."""
    scene = places[0][0]
    applications = {APPLICATION: "wsgi:app", BARE: "bench.bare:app", EMPTY: "bench.empty:app"}
    servers = {
        way: stack.enter_context(web_server({}, application=name))
        for way, name in applications.items() if way in ways
    }  # fmt: skip
    leaders = {way: server.leader for way, server in servers.items()}
    leaders |= {"database": database.leader, "bench": os.getpid()}
    running = stack.enter_context(clients())

    def counted() -> tuple[float, float, float]:
        row = scene.connection.execute(_STATISTICS).fetchone()
        assert row is not None
        return float(row[0]), float(row[1]), float(row[2])

    def fresh(case: Case) -> list[Request]:
        return [one for together in zip(*(case.requests(*place) for place in places), strict=True) for one in together]

    return Bench(
        running, servers, libpq_url(database.addresses.app), leaders, fresh,
        lambda: scene.settle(*WRITTEN), counted,
    )  # fmt: skip


def result(case: Case, found: Recording, rounds: dict[str, list[Round]]) -> Result:
    """One case's part of the report."""
    by_way = {way: figures(ones) for way, ones in rounds.items()}
    return Result(case.name, case.title, found.count, found.authentication, by_way, ratios(rounds))


def describe(database: Database, size: str, cycles: int, results: list[Result], rounds: list[Round]) -> dict[str, Any]:
    """The whole report as JSON values."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit or "unknown",
        "size": {"name": size, **asdict(SIZES[size])},
        "cycles": cycles,
        "others": statistics.median(one.others for one in rounds) if rounds else 0.0,
        "machine": {
            "cores": os.cpu_count(), "python": platform.python_version(), "postgresql": database.version.split()[0],
        },
        "cases": [result.as_json() for result in results],
    }  # fmt: skip
