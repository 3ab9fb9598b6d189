"""Pages of spans of time: offering slots in one, blocking and unblocking one, and whom to call because of it."""

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Blueprint, Response, request
from flask_babel import gettext as _
from flask_babel import ngettext

from careapp.access import Permission
from careapp.errors import Conflict, Invalid
from careapp.overviews.calendar import Asked, Calendar, get_calendar
from careapp.overviews.called_off import list_to_call
from careapp.scheduling import spans
from careapp.scheduling.views import SlotView
from careapp.surface.actors import current_actor, requires
from careapp.surface.csrf import HOME, safe_next
from careapp.web import times
from careapp.web.calendar_address import Address
from careapp.web.episode_answers import form_refused
from careapp.web.forms.fields import options
from careapp.web.forms.scheduling import EVERYBODY, AddSlotsForm, BlockForm, SpanSearchForm, UnblockForm
from careapp.web.forms.typed import locator_in
from careapp.web.htmx import Notice, page_or_fragment, see_other
from careapp.web.slot_times import offered, shut
from careapp.web.submissions import create_once

bp = Blueprint("spans", __name__)

F = TypeVar("F", AddSlotsForm, BlockForm, UnblockForm)

USUAL_MINUTES = 30
DAYS_TO_CALL_FOR = 13  # shown where no days are asked for: two weeks


@bp.get("/slots/new")
@requires(Permission.SLOT_MANAGE_OWN)
def slots_form() -> Response:
    """The form that offers slots, filled in from the calendar it was opened from."""
    shown, here = _choices(), Address.asked()
    form = AddSlotsForm(
        formdata=None, provider_locator=here.provider, clinic_locator=shown.clinic and shown.clinic.locator,
        day=max(here.on or shown.today, shown.today), minutes=USUAL_MINUTES, capacity=1,
    )  # fmt: skip
    return _add_page(_with_choices(form, shown), shown.zone)


@bp.post("/slots/new")
@requires(Permission.SLOT_MANAGE_OWN)
def add_slots() -> Response:
    """Offer the slots, all or none, and show their week, or the page that asked for them (`next`); where some overlap,
    name them and offer the others.
    """
    actor, shown = current_actor(), _choices()
    form, zone, wanted = _with_choices(AddSlotsForm(), shown), shown.zone, []
    made: list[SlotView] = []
    try:
        sent = form.checked()
        zone = next((one.time_zone for one in shown.clinics if one.locator == sent.clinic_locator), zone)
        wanted = offered(sent, zone)

        def create() -> str:
            made.extend(_made(sent, wanted))
            return _next_page() or f"/calendar?provider={sent.provider_locator}&week={times.week_name(sent.day)}"

        address = create_once(actor, form, create)
        said = ngettext("%(num)s slot is added.", "%(num)s slots are added.", len(made))
        return see_other(address, Notice(said if made else _("The slots are added.")))
    except (Conflict, Invalid) as refusal:
        form_refused(form, refusal)
        overlaps = refusal.extra.get("overlaps", ())
        return _add_page(form, zone, refusal.status, overlaps=overlaps, others=len(wanted) - len(overlaps))


@bp.get("/slots/block")
@requires(Permission.SLOT_MANAGE_OWN)
def block_form() -> Response:
    """The form that blocks a span of time, filled in from the calendar it was opened from."""
    shown, here = _choices(), Address.asked()
    on = max(here.on or shown.today, shown.today)
    form = BlockForm(
        formdata=None, provider_locator=here.provider, clinic_locator=shown.clinic and shown.clinic.locator,
        first_day=on, last_day=on,
    )  # fmt: skip
    return _block_page(_with_choices(form, shown, everybody=True), shown)


