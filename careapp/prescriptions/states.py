"""The lifecycle of a prescription (design §5)."""

from careapp.access import Permission
from careapp.lifecycle import Lifecycle, Transition
from careapp.prescriptions.events import PrescriptionFilled, PrescriptionVoided

ISSUED, FILLED, VOID = "ISSUED", "FILLED", "VOID"
_P = Permission.PRESCRIPTION_WRITE

PRESCRIPTION = Lifecycle(
    entity="prescription",
    prefix="RXP",
    states=(ISSUED, FILLED, VOID),
    transitions=(
        Transition("fill", "Mark filled", (ISSUED,), FILLED, _P, PrescriptionFilled),
        Transition("void", "Void", (ISSUED,), VOID, _P, PrescriptionVoided, needs_reason=True, dangerous=True),
    ),
    tones={ISSUED: "primary", FILLED: "success", VOID: "secondary"},
)
