"""What the audit log is given is written so that the log of each patient can be found and verified."""

from careapp import commands
from careapp.access import Actor
from tests.looking import rows

ONE, OTHER = "PTY-2026-900001", "PTY-2026-900002"


def test_a_patient_who_is_named_twice_stands_once_in_a_row_and_once_beside_it(god: Actor) -> None:
    with commands.unit_of(god, name="look"):
        commands.record("look", patients=(ONE, OTHER, ONE))
        commands.record("look", patients=(ONE,))
    found = rows(
        god,
        "SELECT e.patients, array_agg(p.patient ORDER BY p.patient) FROM audit_event e JOIN audit_patients p"
        " ON p.tenant_id = e.tenant_id AND p.at = e.at AND p.event_id = e.id WHERE e.action = 'look'"
        " GROUP BY e.id, e.patients ORDER BY e.id",
    )
    assert found == [([ONE, OTHER], [ONE, OTHER]), ([ONE], [ONE])]