@bp.post("/slots/block")
@requires(Permission.SLOT_MANAGE_OWN)
def block() -> Response:
    """Block every slot that touches the span, and show who stands in it and should be called."""
    shown = _choices()
    form = _with_choices(BlockForm(), shown, everybody=True)
    try:
        sent = form.checked()
        reached = spans.block_spans(current_actor(), **_reach(sent), reason=sent.reason)
    except (Conflict, Invalid) as refusal:
        form_refused(form, refusal)
        return _block_page(form, shown, refusal.status)
    said = ngettext("%(num)s slot is blocked.", "%(num)s slots are blocked.", len(reached))
    return see_other(_to_call(sent), Notice(said))


@bp.post("/slots/unblock")
@requires(Permission.SLOT_MANAGE_OWN)
def unblock() -> Response:
    """Unblock every blocked slot that touches the span, or those of one reason, and show its first day."""
    shown = _choices()
    form = _with_choices(UnblockForm(), shown, everybody=True)
    try:
        sent = form.checked()
        reached = spans.unblock_spans(current_actor(), **_reach(sent), because=sent.because or None)
    except (Conflict, Invalid) as refusal:
        again = _with_choices(BlockForm(), shown, everybody=True)
        form_refused(again, refusal)
        return _block_page(again, shown, refusal.status)
    here = Address(provider=_one(sent.provider_locator), clinic=sent.clinic_locator or None, on=sent.first_day)
    said = ngettext("%(num)s slot is unblocked.", "%(num)s slots are unblocked.", len(reached))
    return see_other(here.to(whole_week=False), Notice(said))


@bp.get("/slots/to-call")
@requires(Permission.APPOINTMENT_VIEW)
def to_call() -> Response:
    """Patients whose appointments stand in blocked slots of a span; without one, of the next two weeks. What is blocked
    there can be made free again, all that was blocked for one reason at once.
    """
    form = SpanSearchForm(formdata=request.args)
    if not form.validate():
        raise Invalid({name or "address": str(texts[0]) for name, texts in form.errors.items()})
    sent = SimpleNamespace(**form.data)
    provider, clinic = locator_in(sent.provider_locator, "PRV"), locator_in(sent.clinic_locator, "CLN")
    shown = _calendar(provider, clinic)
    if sent.first_day is None:
        sent.first_day, sent.last_day = shown.today, shown.today + timedelta(days=DAYS_TO_CALL_FOR)
    when = shut(sent, shown.zone)
    found = list_to_call(current_actor(), spans=when, provider=provider, clinic=clinic)
    here = Address(provider=provider, clinic=clinic, on=sent.first_day, whole_week=False)
    return page_or_fragment(
        "scheduling/to_call.html", "scheduling/to_call.html", found=found, sent=sent, zone=shown.zone,
        blocked=_blocked(shown, when, provider, clinic),
        span=_span(sent) | {"provider_locator": provider or EVERYBODY, "clinic_locator": clinic or ""},
        back=here.to() if provider or clinic else "/calendar",
    )  # fmt: skip


def _made(sent: SimpleNamespace, wanted: Sequence[spans.Span]) -> list[SlotView]:
    """The slots that a sent form asks for, all of them or, where it says so, those that overlap no other."""
    return spans.add_slots(
        current_actor(), sent.provider_locator, spans=wanted, capacity=sent.capacity,
        clinic_locator=sent.clinic_locator or None, skip_overlaps=bool(sent.skip_overlaps),
    )  # fmt: skip


def _choices() -> Calendar:
    """The providers and clinics to choose from, and those the address names; no slots."""
    return get_calendar(current_actor(), Address.asked().wanted(), slots=False)


def _calendar(provider: str | None, clinic: str | None) -> Calendar:
    """Whose clock a span of these is on; no slots."""
    return get_calendar(current_actor(), Asked(provider=provider, clinic=clinic, mine=False), slots=False)


def _reach(sent: SimpleNamespace) -> dict[str, Any]:
    """Whose slots a sent form reaches, and when, in the terms of the commands."""
    provider, clinic = _one(sent.provider_locator), sent.clinic_locator or None
    zone = _calendar(provider, clinic).zone
    return {"provider_locator": provider, "clinic_locator": clinic, "spans": shut(sent, zone)}


