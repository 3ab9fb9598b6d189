"""The judge's rules about answers: refused clearly, in time, and what the application says of itself while it is hurt.

Like the rest of the judge, pure functions over plain values.
"""

from collections.abc import Iterator, Sequence

from chaos.history import Injected, Intent, Sample, Try

LONGEST_REQUEST = 25.0  # seconds; a statement ends after 15, a connection that says nothing after 20
READY_WITHIN = 5.5  # seconds for /readyz: four for a thread, when all wait for a database that hangs, and its own 1.5
MARGIN = 2.0  # seconds on top of a limit, for two cores that a dozen processes and other tests share
CLEAR = frozenset({409, 422, 429, 503})  # the clients ask for nothing that is malformed or not theirs
NO_SERVICE = "UPSTREAM_UNAVAILABLE"
ASKS_THE_SERVICE = frozenset({"book", "move"})  # kinds of intents that take a place at a provider's


def clear_answers(history: Sequence[Intent]) -> Iterator[str]:
    """A refusal is one a program can act on: no 500, problem documents, Retry-After where trying again helps."""
    for intent in history:
        for one in intent.tries:
            if one.fault:
                yield f"{intent.method} {intent.path} ({intent.number}): {one.status} {one.fault}"
            elif one.status >= 400 and one.status not in CLEAR:
                yield f"{intent.method} {intent.path} ({intent.number}) answered {one.status}"


def nothing_hangs(history: Sequence[Intent], faults: Sequence[Injected]) -> Iterator[str]:
    """Nobody waits longer than the limits say, whatever happens behind; some faults have a limit of their own."""
    for intent in history:
        for one in intent.tries:
            if one.seconds > LONGEST_REQUEST:
                yield f"{intent.method} {intent.path} ({intent.number}) took {one.seconds:.1f} s"
            for fault in faults:
                if fault.told_within and waited(one, fault) > fault.told_within + MARGIN:
                    yield f"{fault.name}: {intent.path} ({intent.number}) took {waited(one, fault):.1f} s"


def waited(one: Try | Sample, fault: Injected) -> float:
    """Seconds from the fault on, or from asking, where that came later, to the answer; 0 for who did not meet it."""
    answered = one.at + one.seconds
    return answered - max(one.at, fault.began) if one.at <= fault.ended and answered >= fault.began else 0.0


def booking_in_time(history: Sequence[Intent], faults: Sequence[Injected]) -> Iterator[str]:
    """While the provider service hangs, whoever books is answered within three seconds: refused, for the most part."""
    bookings = [(intent, one) for intent in history if intent.kind in ASKS_THE_SERVICE for one in intent.tries]
    for fault in (one for one in faults if one.books_within):
        met = [(intent, one) for intent, one in bookings if waited(one, fault)]
        if not any(one.code == NO_SERVICE for _, one in met):
            yield f"{fault.name}: no booking was refused for it, so nothing was tried"
        for intent, one in met:
            if not one.status or waited(one, fault) > fault.books_within + MARGIN:
                yield f"{fault.name}: {intent.path} ({intent.number}): {one.status} after {one.seconds:.1f} s"


def readiness(samples: Sequence[Sample], faults: Sequence[Injected]) -> Iterator[str]:
    """Readiness goes red where it must, tells so in its time, and is green after each fault and at the end."""
    for fault in faults:
        if fault.must_go_red and not fault.went_red:
            yield f"{fault.name}: /readyz stayed green"
        for one in samples:
            if fault.must_go_red and waited(one, fault) > READY_WITHIN + MARGIN:
                yield f"{fault.name}: /readyz took {waited(one, fault):.1f} s"
        if fault.recovered_after is None:
            yield f"{fault.name}: the application did not come back"
    if samples and samples[-1].status != 200:
        yield f"/readyz is {samples[-1].status} at the end"


def ends_in_order(history: Sequence[Intent], faults: Sequence[Injected]) -> Iterator[str]:
    """A process that is asked to end answers what it has accepted: no request under way at that moment is dropped."""
    moments = [fault.began for fault in faults if fault.in_order]
    for intent in history:
        for one in intent.tries:
            if one.status == 0 and any(one.at < moment < one.at + one.seconds for moment in moments):
                yield f"{intent.method} {intent.path} ({intent.number}) was under way and got no answer"
