"""The texts of a printed prescription, in the reader's language: the print page and the PDF say the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from flask_babel import gettext as _

from careapp import clock
from careapp.overviews.prescription_paper import Confirmed, Paper
from careapp.prescriptions.papers import code_of
from careapp.prescriptions.states import FILLED, ISSUED, VOID
from careapp.web.number_words import number_words
from careapp.web.times import age, local_datetime, short_day
from careapp.web.typesetting import BURMESE, pieces
from careapp.web.words import words


@dataclass(frozen=True)
class Fact:
    """One line of the sheet: a label, what stands beside it, and whether it must not be overlooked."""

    label: str
    value: str
    strong: bool = False


@dataclass(frozen=True)
class Sheet:
    """Everything that stands on the paper. `stamp` and `warning` are None for one that may be filled, `entered` for one
    that the prescriber himself has issued."""

    head: str
    head_lines: Sequence[str]
    title: str
    locator: str
    issued: Fact
    stamp: str | None
    warning: str | None
    patient: Sequence[Fact]
    medicine: str
    order: Sequence[Fact]
    end: str
    signature: str
    prescriber: str
    entered: Fact | None
    code: Fact
    where: str
    printed: str

    @staticmethod
    def language_of(text: str) -> str | None:
        """`my` for a text with Burmese letters, which need higher lines whatever language the page is in."""
        return "my" if BURMESE.search(text) else None

    @staticmethod
    def breakable(text: str) -> str:
        """A text with zero-width spaces between its Burmese syllables: without blanks, some browsers would break
        a line inside of one."""
        return "\n".join("\u200b".join(pieces(line)) for line in text.split("\n")) if BURMESE.search(text) else text


def sheet_of(paper: Paper, *, key: bytes, verify_at: str, printed_by: str) -> Sheet:
    """The sheet of a paper. `key` signs its code, `verify_at` is the address where that is checked, `printed_by` the
    name of who prints it."""
    head, code = paper.head, code_of(key, paper.printed)
    return Sheet(
        head=head.name,
        head_lines=[line for line in (*(head.address or "").splitlines(), head.phone) if line and line.strip()],
        title=_("Prescription"),
        locator=paper.locator,
        issued=Fact(_("Issued"), moment(paper.issued_at, head.zone)),
        stamp=None if paper.status == ISSUED else words(paper.status).upper(),
        warning=_warning(paper),
        patient=_patient(paper),
        medicine=paper.medication_text,
        order=_order(paper),
        end=_("End of the order: nothing follows."),
        signature=_("Signature"),
        prescriber=_prescriber(paper),
        entered=Fact(_("Entered by"), paper.entered_by) if paper.entered_by else None,
        code=Fact(_("Verification code"), code, strong=True),
        where=_where(paper, verify_at),
        printed=_("Printed %(when)s by %(who)s. Page 1 of 1.", when=moment(clock.now(), head.zone), who=printed_by),
    )


def _where(paper: Paper, verify_at: str) -> str:
    return _(
        "Is this paper genuine, and does it still hold? Ask at %(address)s with clinic code %(clinic)s, "
        "number %(number)s and this code.",
        address=verify_at,
        clinic=paper.tenant_key,
        number=paper.locator,
    )


def confirmed_facts(confirmed: Confirmed) -> list[Fact]:
    """What whoever holds the paper compares with it, in the order it stands there."""
    zone = confirmed.head.zone
    clinic = ", ".join(filter(None, (confirmed.head.name, confirmed.head.phone)))
    return [
        Fact(_("Clinic"), clinic),
        Fact(_("Prescription number"), confirmed.locator),
        Fact(_("Issued"), moment(confirmed.issued_at, zone)),
        Fact(_("Medicine begins with"), confirmed.medicine_begins),
        *_numbers(confirmed.quantity, confirmed.refills),
        Fact(_("Prescriber"), confirmed.provider_name),
    ]


def stands(confirmed: Confirmed) -> str:
    """In a sentence, whether a confirmed prescription may still be filled."""
    return _warning(confirmed) or _("It has been neither filled nor voided.")


def moment(at: datetime, zone: str) -> str:
    """`Fri 20 Nov 2026, 14:30 (Asia/Yangon, UTC+06:30)`: a paper may be read where nobody knows the clinic's clock."""
    offset = f"{clock.local(at, zone):%z}"
    return f"{local_datetime(at, zone)} ({zone}, UTC{offset[:3]}:{offset[3:5]})"


def _warning(paper: Paper | Confirmed) -> str | None:
    when = moment(paper.status_at, paper.head.zone) if paper.status_at else None
    if paper.status == VOID and when:
        return _("This prescription is void since %(when)s. Nothing may be handed out on it.", when=when)
    if paper.status == VOID:
        return _("This prescription is void. Nothing may be handed out on it.")
    if paper.status == FILLED and when:
        return _("This prescription was filled on %(when)s.", when=when)
    return _("This prescription was filled before.") if paper.status == FILLED else None


def _patient(paper: Paper) -> list[Fact]:
    patient = paper.patient
    born = patient.birth_date
    known = _("%(day)s (%(age)s)", day=short_day(born), age=age(born)) if born else _("Unknown")
    allergies = ", ".join(patient.allergies)
    return [
        Fact(_("Patient"), patient.name, strong=True),
        Fact(_("Born"), known),
        Fact(_("Patient number"), patient.party_locator),
        Fact(
            _("Allergies"),
            allergies or ", ".join(map(words, patient.none_known)) or _("None recorded"),
            strong=bool(allergies),
        ),
    ]


def _order(paper: Paper) -> list[Fact]:
    return [
        Fact(_("Dosage"), paper.dosage),
        *_numbers(paper.quantity, paper.refills),
    ]


def _numbers(quantity: int | None, refills: int | None) -> list[Fact]:
    return [
        Fact(_("Quantity"), _in_digits_and_words(quantity) or _("Not stated")),
        Fact(_("Repeats"), _in_digits_and_words(refills) or _("None")),
    ]


def _in_digits_and_words(number: int | None) -> str | None:
    """`21 (twenty-one)`, which no digit added by hand agrees with."""
    return None if number is None else _("%(digits)s (%(words)s)", digits=number, words=number_words(number))


def _prescriber(paper: Paper) -> str:
    npi = _("NPI %(number)s", number=paper.npi) if paper.npi else _("NPI not on record")
    return ", ".join((paper.provider_name, words(paper.specialty), npi))
