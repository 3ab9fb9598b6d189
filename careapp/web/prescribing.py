"""The prescription form as a page: the form with all it offers, what the checks say, and the sentence it makes."""

from dataclasses import dataclass
from typing import Any

from flask import Response
from flask_babel import gettext as _

from careapp.errors import Conflict, Invalid, NotFound
from careapp.overviews.prescribing import Prescribing, find_medicines, get_prescribing
from careapp.overviews.timeline import get_banner
from careapp.prescriptions.checks import Checks
from careapp.prescriptions.dosage import Dosage, quantity_for, sentence
from careapp.prescriptions.safety import check_medicine
from careapp.surface.actors import current_actor
from careapp.terminology.views import Found
from careapp.web.drafts import Draft, kept
from careapp.web.episode_answers import form_refused
from careapp.web.forms.fields import options
from careapp.web.forms.prescriptions import PrescriptionForm
from careapp.web.htmx import page_or_fragment

PAGE, FRAGMENT = "prescriptions/new.html", "prescriptions/_form.html"


def address_of(locator: str) -> str:
    """Where the form of an episode is sent, which is also what its draft is kept under."""
    return f"/episodes/{locator}/prescriptions/new"


@dataclass
class Desk:
    """A prescription form of one episode with what it offers; `focus_found`: the first medicine found has the focus."""

    locator: str
    form: PrescriptionForm
    offered: Prescribing
    draft: Draft | None = None
    done: str | None = None
    found: Found | None = None
    focus_found: bool = False

    @classmethod
    def opened(cls, locator: str) -> "Desk":
        """A form for somebody who comes to it: his draft, or empty with the likeliest prescriber chosen."""
        offered, draft = get_prescribing(current_actor(), locator), kept(address_of(locator))
        likeliest = offered.prescribers.likeliest
        form = PrescriptionForm(
            formdata=draft.fields if draft else None, unit="tablet", route="oral", duration_unit="d",
            provider_locator=likeliest,
        )  # fmt: skip
        return cls(locator, _with_prescribers(form, offered), offered, draft)

    @classmethod
    def sent(cls, locator: str) -> "Desk":
        """The form as it was sent."""
        offered = get_prescribing(current_actor(), locator)
        return cls(locator, _with_prescribers(PrescriptionForm(), offered), offered)

    def page(self, refusal: Conflict | Invalid | None = None) -> Response:
        """The form, or for htmx its fragment; with what the checks say of the medicine in it."""
        form = self.form
        if refusal:
            self.search()
        dosage = dosage_of(form)  # may put a quantity in, which is checked as well
        said = self._checks()
        key = said.key if said else ""
        if key != form.warned.data:
            form.looked.data = False  # it was ticked for something else
        form.warned.data, form.warned.raw_data = key, None
        form_refused(form, refusal)
        episode, banner, zone = get_banner(current_actor(), self.locator)
        return page_or_fragment(
            PAGE, FRAGMENT, refusal.status if refusal else 200, title=_("Prescribe"), form=form, episode=episode,
            banner=banner, zone=zone, offered=self.offered, said=said, draft=self.draft, done=self.done,
            found=self.found, focus_found=self.focus_found, action=address_of(self.locator), **dosage,
        )  # fmt: skip

    def search(self) -> None:
        """Look the typed medicine up in the list, unless it was chosen from it."""
        if self.form.medication.data and not self.form.coded:
            self.found = find_medicines(current_actor(), self.locator, self.form.medication.data)

    def _checks(self) -> Checks | None:
        """What the checks say of the medicine in the form; nothing while there is none, or one is to be chosen next."""
        if not self.form.medication.data or (self.focus_found and self.found and self.found.medicines):
            return None
        return check_medicine(
            current_actor(), self.locator, self.form.ordered(), _parts_so_far(self.form), self.form.quantity.data
        )


def _parts_so_far(form: PrescriptionForm) -> Dosage | None:
    """The parts of the dosage, None while they are not whole."""
    try:
        return form.parts()
    except Invalid:
        return None


def dosage_of(form: PrescriptionForm) -> dict[str, Any]:
    """What the parts in the form make: the sentence (None while they are not whole), and the quantity put in."""
    try:
        parts = form.parts()
    except Invalid:
        return {"directions": None, "needed": None}
    if parts is None:
        return {"directions": form.dosage.data, "needed": None}
    needed = quantity_for(parts)
    form.suggest(needed)
    return {"directions": sentence(parts), "needed": needed}


def number_in(text: str) -> int:
    """A favourite's number as a button sends it; raises NotFound for another text."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise NotFound()
    return int(text)


def _with_prescribers(form: PrescriptionForm, offered: Prescribing) -> PrescriptionForm:
    """The form with its prescribers; whoever is not the provider that is signed in is told apart in the list itself, so
    that it is seen as soon as somebody is chosen. Where whom the form names is not in it, somebody has to be chosen: a
    browser would take the first."""
    own = offered.prescribers.own
    choices = {
        one.locator: one.name if own in (None, one.locator) else _("%(name)s (on behalf of)", name=one.name)
        for one in offered.prescribers.providers
    }
    named = form.provider_locator.data
    if named not in choices and (named or own or len(choices) > 1):
        choices = {"": _("Choose…"), **choices}
    form.provider_locator.choices = options(choices.items())
    return form
