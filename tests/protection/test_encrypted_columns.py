"""Encrypted columns: the database holds ciphertext that is bound to its row, and old plain text is still read."""

import pytest
from apiflask import APIFlask
from structlog.testing import capture_logs

from careapp import crypto, tenancy
from careapp.access import Actor
from careapp.crypto import UNREADABLE, OfRow
from careapp.db import Base, db, guarded_update
from careapp.episodes import service as episodes
from careapp.episodes.models import EPISODES, Episode
from careapp.episodes.queries import get_episode, list_episodes
from careapp.prescriptions import queries as prescription_queries
from careapp.prescriptions import service as prescriptions
from careapp.referrals import queries as referral_queries
from careapp.referrals import service as referrals
from careapp.scheduling import appointments
from careapp.scheduling import queries as scheduling
from tests import factories as make
from tests.conftest import everything
from tests.looking import execute, history, one, rows

SECRET = "Marked: told me about his father"
PLACES = {
    "episodes.summary", "appointments.notes", "diagnostics_referrals.outcome", "prescriptions.void_reason",
    "status_changes.reason",
}  # fmt: skip


def a_closed_episode(actor: Actor, summary: str = SECRET) -> str:
    """The locator of an episode that was closed with a summary."""
    made = make.an_episode(actor)
    episodes.close(actor, made.locator, summary=summary)
    return made.locator


def test_exactly_the_named_columns_are_encrypted(app: APIFlask) -> None:
    found = {
        column.type.place: f"{table.name}.{column.name}"
        for table in Base.metadata.tables.values() for column in table.c
        if isinstance(column.type, crypto.EncryptedText)
    }  # fmt: skip
    assert set(found) == PLACES | {"totp_factors.secret", "totp_factors.pending"}
    assert all(place == column for place, column in found.items()), "each is bound to its own place"


def test_the_database_holds_ciphertext_and_people_read_text(god: Actor) -> None:
    episode = make.an_episode(god)
    visit = appointments.book(god, episode.locator, slot_locator=make.a_slot(god).locator, notes=SECRET)
    assert visit.notes == SECRET
    assert scheduling.get_appointment(god, visit.locator).notes == SECRET
    referral, prescription = make.a_referral(god, episode), make.a_prescription(god, episode)
    referrals.act(god, referral.locator, action="book")
    assert referrals.act(god, referral.locator, action="complete", outcome=SECRET).outcome == SECRET
    assert referral_queries.get_referral(god, referral.locator).outcome == SECRET
    assert prescriptions.act(god, prescription.locator, action="void", reason=SECRET).reason == SECRET
    assert prescription_queries.get_prescription(god, prescription.locator).reason == SECRET
    assert appointments.act(god, visit.locator, action="cancel", reason=SECRET).notes == SECRET
    assert episodes.close(god, episode.locator, summary=SECRET).summary == SECRET
    assert get_episode(god, episode.locator).summary == SECRET
    assert {change.reason for change in history(god) if change.reason} == {SECRET}
    for place in PLACES:
        table, column = place.split(".")
        kept = [row[0] for row in rows(god, f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL")]
        assert kept, place
        assert all(text.startswith("enc1:") for text in kept), place


def test_a_value_copied_to_another_row_does_not_open_and_takes_no_list_with_it(
    god: Actor,
) -> None:
    first, second = a_closed_episode(god), a_closed_episode(god, "Nothing found")
    copied = "UPDATE episodes SET summary = (SELECT summary FROM episodes WHERE locator = :here) WHERE locator = :there"
    execute(god, copied, here=first, there=second)
    with capture_logs() as logged:
        told = {one.locator: one.summary for one in list_episodes(god).items}
    assert told == {first: SECRET, second: UNREADABLE}
    assert [(line["log_level"], "episodes.summary/" in line["where"]) for line in logged] == [("error", True)]
    assert SECRET not in str(logged)
    kept, about = one_summary(god, second), f"episodes.summary/{id_of_episode(god, second)}"
    with tenancy.bound(god.tenant_id), pytest.raises(crypto.Unreadable):
        crypto.decrypt(kept, about=about)


def one_summary(actor: Actor, locator: str) -> str:
    """The summary as the database has it."""
    return str(one(actor, "SELECT summary FROM episodes WHERE locator = :locator", locator=locator))


def id_of_episode(actor: Actor, locator: str) -> int:
    """Its id."""
    return int(one(actor, "SELECT id FROM episodes WHERE locator = :locator", locator=locator))


def test_a_value_copied_to_another_tenant_or_column_does_not_open(god: Actor, new_tenant: object) -> None:
    other = everything(new_tenant())  # type: ignore[operator]
    here, there = a_closed_episode(god), a_closed_episode(other)
    stolen = one_summary(god, here)
    execute(other, "UPDATE episodes SET summary = :stolen WHERE locator = :there", stolen=stolen, there=there)
    assert get_episode(other, there).summary == UNREADABLE
    visit = make.an_appointment(god)
    execute(god, "UPDATE appointments SET notes = :stolen WHERE locator = :visit", stolen=stolen, visit=visit.locator)
    assert scheduling.get_appointment(god, visit.locator).notes == UNREADABLE


def test_what_was_written_before_encryption_is_read_as_it_is(god: Actor) -> None:
    locator = a_closed_episode(god)
    execute(god, "UPDATE episodes SET summary = 'enclosed: 7/8 done' WHERE locator = :locator", locator=locator)
    assert get_episode(god, locator).summary == "enclosed: 7/8 done"


def test_a_bare_text_never_gets_into_an_encrypted_column(god: Actor) -> None:
    locator = a_closed_episode(god)
    row = id_of_episode(god, locator)
    with pytest.raises(Exception, match=r"write it as crypto\.OfRow"):
        guarded_update(Episode, EPISODES.tenant_id == god.tenant_id, EPISODES.id == row, summary="plain")
    db.session.rollback()
    assert OfRow("a", 1) != OfRow("a", 2)
