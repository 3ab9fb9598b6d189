"""A whole run: database, scene, recorded statements, servers, rounds, report."""

import json
import os
import pickle
import platform
import secrets
import signal
import statistics
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, redirect_stdout
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import jwt
import psycopg
from apiflask import APIFlask
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench import report
from bench.cases import CASES, Case, Credentials, Request
from bench.clients import clients
from bench.measuring import APPLICATION, BARE, WAYS, Bench, Result, Round, figures, measure, ratios
from bench.scene import Scene, tomorrow
from bench.servers import ROOT, VAR, Database, fresh_database, web_server
from bench.statements import Plan, Recording, plan_of, recording
from careapp import commands, create_app
from careapp.config import new_encryption_key
from careapp.db import db
from careapp.identity import sessions
from careapp.localdb import libpq_url
from careapp.operations.tenants import create_tenant

PLANS = VAR / "plans.pickle"
TENANT = "bench"


def run_all(*, quick: bool, only: list[str] | None = None, authenticated: bool = False) -> None:
    """Run every case, or those named, print the table and keep it in var/bench/last.json.

    If `authenticated`, both rulers run authentication's transaction as well.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit("stopped"))
    VAR.mkdir(parents=True, exist_ok=True)
    cases = [case for case in CASES if not only or case.name in only]
    cycles, seconds, share = (2, 0.6, 0.4) if quick else (5, 1.2, 1.0)
    with ExitStack() as stack:
        tell("database and clinic")
        database = stack.enter_context(fresh_database())
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        os.environ.update(production(database, key))
        app = create_app()
        scene = lay_scene(stack, database)
        credentials = sign_in(app, scene, key)
        found = {case.name: record(app, case, case.requests(scene, credentials), authenticated) for case in cases}
        PLANS.write_bytes(pickle.dumps({name: plan for name, (_, plan) in found.items()}))
        bench = start(stack, database, scene, credentials)
        measured = {
            case.name: measure(bench, case, found[case.name][1], cycles=cycles, seconds=seconds, share=share, tell=tell)
            for case in cases
        }
    tell("")
    results = [result(case, found[case.name][0], measured[case.name]) for case in cases]
    everything = [one for rounds in measured.values() for ways in rounds.values() for one in ways]
    made = describe(database, cycles, results, everything)
    (VAR / "last.json").write_text(json.dumps(made, indent=1))
    print(report.table(made))


def tell(what: str) -> None:
    """Say on the terminal what goes on, in one line that is written over."""
    if sys.stderr.isatty():
        print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


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
        "JWT_SECRET": "", "JWT_JWKS_URL": "", "JWT_ISSUER": "careapp", "JWT_AUDIENCE": "careapp",
        "DATABASE_POOL_SIZE": "4", "TRUSTED_PROXIES": "0", "PYTHONPATH": str(ROOT),
        "BENCH_DATABASE": libpq_url(addresses.app), "BENCH_PLANS": str(PLANS),
    }  # fmt: skip


def lay_scene(stack: ExitStack, database: Database) -> Scene:
    """A clinic in a tenant of its own."""
    tenant_id = create_tenant(database.addresses.owner, key=TENANT, name="Bench", time_zone="Asia/Yangon")
    options = "-c search_path=care,public -c timezone=UTC"
    connection = stack.enter_context(psycopg.connect(database.superuser, autocommit=True, options=options))
    scene = Scene(connection, tenant_id, TENANT, tomorrow())
    scene.lay()
    return scene


def sign_in(app: APIFlask, scene: Scene, key: rsa.RSAPrivateKey) -> Credentials:
    """A token as an identity provider would sign it, and the cookie of a session that has just begun."""
    now = int(time.time())
    claims = {
        "iss": "careapp", "aud": "careapp", "iat": now, "exp": now + 3600, "sub": f"user:{scene.user_id}",
        "jti": str(uuid.uuid4()), "tenant": scene.key, "roles": ["front_desk"],
    }  # fmt: skip
    with app.app_context(), commands.system_transaction(scene.tenant_id):
        sid = sessions.start(scene.tenant_id, scene.user_id)
    serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
    cookie = serializer.dumps({"tenant": scene.tenant_id, "sid": sid})
    return Credentials(jwt.encode(claims, key, algorithm="RS256"), f"{app.config['SESSION_COOKIE_NAME']}={cookie}")


def record(app: APIFlask, case: Case, requests: list[Request], authenticated: bool) -> tuple[Recording, Plan]:
    """The statements of the case's first and last request, and the plan they give."""
    first, last = answered(app, case, requests[0]), answered(app, case, requests[-1])
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


def start(stack: ExitStack, database: Database, scene: Scene, credentials: Credentials) -> Bench:
    """Start both web servers and the clients."""
    servers = {
        APPLICATION: stack.enter_context(web_server({})),
        BARE: stack.enter_context(web_server({}, application="bench.bare:app")),
    }
    leaders = {way: server.leader for way, server in servers.items()}
    leaders |= {"database": database.leader, "bench": os.getpid()}
    running = stack.enter_context(clients())
    address = libpq_url(database.addresses.app)
    return Bench(
        running, servers, address, leaders, lambda case: case.requests(scene, credentials), scene.settle
    )  # fmt: skip


def result(case: Case, found: Recording, rounds: dict[str, list[Round]]) -> Result:
    """One case's part of the report."""
    by_way = {way: figures(rounds[way]) for way in WAYS}
    return Result(case.name, case.title, found.count, found.authentication, by_way, ratios(rounds))


def describe(database: Database, cycles: int, results: list[Result], rounds: list[Round]) -> dict[str, Any]:
    """The whole report as JSON values."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit or "unknown",
        "cycles": cycles,
        "others": statistics.median(one.others for one in rounds),
        "machine": {
            "cores": os.cpu_count(), "python": platform.python_version(), "postgresql": database.version.split()[0],
        },
        "cases": [result.as_json() for result in results],
    }  # fmt: skip
