"""Every form that changes something: on which page it stands, and what somebody types into it before he sends it."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg
from apiflask import APIFlask
from flask.testing import FlaskClient

from careapp import commands, localdb
from careapp.access import Actor, Role
from careapp.disclosure import emergency, team
from careapp.erasure import holds
from careapp.identity import drafts, service_clients, sessions, users
from careapp.lifecycle import Lifecycle
from careapp.patients import confidentiality, facts
from careapp.prescriptions.safety import check_medicine
from careapp.prescriptions.states import PRESCRIPTION
from careapp.prescriptions.views import Medication
from careapp.providers import service as providers
from careapp.providers.states import NETWORK
from careapp.referrals.states import REFERRAL
from careapp.scheduling import slots
from careapp.scheduling.states import APPOINTMENT, SLOT
from tests import factories as make
from tests.database import TestDatabase
from tests.identity.people import PASSWORD, a_user
from tests.looking import events, one
from tests.rules.pages import ask, csrf_token, the_form

# Where a form stands (an address; None where it stands in a row that comes and goes), where it goes, and what is typed.
Filled = tuple[str | None, str, Mapping[str, str]]
Scene = Callable[[Actor, Actor, TestDatabase], Filled]


def filled(app: APIFlask, client: FlaskClient, scene: Filled) -> dict[str, str]:
    """What a browser sends of a scene: the form as its page shows it, and what is typed; elsewhere only its token."""
    page, goes, typed = scene
    if page is None:
        return {"csrf_token": csrf_token(app, client), **typed}
    return {**the_form(ask(app, client, "GET", page), goes).values, **typed}


def _of(thing: Callable[[Actor], Any], page: str, goes: str, **typed: str) -> Scene:
    """A form about something just made; `{}` in the addresses stands for its locator."""

    def scene(god: Actor, me: Actor, database: TestDatabase) -> Filled:
        locator = getattr(made := thing(god), "locator", made)
        return page.format(locator), goes.format(locator), typed

    return scene


def _move(lifecycle: Lifecycle, made: Callable[..., Any], action: str, base: str) -> Scene:
    """A move, from the first state it starts in, with all that any move asks for."""

    def scene(god: Actor, me: Actor, database: TestDatabase) -> Filled:
        thing = made(god, status=sorted(lifecycle.transition(action).sources)[0])
        typed = {"version": str(thing.version), "reason": "As asked", "category": "PATIENT", "outcome": "Well",
                 "facility": "Central Laboratory"}  # fmt: skip
        return None, f"{base}/{thing.locator}/{action}", typed

    return scene


def _blocked(god: Actor, slot: Any) -> Any:
    return slots.act(god, slot.locator, action="block", reason="Training")


def _a_slot(god: Actor, status: str = "FREE") -> Any:
    slot = make.a_slot(god)
    return _blocked(god, slot) if status == "BLOCKED" else slot


def _a_provider(god: Actor, status: str) -> Any:
    provider = make.a_provider(god)
    return provider if status == provider.status else providers.act(god, provider.locator, action="deactivate")


def _undo(base: str) -> Scene:
    def scene(god: Actor, me: Actor, database: TestDatabase) -> Filled:
        visit = make.an_appointment(me, make.an_episode(god), make.a_slot(god), status="ARRIVED")
        return None, f"{base}/{visit.locator}/undo", {"version": str(visit.version)}

    return scene


def _reschedule(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    provider = make.a_provider(god)
    visit = make.an_appointment(god, slot=make.a_slot(god, provider))
    goal = make.a_slot(god, provider, hours=5).locator
    address = f"/appointments/{visit.locator}/reschedule"
    return address, address, {"slot_locator": goal}


def _book(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    slot, patient = make.a_slot(god, capacity=3).locator, make.a_patient(god).locator
    return f"/slots/{slot}/book?party={patient}", f"/slots/{slot}/book", {"choice": patient, "care_type": "GP"}


def _walk_in(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    clinic = make.a_clinic(god)
    make.a_slot(god, hours=-1, minutes=180, capacity=4, clinic=clinic)
    here = f"/walk-in?clinic={clinic.locator}"
    return f"{here}&party={make.a_patient(god).locator}", here, {}


def _span(action: str) -> Scene:
    def scene(god: Actor, me: Actor, database: TestDatabase) -> Filled:
        slot = make.a_slot(god, make.a_provider(god), clinic=make.a_clinic(god))
        if action == "unblock":
            _blocked(god, slot)
        days = {"first_day": f"{slot.starts_at - timedelta(days=1):%Y-%m-%d}",
                "last_day": f"{slot.starts_at + timedelta(days=1):%Y-%m-%d}"}  # fmt: skip
        whose = {"provider_locator": slot.provider_locator, "clinic_locator": ""}
        reason = {"reason": "Training"} if action == "block" else {}
        return "/slots/block" if action == "block" else None, f"/slots/{action}", {**whose, **days, **reason}

    return scene


def _add_slots(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    provider, clinic = make.a_provider(god).locator, make.a_clinic(god).locator
    typed = {"provider_locator": provider, "clinic_locator": clinic, "day": f"{make.soon(72):%Y-%m-%d}",
             "first": "09:00", "last": "10:00", "minutes": "30", "capacity": "2"}  # fmt: skip
    return f"/slots/new?clinic={clinic}", f"/slots/new?clinic={clinic}", typed


def _event(god: Actor, me: Actor, database: TestDatabase, *, goes: str) -> Filled:
    """A parked event."""
    make.an_episode(god)
    event = events(god)[-1]
    with psycopg.connect(localdb.libpq_url(database.relay)) as relay:
        relay.execute("UPDATE outbox SET parked_at = now(), last_error = 'x' WHERE id = %s", [event.id])
    typed = {"reason": "Too large"} if goes == "withhold" else {}
    return "/admin/outbox", f"/admin/outbox/{event.envelope['id']}/{goes}", typed


def _user(god: Actor, me: Actor, database: TestDatabase, *, goes: str, **typed: str) -> Filled:
    """Somebody of the staff, who is signed in."""
    user = a_user(god, Role.FRONT_DESK)
    with commands.system_transaction(god.tenant_id):
        sessions.start(god.tenant_id, user.id)
    if goes == "/enable":
        users.disable(god, user.id)
    number = one(god, "SELECT max(id) FROM user_session WHERE user_id = :user", user=user.id)
    page = f"/admin/users/{user.id}"
    return page, page + goes.replace("N", str(number)), typed


def _client(god: Actor, me: Actor, database: TestDatabase, *, goes: str) -> Filled:
    """A program of another system."""
    number = make.a_service_client(god).id
    if goes == "enable":
        service_clients.disable_client(god, number)
    return f"/admin/clients/{number}", f"/admin/clients/{number}/{goes}", {}


def _mine(god: Actor, me: Actor, database: TestDatabase, *, goes: str) -> Filled:
    """My own account, signed in at another place as well."""
    assert me.user_id
    with commands.system_transaction(god.tenant_id):
        sessions.start(god.tenant_id, me.user_id)
    number = one(god, "SELECT max(id) FROM user_session WHERE user_id = :user", user=me.user_id)
    return "/account", goes.replace("N", str(number)), {}


def _restricted(page: str, goes: str, **typed: str) -> Scene:
    """Something about a restricted record in whose care team I am not."""

    def scene(god: Actor, me: Actor, database: TestDatabase) -> Filled:
        patient = make.a_restricted_patient(god).locator
        if goes.endswith("/end"):
            emergency.declare(me, patient, reason="Found unconscious at home")
        return page.format(patient), goes.format(patient), typed

    return scene


def _review(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    patient = make.a_restricted_patient(god)
    made = emergency.declare(make.a_person(god, Role.CLINICIAN), patient.locator, reason="Found unconscious at home")
    assert made
    number = one(god, "SELECT max(id) FROM emergency_accesses")
    return "/admin/emergency-access", f"/admin/emergency-access/{number}/review", {"remark": "Right"}


def _care_team(god: Actor, me: Actor, database: TestDatabase, *, remove: bool = False) -> Filled:
    patient, who = make.a_patient(god).locator, a_user(god, Role.CLINICIAN)
    page, goes = f"/patients/{patient}/access", f"/patients/{patient}/care-team"
    if not remove:
        return page, goes, {"who": f"user:{who.id}", "role": "Family doctor"}
    team.add_member(god, patient, who=f"user:{who.id}", role="Family doctor")
    return page, f"{goes}/remove", {}


def _lift(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    patient = make.a_patient(god).locator
    team.add_member(god, patient, who=f"user:{me.user_id}", role="Family doctor")
    confidentiality.restrict(god, patient, reason="Known to the staff in person")
    return f"/patients/{patient}/access", f"/patients/{patient}/lift", {"reason": "Asked for"}


def _held(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    patient = make.a_patient(god).locator
    holds.set_hold(god, patient, reason="A court asks")
    return f"/admin/erasure/{patient}", f"/admin/erasure/{patient}/lift", {}


def _erasable(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    patient = make.a_patient(god).locator
    typed = {"category": "ENTERED_IN_ERROR", "reason": "Entered twice", "typed": patient}
    return f"/admin/erasure/{patient}", f"/admin/erasure/{patient}/erase", typed


def _ended_fact(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    patient = make.a_patient(god).locator
    facts.add_fact(god, patient, kind="CONDITION", text="Asthma")
    return f"/patients/{patient}", f"/patients/{patient}/facts/end", {"ending": "resolved"}


def _draft(god: Actor, me: Actor, database: TestDatabase, *, goes: str) -> Filled:
    address = f"/episodes/new?party={make.a_patient(god).locator}"
    assert me.user_id
    drafts.keep(god.tenant_id, me.user_id, address, [("reason", "Cough")])
    return None, goes, {"draft": address, "reason": "Cough", "next": "/today"}


def _open_episode(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    address = f"/episodes/new?party={make.a_patient(god).locator}"
    return address, address, {"care_type": "GP", "reason": "Cough"}


def _prescription(god: Actor, me: Actor, database: TestDatabase) -> Filled:
    episode, medicine = make.an_episode(god).locator, "Amoxicillin 500 mg capsule"
    address = f"/episodes/{episode}/prescriptions/new"
    read = check_medicine(god, episode, Medication(text=medicine), quantity=21).key
    typed = {"medication": medicine, "dosage": "1 capsule three times a day", "quantity": "21", "warned": read,
             "looked": "y", "provider_locator": make.a_provider(god).locator}  # fmt: skip
    return address, address, typed


SCENES: dict[str, Scene] = {
    "admin_clients.add": lambda *_: ("/admin/clients/new", "/admin/clients/new",
                                     {"name": "Lab", "roles": "clinician", "scopes": "patient.read"}),
    **{f"admin_clients.{act}": partial(_client, goes=act) for act in ("rotate", "disable", "enable")},
    "admin_clinics.add": lambda *_: ("/admin/clinics/new", "/admin/clinics/new",
                                     {"name": "North", "time_zone": "Asia/Yangon"}),
    "admin_clinics.change": _of(make.a_clinic, "/admin/clinics/{0}", "/admin/clinics/{0}", name="South"),
    "admin_emergencies.review": _review,
    "admin_erasure.hold": _of(make.a_patient, "/admin/erasure/{0}", "/admin/erasure/{0}/hold", reason="A court asks"),
    "admin_erasure.lift": _held,
    "admin_erasure.erase": _erasable,
    "admin_outbox.retry": partial(_event, goes="retry"),
    "admin_outbox.withhold": partial(_event, goes="withhold"),
    "admin_providers.add": lambda *_: ("/admin/providers/new", "/admin/providers/new",
                                       {"name": "Dr New", "specialty": "UROLOGY"}),
    "admin_providers.change": _of(make.a_provider, "/admin/providers/{0}", "/admin/providers/{0}", name="Dr Other"),
    "admin_settings.change": lambda *_: ("/admin/settings", "/admin/settings", {"name": "Renamed"}),
    "admin_users.add": lambda god, *_: ("/admin/users/new", "/admin/users/new",
                                        {"name": "New", "roles": "clinician", "email": f"n@{god.tenant_key}.example"}),
    "admin_users.change": partial(_user, goes="", name="Changed", roles="clinician"),
    "admin_users.password": partial(_user, goes="/password"),
    "admin_users.disable": partial(_user, goes="/disable"),
    "admin_users.enable": partial(_user, goes="/enable"),
    "admin_users.end_sessions": partial(_user, goes="/end-sessions"),
    "admin_users.end_session": partial(_user, goes="/sessions/N/end"),
    "account.change_password": lambda *_: ("/account/password", "/account/password", {
        "old_password": PASSWORD, "new_password": "eleven grey herons at Inle"}),
    "account.end_session": partial(_mine, goes="/account/sessions/N/end"),
    "account.end_others": partial(_mine, goes="/account/sessions/end-others"),
    "appointments.reschedule": _reschedule,
    "appointments.appointment_undo": _undo("/appointments"),
    "today.today_undo": _undo("/today"),
    "slots.appointment_undo": _undo("/slots/booked"),
    "drafts.discard": partial(_draft, goes="/drafts/discard"),
    "emergency.declare": _restricted("/patients/{0}", "/patients/{0}/emergency", reason="Found unconscious at home"),
    "emergency.end": _restricted("/patients/{0}", "/patients/{0}/emergency/end"),
    "episodes.open_episode": _open_episode,
    "episodes.episode_close": _of(make.an_episode, "/episodes/{0}", "/episodes/{0}/close", summary="Recovered"),
    "episodes.episode_cancel": _of(make.an_episode, "/episodes/{0}", "/episodes/{0}/cancel", reason="Entered twice"),
    "patient_facts.add_fact": _of(make.a_patient, "/patients/{0}", "/patients/{0}/facts", kind="CONDITION",
                                  text="Asthma"),
    "patient_facts.record_none_known": _of(make.a_patient, "/patients/{0}", "/patients/{0}/facts/none-known"),
    "patient_facts.end_fact": _ended_fact,
    "preferences.save": lambda *_: ("/preferences", "/preferences", {"theme": "dark"}),
    "prescriptions.issue": _prescription,
    "record_access.add_member": _care_team,
    "record_access.remove_member": partial(_care_team, remove=True),
    "record_access.consent": _of(make.a_patient, "/patients/{0}/access", "/patients/{0}/consent", decision="PERMIT"),
    "record_access.restrict": _of(make.a_patient, "/patients/{0}/access", "/patients/{0}/restrict", reason="Staff"),
    "record_access.lift": _lift,
    "referrals.refer": _of(make.an_episode, "/episodes/{0}/referrals/new", "/episodes/{0}/referrals/new", type="LAB",
                           reason="Blood count"),
    "registration.register": lambda *_: ("/patients/new", "/patients/new", {"family": "Aung", "given": "Hla"}),
    "registration.edit": _of(make.a_patient, "/patients/{0}/edit", "/patients/{0}/edit", family="Aung"),
    "slots.book": _book,
    "spans.add_slots": _add_slots,
    "spans.block": _span("block"),
    "spans.unblock": _span("unblock"),
    "walk_in.take_in_post": _walk_in,
    **{f"{bp}.{'today' if bp == 'today' and move == 'cancel' else 'appointment'}_{move.replace('-', '_')}":
       _move(APPOINTMENT, make.an_appointment, move, base)
       for bp, base in (("appointments", "/appointments"), ("slots", "/slots/booked"), ("today", "/today"))
       for move in (each.name for each in APPOINTMENT.transitions)},
    **{f"prescriptions.prescription_{each.name}": _move(PRESCRIPTION, make.a_prescription, each.name, "/prescriptions")
       for each in PRESCRIPTION.transitions},
    **{f"referrals.referral_{each.name}": _move(REFERRAL, make.a_referral, each.name, "/referrals")
       for each in REFERRAL.transitions},
    **{f"admin_providers.provider_{each.name}": _move(NETWORK, _a_provider, each.name, "/admin/providers")
       for each in NETWORK.transitions},
    **{f"slots.slot_{each.name}": _move(SLOT, _a_slot, each.name, "/slots") for each in SLOT.transitions},
}  # fmt: skip