def _one(provider: str | None) -> str | None:
    """The locator of the one provider that is chosen; None for all of the clinic."""
    return None if provider in ("", EVERYBODY) else provider


def _next_page() -> str | None:
    """The page that asked for slots and goes on with them, such as that of a walk-in; None without one."""
    wanted = safe_next(request.args.get("next"))
    return None if wanted == HOME else wanted


def _blocked(
    shown: Calendar, when: Sequence[spans.Span], provider: str | None, clinic: str | None
) -> list[tuple[str, int]]:
    """Why slots of a span are blocked, and how many, for who may make them free again; nothing for others."""
    actor = current_actor()
    own = provider is not None and provider == shown.own_provider
    may = actor.may(Permission.SLOT_MANAGE) or (own and actor.may(Permission.SLOT_MANAGE_OWN))
    if not may or (provider is None and clinic is None):
        return []
    return spans.count_blocked(actor, spans=when, provider_locator=provider, clinic_locator=clinic)


def _to_call(sent: SimpleNamespace) -> str:
    """The address of the list of whom to call because of what was blocked."""
    return f"/slots/to-call?{urlencode(_span(sent))}"


def _span(sent: SimpleNamespace) -> dict[str, Any]:
    """A span as the fields of a form; those left empty are not there."""
    given = {
        "provider_locator": _one(sent.provider_locator), "clinic_locator": sent.clinic_locator,
        "first_day": sent.first_day, "last_day": sent.last_day or sent.first_day,
        "first": sent.first and f"{sent.first:%H:%M}", "last": sent.last and f"{sent.last:%H:%M}",
    }  # fmt: skip
    return {name: value for name, value in given.items() if value}


def _with_choices(form: F, shown: Calendar, *, everybody: bool = False) -> F:
    """The form with the providers and clinics to choose from: for who may change only his own slots, himself.

    Who works at the clinic stands first; of several nobody is chosen, unless the calendar was his.
    """
    any_provider = current_actor().may(Permission.SLOT_MANAGE)
    own = [one for one in shown.providers if any_provider or one.locator == shown.own_provider]
    own.sort(key=lambda one: one not in shown.at_hand)  # stable: by name in each part
    providers: list[tuple[str, str]] = [(one.locator, one.name) for one in own]
    clinics: list[tuple[str, str]] = [(one.locator, f"{one.name} ({one.time_zone})") for one in shown.clinics]
    if everybody:
        clinics = [("", _("Any clinic")), *clinics]
        providers = [(EVERYBODY, _("All providers of the clinic")), *providers] if any_provider else providers
    if len(providers) > 1:
        providers = [("", _("Choose…")), *providers]
    form.provider_locator.choices, form.clinic_locator.choices = options(providers), options(clinics)
    return form


def _add_page(
    form: AddSlotsForm,
    zone: str,
    status: int = 200,
    *,
    overlaps: Sequence[tuple[spans.Span, spans.Span]] = (),
    others: int = 0,
) -> Response:
    return page_or_fragment(
        "scheduling/add_slots.html", "scheduling/_add_slots.html", status, title=_("Add slots"), form=form, zone=zone,
        overlaps=overlaps, others=others, asked_by=_next_page(), back=Address.asked().to(),
    )  # fmt: skip


def _block_page(form: BlockForm, shown: Calendar, status: int = 200) -> Response:
    here = Address.asked()
    whose = {"provider_locator": here.provider, "clinic_locator": here.clinic}
    return page_or_fragment(
        "scheduling/block.html", "scheduling/_block.html", status, title=_("Block a time"), form=form,
        back=here.to(), zone=shown.zone,
        to_call=f"/slots/to-call?{urlencode({name: value for name, value in whose.items() if value})}",
    )  # fmt: skip
