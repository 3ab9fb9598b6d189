"""The judge: compares the history of the clients with what is stored and what was sent, and names each violation.

Pure functions over plain values, so that tests can hand them histories that are broken on purpose.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaos import answers
from chaos.evidence import Evidence, Message, Row
from chaos.history import DONE, REFUSED, Injected, Intent, Sample, Try

ACTIVE = frozenset({"PENDING", "BOOKED", "CONFIRMED", "ARRIVED", "IN_PROGRESS"})
TAKES_PLACE = ACTIVE | {"ATTENDED", "NO_SHOW"}  # what is not cancelled keeps its place
WITHOUT_REASON = frozenset({"look", "close"})  # a read changes nothing, a close says a summary: see closed_once
SHOWS_NOBODY = frozenset({"/patients", "/sign-in"})  # pages a client looks at that hold a form and no patient

# Where a thing that is created keeps the number of the intent that wanted it.
CREATED = {"book": ("appointments", "reason"), "open": ("episodes", "reason"), "prescribe": ("prescriptions", "dosage")}
MADE_BY = {"book": "care.appointment.booked", "open": "care.episode.opened", "prescribe": "care.prescription.issued"}


@dataclass(frozen=True)
class Violation:
    """One thing that must never happen, and where it did."""

    rule: str
    what: str


def judge(
    history: Sequence[Intent], evidence: Evidence, samples: Sequence[Sample] = (), faults: Sequence[Injected] = ()
) -> list[Violation]:
    """Everything that is wrong; an empty list is a run without fault."""
    rules: tuple[tuple[str, Callable[[], Iterator[str]]], ...] = (
        ("created once", lambda: created_once(history, evidence)),
        ("changed once", lambda: changed_once(history, evidence)),
        ("closed once", lambda: closed_once(history, evidence)),
        ("capacity", lambda: capacity(evidence)),
        ("one place at a time", lambda: overlaps(evidence)),
        ("counters", lambda: counters(evidence)),
        ("audit", lambda: audited(evidence)),
        ("audit of reads", lambda: reads_audited(history, evidence)),
        ("events", lambda: told(evidence)),
        ("topics", lambda: topics_complete(evidence)),
        ("clear refusals", lambda: answers.clear_answers(history)),
        ("nothing hangs", lambda: answers.nothing_hangs(history, faults)),
        ("booking in time", lambda: answers.booking_in_time(history, faults)),
        ("readiness", lambda: answers.readiness(samples, faults)),
        ("ends in order", lambda: answers.ends_in_order(history, faults)),
    )
    return [Violation(rule, what) for rule, check in rules for what in check()]


def created_once(history: Sequence[Intent], evidence: Evidence) -> Iterator[str]:
    """What was acknowledged is stored once, under the locator that was told; what was refused is not stored at all."""
    for kind, (table, column) in CREATED.items():
        found: dict[str, list[str]] = defaultdict(list)
        for row in getattr(evidence, table):
            found[row[column]].append(row["locator"])
        wanted = {intent.number for intent in history if intent.kind == kind}
        for number in found.keys() - wanted:
            yield f"{found[number]} is stored, but nobody asked for it ({number})"
        for intent in (one for one in history if one.kind == kind):
            yield from _created(intent, found.get(intent.number, []))


def _created(intent: Intent, locators: list[str]) -> Iterator[str]:
    if len(locators) > 1:
        yield f"{intent.kind} {intent.number} had {len(locators)} effects: {locators}"
    elif intent.outcome == DONE and locators != [intent.answer["locator"]]:
        yield f"{intent.kind} {intent.number} was acknowledged as {intent.answer['locator']}, stored is {locators}"
    elif intent.outcome == REFUSED and locators:
        yield f"{intent.kind} {intent.number} was refused for good, but {locators} is stored"


def changed_once(history: Sequence[Intent], evidence: Evidence) -> Iterator[str]:
    """A change that was acknowledged stands in the history once; one that was refused, not at all."""
    stored = Counter((row["tenant"], row["reason"]) for row in evidence.changes if row["reason"])
    for intent in history:
        if intent.kind in CREATED or intent.kind in WITHOUT_REASON:
            continue
        times = stored[intent.tenant, intent.number]
        if times > 1:
            yield f"{intent.kind} {intent.number} was carried out {times} times"
        elif intent.outcome == DONE and not times:
            yield f"{intent.kind} {intent.number} was acknowledged and is lost"
        elif intent.outcome == REFUSED and times:
            yield f"{intent.kind} {intent.number} was refused and yet carried out"


def closed_once(history: Sequence[Intent], evidence: Evidence) -> Iterator[str]:
    """An episode whose close was acknowledged was closed once; one whose closes were all refused was not at all.

    A close has a summary and no reason, so it is known by its episode, which belongs to one client alone.
    """
    stored = Counter((row["tenant"], row["locator"]) for row in evidence.changes if _is_close(row))
    wanted: dict[tuple[str, str], list[str]] = defaultdict(list)
    for intent in history:
        if intent.kind == "close":
            wanted[intent.tenant, intent.path.split("/")[-2]].append(intent.outcome)
    for place in sorted(stored.keys() | wanted.keys()):
        times, outcomes = stored[place], wanted[place]
        if times > 1:
            yield f"{place[1]} was closed {times} times"
        elif outcomes.count(DONE) > times:
            yield f"a close of {place[1]} was acknowledged and is lost"
        elif times and all(outcome == REFUSED for outcome in outcomes):
            yield f"{place[1]} was closed, though it was refused or nobody asked for it"


def _is_close(change: Row) -> bool:
    return (change["entity"], change["action"]) == ("episode", "close")


def capacity(evidence: Evidence) -> Iterator[str]:
    """No slot holds more than it has room for, and its count is that of its appointments."""
    taken = Counter((row["tenant"], row["slot_id"]) for row in evidence.appointments if row["status"] in TAKES_PLACE)
    for slot in evidence.slots:
        count = taken[slot["tenant"], slot["id"]]
        if count > slot["capacity"]:
            yield f"{slot['locator']} holds {count} of {slot['capacity']}"
        if count != slot["booked"]:
            yield f"{slot['locator']} says {slot['booked']}, counted {count}"


def overlaps(evidence: Evidence) -> Iterator[str]:
    """No patient is in two places at once, and no provider in two slots."""
    active = sorted((row for row in evidence.appointments if row["status"] in ACTIVE), key=lambda row: row["starts_at"])
    for who, until in (("patient_id", "ends_at"), ("provider_id", "busy_until")):
        of: dict[tuple[str, int], list[Row]] = defaultdict(list)
        for row in active:
            earlier = of[row["tenant"], row[who]]
            for other in earlier:
                apart = other[until] <= row["starts_at"]
                if not apart and not (who == "provider_id" and other["slot_id"] == row["slot_id"]):
                    yield f"{who} {row[who]} is in two places: {other['locator']} and {row['locator']}"
            earlier.append(row)


def counters(evidence: Evidence) -> Iterator[str]:
    """An episode's count of open appointments is right, and none is open in an episode that is over."""
    count = Counter((row["tenant"], row["episode_id"]) for row in evidence.appointments if row["status"] in ACTIVE)
    for episode in evidence.episodes:
        active = count[episode["tenant"], episode["id"]]
        if active != episode["open_appointments"]:
            yield f"{episode['locator']} says {episode['open_appointments']} open appointments, counted {active}"
        if active and episode["status"] != "OPEN":
            yield f"{episode['locator']} is {episode['status']} with {active} open appointments"


