"""Registering with a look at who is here already: whom a new record may be of, and the command that asks first."""

from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    exists,
    false,
    lateral,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
    union,
)

from careapp.access import Actor, Permission
from careapp.commands import command, query, record_read
from careapp.db import at_most, db, table_of
from careapp.errors import Conflict
from careapp.patients import service
from careapp.patients.contacts import keys_of
from careapp.patients.duplicates import Person, Reason, called, compare, swapped
from careapp.patients.models import KEYS, NAME_WORDS, PATIENTS, Patient
from careapp.patients.names import words
from careapp.patients.queries import MOST_WORDS
from careapp.patients.views import ContactPoint, HumanName, Identifier, PatientView
from careapp.views import View

MOST_COMPARED, MOST_SHOWN = 100, 5
BEGINNING, BEGINNING_OF_ANY = 3, 2  # letters by which all words of a name, or any word beside a birth date, are found


class Likely(View):
    """Somebody registered who may be the person that is about to be."""

    patient: PatientView
    reasons: tuple[Reason, ...]
    very_likely: bool


@query(Permission.PATIENT_REGISTER)
def find_likely(
    actor: Actor, *, name: HumanName, birth_date: date | None, gender: str,
    identifiers: list[Identifier] | None = None, telecom: list[ContactPoint] | None = None,
) -> list[Likely]:  # fmt: skip
    """Who of those registered may be this person, the likeliest first (duplicates.compare)."""
    likely = _likely(actor, _person(name, birth_date, gender, telecom or [], identifiers or []))
    record_read("patient.likely", patients=tuple(sorted(one.patient.locator for one in likely)))
    return likely


@command(Permission.PATIENT_REGISTER)
def register_unless_known(
    actor: Actor, *, looked_at: Collection[str], name: HumanName, birth_date: date | None, gender: str,
    language: str | None = None, identifiers: list[Identifier] | None = None,
    telecom: list[ContactPoint] | None = None,
) -> PatientView:  # fmt: skip
    """Register a new patient, if nobody else is likely to be the same but those in `looked_at` (locators).

    Two desks that register one name wait for each other, so the second one sees what the first has entered. Raises
    what register() raises, and Conflict LIKELY_DUPLICATE.
    """
    service.require_sound(name, birth_date)
    in_turn = "/".join((str(actor.tenant_id), "register", *sorted(set(called(_words(name))))))
    db.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": in_turn})
    found = _likely(actor, _person(name, birth_date, gender, telecom or [], identifiers or []))
    if not {one.patient.locator for one in found} <= set(looked_at):
        raise Conflict("Somebody registered may be this person. Look first.", code="LIKELY_DUPLICATE")
    return service.register(
        actor, name=name, birth_date=birth_date, gender=gender, language=language, identifiers=identifiers,
        telecom=telecom,
    )  # fmt: skip


def _words(name: HumanName) -> list[str]:
    return words(" ".join((*name.given, name.family or "")))


def _person(
    name: HumanName, born: date | None, gender: str, telecom: list[ContactPoint], identifiers: list[Identifier]
) -> Person:
    return Person(called(_words(name)), born, gender, keys_of(telecom, identifiers))


def _person_of(one: PatientView) -> Person:
    return _person(one.name, one.birth_date, one.gender, list(one.telecom), list(one.identifiers))


def _likely(actor: Actor, person: Person) -> list[Likely]:
    """Those registered who may be this person, the likeliest first."""
    seen = PatientView.from_each(db.session.execute(_candidates(actor, person)))
    compared = [(one, compare(person, _person_of(one))) for one in seen]
    shown = sorted((pair for pair in compared if pair[1].shown), key=lambda pair: -pair[1].weight)[:MOST_SHOWN]
    return [Likely(patient=one, reasons=like.reasons, very_likely=like.very_likely) for one, like in shown]


def _candidates(actor: Actor, person: Person) -> Select[Any]:
    """Whoever can reach the weight to be shown: by each way at most MOST_COMPARED, all of them by an index."""
    begun = person.words[:MOST_WORDS]
    ways: list[Select[Any]] = [select(null().cast(BigInteger).label("id")).where(false())]  # nobody
    if begun:
        ways.append(_some(actor, *(_has_word(actor, word[:BEGINNING]) for word in begun)))
    if begun and person.birth_date:
        days = [day for day in (person.birth_date, swapped(person.birth_date)) if day]
        any_word = or_(*(_has_word(actor, word[:BEGINNING_OF_ANY]) for word in begun))
        ways.append(_some(actor, PATIENTS.birth_date.in_(days), any_word))
        ways.append(_some(actor, PATIENTS.birth_date == person.birth_date))  # also a slip in the first letters
    if person.keys:
        known = select(KEYS.patient_id).where(
            KEYS.tenant_id == actor.tenant_id, tuple_(KEYS.kind, KEYS.value).in_(sorted(person.keys))
        )
        ways.append(known.order_by(KEYS.patient_id.desc()).limit(at_most(MOST_COMPARED)))
    found = union(*(select(way.subquery()) for way in ways)).subquery()
    # each looked up by its id: a planner that expects many of them would read the whole table
    this = lateral(
        select(*PATIENTS).where(PATIENTS.tenant_id == actor.tenant_id, PATIENTS.id == found.c.id).limit(at_most(1))
    )
    return select(*this.c).select_from(found).join(this, true())


def _some(actor: Actor, *conditions: ColumnElement[bool]) -> Select[Any]:
    """The newest patients that meet all conditions."""
    statement = select(PATIENTS.id).where(PATIENTS.tenant_id == actor.tenant_id, *conditions)
    return statement.order_by(PATIENTS.id.desc()).limit(at_most(MOST_COMPARED))  # newest, in the order the indexes have


def _has_word(actor: Actor, beginning: str) -> ColumnElement[bool]:
    """That a word of the name begins so (`^@`, as LIKE is no index condition under row-level security)."""
    so = (NAME_WORDS.tenant_id == actor.tenant_id, NAME_WORDS.patient_id == PATIENTS.id)
    return exists().where(*so, NAME_WORDS.word.op("^@")(beginning)).correlate(table_of(Patient))
