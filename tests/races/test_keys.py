"""Keys of encrypted columns are rotated while others work in the same rows."""

from threading import Event
from time import sleep
from typing import Any

import psycopg
from apiflask import APIFlask

from careapp import localdb
from careapp.access import Actor
from careapp.operations import key_rotation
from tests import factories as make
from tests.database import TestDatabase
from tests.looking import execute, id_of, one
from tests.races.crowd import PATIENCE, Crowd

TOUCH = "UPDATE care.appointments SET version = version WHERE tenant_id = %s AND id = %s"
# Whoever finds a deadlock is ended by it: here only the rotation looks, as only a superuser may say who does not.
PATIENT = f"-c deadlock_timeout={PATIENCE}s"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid))"


def test_a_key_is_rotated_while_somebody_goes_the_other_way(
    app: APIFlask, god: Actor, database: TestDatabase, crowd: Crowd
) -> None:
    first, second = sorted(
        id_of(god, "appointments", make.an_appointment(god, make.an_episode(god), notes="Knee").locator)
        for _ in range(2)
    )
    execute(god, "UPDATE appointments SET notes = 'As it was'")
    has_one = Event()

    def work() -> None:
        url = localdb.libpq_url(database.whole)
        with psycopg.connect(url, options=PATIENT) as other, psycopg.connect(url, autocommit=True) as watching:
            other.execute(TOUCH, [god.tenant_id, second])
            has_one.set()
            while watching.execute(WAITING, [other.info.backend_pid]).fetchone() == (0,):
                sleep(0.01)
            other.execute(TOUCH, [god.tenant_id, first])

    def rotate() -> Any:
        assert has_one.wait(PATIENCE)
        return key_rotation.rotate(database.owner, god)

    _, rotated = crowd([work, rotate])
    assert (rotated.moved, rotated.unreadable) == (2, ())
    assert one(god, "SELECT count(*) FROM appointments WHERE notes = 'As it was'") == 0