def audited(evidence: Evidence) -> Iterator[str]:
    """Each change has its audit row, and no audit row tells of a change that is not there."""
    entities = {row["entity"] for row in evidence.changes}
    made = Counter((row["tenant"], row["locator"], f"{row['entity']}.{row['action']}") for row in evidence.changes)
    kept = Counter(
        (row["tenant"], row["subject"], row["action"])
        for row in evidence.audits
        if row["action"].split(".")[0] in entities
    )
    for what in sorted(made.keys() | kept.keys()):
        if made[what] != kept[what] and (made[what] or what[2] in {action for _, _, action in made}):
            yield f"{what[1]} {what[2]}: {made[what]} changes, {kept[what]} audit rows"


def shown(history: Sequence[Intent]) -> Iterator[tuple[Intent, Try]]:
    """The tries by which a client read of a patient; what changes something is judged by its change."""
    for intent in history:
        if intent.method == "GET" and intent.path not in SHOWS_NOBODY:
            yield from ((intent, one) for one in intent.tries if one.status == 200)


def reads_audited(history: Sequence[Intent], evidence: Evidence) -> Iterator[str]:
    """Each read that was answered has its row in the log: of that very request, about that thing, naming a patient."""
    kept = {(row["tenant"], row["request_id"], row["subject"]) for row in evidence.reads}
    for intent, one in shown(history):
        if (intent.tenant, one.request, intent.path.split("/")[-1]) not in kept:
            yield f"{intent.path} was shown to {intent.number} (request {one.request}), and no audit row says so"


