"""The prescription form: a medicine, its dosage in parts or in one's own words, how much of it, and who signs."""

# WTForms brings no types, so its classes are Any.
# mypy: allow-subclassing-any

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from pydantic import ValidationError
from wtforms import BooleanField, HiddenField, SelectField

from careapp.errors import Invalid
from careapp.patients.contacts import latin_digits
from careapp.prescriptions.dosage import Dosage, plain, require_whole, sentence
from careapp.prescriptions.dosage_forms import likely
from careapp.prescriptions.views import Medication, Order, Override
from careapp.terminology.views import RXNORM, MedicineView
from careapp.web.dosage_words import DURATION_WORDS, ROUTE_WORDS, TIMING_WORDS, UNIT_WORDS
from careapp.web.forms.fields import CareForm, Present, SubmissionField, TextField, options
from careapp.web.forms.typed import LineField, QuantityField, WordsField

AMOUNT = re.compile(r"[0-9]{1,5}(?:[.,][0-9]{1,3})?")
PARTS = ("dose", "timing", "most_a_day", "duration")  # whose own faults come first


class AmountField(TextField):
    """A number such as 2 or 0.5, above zero, in the digits of any script; a comma is read as a point."""

    def __init__(self, label: str, **kwargs: Any) -> None:
        super().__init__(label, render_kw={"inputmode": "decimal", "autocomplete": "off"}, **kwargs)

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent. Raises ValueError for anything but such a number."""
        text = latin_digits(valuelist[0].strip()) if valuelist else ""
        self.data: Any = None  # a Decimal, where the base class has text
        if not text:
            return
        if not AMOUNT.fullmatch(text) or not (amount := Decimal(text.replace(",", "."))):
            raise ValueError(_("Enter a number such as 1 or 0.5."))
        self.data = amount

    def _value(self) -> str:
        """What the box shows: what was typed, else the number without needless zeros."""
        if self.raw_data:
            return str(self.raw_data[0])
        return plain(self.data) if self.data is not None else ""


class ChoiceField(SelectField):
    """One code of a table, shown by its words; with `empty`, the first choice stands for none."""

    def __init__(self, label: str, words: Mapping[str, Any], *, empty: Any = None, **kwargs: Any) -> None:
        first = [("", empty)] if empty is not None else []
        super().__init__(label, choices=options([*first, *words.items()]), validate_choice=False, **kwargs)
        self.type = "SelectField"  # the field macro draws it as one
        self.codes = words

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """Convert what was sent. Raises ValueError for what is no choice."""
        self.data = (valuelist[0] or None) if valuelist else None
        if self.data is not None and self.data not in self.codes:
            raise ValueError(_("Choose one of the list."))


class PrescriptionForm(CareForm):
    """A medicine and how to take it. The prescriber's choices are set by the view.

    A chosen medicine stands in three fields: what is shown, its code, and the name it was chosen by. Where somebody
    has typed on, shown and chosen differ, and the code counts no more.
    """

    submission = SubmissionField()
    medication = LineField(_l("Medicine"), required=True)
    medication_code = HiddenField()
    medication_chosen = HiddenField()
    dose = AmountField(_l("Amount each time"))
    unit = ChoiceField(_l("Unit"), UNIT_WORDS)
    route = ChoiceField(_l("How"), ROUTE_WORDS, empty=_l("not said"))
    timing = ChoiceField(_l("How often"), TIMING_WORDS, empty=_l("choose"))
    as_needed = BooleanField(_l("Only when needed"))
    reason = LineField(_l("Needed for"))
    most_a_day = AmountField(_l("At most in 24 hours"))
    duration = QuantityField(_l("For how long"), minimum=1, maximum=1000)
    duration_unit = ChoiceField(_l("Days, weeks or months"), DURATION_WORDS)
    instruction = LineField(_l("Further instruction"))
    dosage = WordsField(_l("Dosage in your own words"))
    quantity = QuantityField(_l("Quantity"), minimum=1, maximum=100_000)
    suggested = HiddenField()
    refills = QuantityField(_l("Repeats"), minimum=0, maximum=99)
    provider_locator = SelectField(_l("Prescriber"), [Present(_l("Choose the provider."))])
    warned = HiddenField()
    override_reason = WordsField(_l("Reason to prescribe it all the same"))
    looked = BooleanField(_l("I have looked at this myself"))

    def validate(self, extra_validators: Mapping[str, Sequence[Any]] | None = None) -> bool:
        """Convert all, and see that there is a dosage, in parts or in words."""
        fine = bool(super().validate(extra_validators))
        if not self.dosage.data and not self.errors.keys() & set(PARTS):
            try:
                self.parts()
            except Invalid as refusal:
                self.refuse(refusal)
                return False
        return fine

    @property
    def coded(self) -> bool:
        """Whether the medicine shown is the one that was chosen from the list."""
        chosen, shown = self.medication_chosen.data, self.medication.data
        return bool(self.medication_code.data and chosen and shown and chosen.strip().lower() == shown.strip().lower())

    def ordered(self) -> Medication:
        """The medicine, with its code where it was chosen from the list."""
        code = self.medication_code.data if self.coded else None
        return Medication(text=self.medication.data or "", code=code, system=RXNORM if code else None)

    def parts(self) -> Dosage | None:
        """The dosage in parts; None where it stands in somebody's own words. Raises Invalid for parts that do not make
        a dosage, and where there is neither.
        """
        if self.dosage.data:
            return None
        if self.dose.data is None:
            raise Invalid({"dose": _("Say how much each time, or give the dosage in your own words.")})
        try:
            given = {name: self[name].data for name in Dosage.model_fields}
            return require_whole(Dosage(**given | {"duration_unit": self.duration_unit.data or "d"}))
        except ValidationError as fault:
            raise Invalid({str(one["loc"][0]): _("This number cannot be right.") for one in fault.errors()}) from None

    def directions(self) -> tuple[str, Dosage | None]:
        """The dosage as the text that is stored (parts make an English sentence), and its parts. Raises Invalid."""
        parts = self.parts()
        return (sentence(parts) if parts else str(self.dosage.data)), parts

    def override(self) -> Override | None:
        """The answer given to what was shown of the checks: a reason for going on, or having looked."""
        reason = (self.override_reason.data or "").strip()
        looked = bool(self.looked.data)
        return Override(reason=reason, key=self.warned.data or "", looked=looked) if reason or looked else None

    def choose(self, medicine: MedicineView) -> None:
        """Put a medicine of the list in, with the unit and route its form suggests where nothing is said yet."""
        self._medicine(medicine.name, medicine.code)
        unit, route = likely(medicine.name)
        if not self.dose.data and unit:
            _put(self.unit, unit)
            _put(self.route, route)

    def fill(self, order: Order) -> None:
        """Put a favourite or an earlier order in; the prescriber stays."""
        self._medicine(order.medication.text, order.medication.code)
        parts = order.parts
        for name in Dosage.model_fields:
            _put(self[name], getattr(parts, name) if parts else None)
        if parts is None:
            _put(self.unit, likely(order.medication.text)[0] or "tablet")
            _put(self.duration_unit, "d")
        _put(self.dosage, None if parts else order.dosage)
        _put(self.quantity, order.quantity)
        _put(self.refills, order.refills)

    def clear(self) -> None:
        """Empty all but the prescriber."""
        self.fill(Order(medication=Medication(text=""), dosage="", parts=None, quantity=None, refills=None))

    def suggest(self, quantity: int | None) -> None:
        """Put the calculated quantity in, unless somebody has typed another one."""
        typed = str(self.quantity.data) if self.quantity.data is not None else ""
        if typed in ("", self.suggested.data or "") and not self.quantity.errors and not self.quantity.process_errors:
            _put(self.quantity, quantity)
        _put(self.suggested, "" if quantity is None else str(quantity))

    def _medicine(self, text: str, code: str | None) -> None:
        _put(self.medication, text)
        _put(self.medication_code, code or "")
        _put(self.medication_chosen, text if code else "")
        _put(self.warned, "")
        _put(self.override_reason, None)
        _put(self.looked, False)


def _put(field: Any, value: Any) -> None:
    """Set a field as if it had never been sent otherwise."""
    field.data, field.raw_data, field.process_errors = value, None, []