def told(evidence: Evidence) -> Iterator[str]:
    """Each change has its event: one for a creation, `status_changed` for every other change of an appointment."""
    events = Counter((row["tenant"], row["subject"], row["topic"]) for row in evidence.outbox)
    wanted: Counter[tuple[str, str, str]] = Counter()
    for row in evidence.changes:
        topic = _topic(row)
        if topic:
            wanted[row["tenant"], row["locator"], topic] += 1
    for what, count in wanted.items():
        if events[what] != count:
            yield f"{what[1]}: {count} changes, {events[what]} events on {what[2]}"
    for what, count in events.items():
        if what[2] in _TOPICS and what not in wanted:
            yield f"{what[1]}: {count} events on {what[2]} without a change"


_STATUS = "care.appointment.status_changed"
_BY_ACTION = {
    ("appointment", "book"): "care.appointment.booked", ("episode", "open"): "care.episode.opened",
    ("episode", "close"): "care.episode.closed", ("episode", "cancel"): "care.episode.cancelled",
    ("prescription", "issue"): "care.prescription.issued",
}  # fmt: skip
_TOPICS = {_STATUS, *_BY_ACTION.values()}


def _topic(change: Row) -> str | None:
    found = _BY_ACTION.get((change["entity"], change["action"]))
    return found or (_STATUS if change["entity"] == "appointment" else None)


def topics_complete(evidence: Evidence) -> Iterator[str]:
    """What is committed is published, that and nothing else; gap-free and in order per key; repeats keep the id."""
    if evidence.messages is None:
        return
    expected = {(row["tenant"], row["key"], row["sequence"]): row["event_id"] for row in evidence.outbox}
    first: dict[tuple[str, str, int], Message] = {}
    for message in evidence.messages:
        place = (message.tenant, message.key, message.sequence)
        if first.setdefault(place, message).event_id != message.event_id:
            yield f"two events took the place {place}"
    for place in sorted(expected.keys() | first.keys()):
        if place not in first:
            yield f"event {place} was never sent"
        elif expected.get(place) != first[place].event_id:
            yield f"event {place} was sent and is not in the outbox"
    by_key: dict[tuple[str, str], list[Message]] = defaultdict(list)
    for _, message in sorted(first.items()):
        by_key[message.tenant, message.key].append(message)
    for key, messages in by_key.items():
        yield from _in_order(key, messages)


def _in_order(key: tuple[str, str], messages: list[Message]) -> Iterator[str]:
    """The first messages of a key, by sequence: no gap, and in that order on each partition."""
    if [one.sequence for one in messages] != list(range(1, len(messages) + 1)):
        yield f"{key} has a gap: {[one.sequence for one in messages]}"
    last: dict[tuple[str, int], int] = {}
    for one in messages:
        if last.get((one.topic, one.partition), -1) > one.offset:
            yield f"{key} is out of order on {one.topic}, at {one.sequence}"
        last[one.topic, one.partition] = one.offset
