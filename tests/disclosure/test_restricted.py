"""A restricted record on every surface: what is clinical is shown to its care team, and to nobody else anywhere."""

import re
from collections.abc import Callable

import pytest
from apiflask import APIFlask
from sqlalchemy import select

from careapp import tenancy
from careapp.access import Actor, Role
from careapp.api.document import PREFIXES
from careapp.db import db, table_of
from careapp.disclosure import team
from careapp.erasure.erase import BLANKED, DELETED
from careapp.errors import Conflict, Forbidden, Invalid, NotFound, Restricted
from careapp.overviews import board
from careapp.overviews import referrals as referral_board
from careapp.overviews.board_choices import Filter
from careapp.patients import confidentiality, facts
from careapp.patients.models import PatientKey, PatientNameWord
from careapp.prescriptions import service as prescriptions
from careapp.prescriptions.views import Medication
from careapp.referrals import service as referrals
from careapp.scheduling import appointments, changes
from tests import factories as make
from tests.api.calls import CALLS
from tests.api.client import Api, is_problem, speaking_for
from tests.disclosure.conftest import MARK, Scene
from tests.looking import audits, events, id_of, newest, one
from tests.rules.pages import NUMBERED, PAGE_OF, ask, csrf_token, rules, signed_in_as

# What is about a patient and says more than who he is.
CLINICAL = {table_of(model) for model in (*BLANKED, *DELETED)} - {table_of(PatientNameWord), table_of(PatientKey)}
EVERYBODY = [Role.FRONT_DESK, Role.CLINICIAN, Role.ADMIN, Role.AUDITOR]


def addresses(app: APIFlask, god: Actor, scene: Scene) -> list[str]:
    """Every page, about the restricted patient where it is about something; and some with him in the query."""
    found = []
    for rule in rules(app, "GET"):
        address = rule.rule
        if "locator" in rule.arguments:
            kind = address.partition("/<locator>")[0].rpartition("/")[2]
            address = address.replace("<locator>", scene.locator(kind))
        for name in rule.arguments & NUMBERED.keys():
            address = re.sub(rf"<\w+:{name}>", NUMBERED[name](god), address)
        found.append(address)
    party, episode = f"party={scene.party}", f"episode={scene.episode}"
    booking = f"/slots/{scene.free}/book?"
    return [
        *found, f"/episodes/new?{party}", f"/calendar?{party}", f"/calendar?{episode}", booking + party,
        booking + episode, f"/calendar?move={scene.appointment}", f"/today?clinic={scene.clinic}&provider=all",
        f"/today?clinic={scene.clinic}&provider=all&about={scene.appointment}", f"/walk-in?{party}",
        f"/walk-in?clinic={scene.clinic}&{party}", f"/calendar/next-free?{party}",
    ]  # fmt: skip


def test_every_clinical_table_has_a_row_to_look_for(god: Actor, scene: Scene) -> None:
    """Where it has none, a page that shows all of such a table shows no mark."""
    number = id_of(god, "patients", scene.party)
    for table in sorted(CLINICAL, key=str):
        with tenancy.bound(god.tenant_id):
            found = db.session.execute(select(table).where(table.c.patient_id == number)).all()
            db.session.rollback()
        assert MARK in str(found), f"{table}: give `scene` in tests/disclosure/conftest.py a row with MARK in its texts"


def test_each_word_of_an_address_stands_for_a_thing_of_its_kind(god: Actor, scene: Scene) -> None:
    """By what the same word is elsewhere; a locator of another kind would be answered 404 and show nothing."""
    prefixes = {kind: made(god).locator[:3] for kind, made in PAGE_OF.items()} | PREFIXES
    assert {kind: scene.locator(kind)[:3] for kind in prefixes} == prefixes


@pytest.mark.parametrize("role", EVERYBODY)
def test_no_page_shows_a_stranger_what_is_clinical(app: APIFlask, god: Actor, scene: Scene, role: Role) -> None:
    client = signed_in_as(app, make.a_person(god, role))
    for address in addresses(app, god, scene):
        for headers in ({}, {"HX-Request": "true"}):
            answer = ask(app, client, "GET", address, headers=headers)
            assert answer.status_code < 500, (address, answer.status)
            assert MARK.encode() not in answer.data, (role, address, headers)


@pytest.mark.parametrize("role", EVERYBODY)
def test_no_form_shows_a_stranger_what_is_clinical(app: APIFlask, god: Actor, scene: Scene, role: Role) -> None:
    client = signed_in_as(app, make.a_person(god, role))
    token = csrf_token(app, client)
    sent = {"csrf_token": token, "q": scene.party, "version": "1", "reason": "Because", "summary": "Well"}
    for rule in rules(app, "POST"):
        if rule.arguments - {"locator"} or "emergency" in rule.rule or rule.endpoint == "sign_in.sign_out":
            continue
        kind = rule.rule.partition("/<locator>")[0].rpartition("/")[2]
        address = rule.rule.replace("<locator>", scene.locator(kind)) if rule.arguments else rule.rule
        for headers in ({}, {"HX-Request": "true"}):
            answer = ask(app, client, "POST", address, data=sent, headers=headers)
            assert answer.status_code < 500, (address, answer.status)
            assert MARK.encode() not in answer.data, (role, address, headers)


@pytest.mark.parametrize("name", sorted(name for name in CALLS if name.startswith("api.") and "search" not in name))
def test_no_route_shows_a_stranger_what_is_clinical(
    app: APIFlask, god: Actor, scene: Scene, people: Callable[[Role], Actor], name: str
) -> None:
    call = CALLS[name](god)
    kind = call.template.partition("/{locator}")[0].rpartition("/")[2]
    path = call.template.format(locator=scene.locator(kind)) if call.locator else call.template
    for role in EVERYBODY:
        answer = speaking_for(app, people(role)).send(call.method, path, call.body, If_Match='"1"')
        assert answer.status_code < 500
        assert MARK not in answer.text, (role, path)
        assert "MENTAL_HEALTH" not in answer.text, (role, path)
        assert "IMAGING" not in answer.text, (role, path)


@pytest.mark.parametrize(
    "path",
    ["/episodes/{episode}", "/episodes/{episode}/prescriptions", "/episodes/{episode}/referrals",
     "/prescriptions/{prescription}", "/referrals/{referral}"],
)  # fmt: skip
def test_asked_directly_it_is_refused_and_the_refusal_stands_in_the_log_of_the_patient(
    app: APIFlask, god: Actor, scene: Scene, stranger: Actor, path: str
) -> None:
    before = newest(god)["audits"]
    address = path.format(**vars(scene))
    said = is_problem(speaking_for(app, stranger).get(address), 403, "RESTRICTED")
    assert said["partyLocator"] == scene.party
    [row] = audits(god, after=before)
    assert (row.outcome, row.detail["code"], row.patients) == ("refused", "RESTRICTED", [scene.party])
    page = ask(app, signed_in_as(app, stranger), "GET", f"/episodes/{scene.episode}")
    assert page.status_code == 403
    assert f'action="/patients/{scene.party}/emergency' in page.text
    at_the_desk = ask(app, signed_in_as(app, make.a_person(god, Role.FRONT_DESK)), "GET", f"/episodes/{scene.episode}")
    assert at_the_desk.status_code == 403
    assert "/emergency" not in at_the_desk.text


def test_a_stranger_changes_nothing_in_it(god: Actor, scene: Scene, stranger: Actor) -> None:
    medicine = Medication(text="Aspirin")
    provider = scene.provider.locator
    tries: list[Callable[[], object]] = [
        lambda: prescriptions.issue(
            stranger, scene.episode, medication=medicine, dosage="one", provider_locator=provider
        ),
        lambda: prescriptions.act(stranger, scene.prescription, action="fill"),
        lambda: referrals.refer(stranger, scene.episode, type="LAB", reason="Count"),
        lambda: referrals.act(stranger, scene.referral, action="book"),
        lambda: facts.add_fact(stranger, scene.party, kind="ALLERGY", text="Latex"),
        lambda: facts.record_no_known_allergy(stranger, scene.party),
        lambda: confidentiality.lift(stranger, scene.party, reason="I want to read it"),
        lambda: team.add_member(stranger, scene.party, who=stranger.name, role="Friend"),
        lambda: team.record_consent(stranger, scene.party, decision="PERMIT"),
        lambda: team.get_record_access(stranger, scene.party),
    ]
    for one_try in tries:
        with pytest.raises(Restricted):
            one_try()


def test_the_desk_books_and_checks_in_whom_it_may_not_read_about(app: APIFlask, god: Actor, scene: Scene) -> None:
    desk = make.a_person(god, Role.FRONT_DESK)
    booked = appointments.book(desk, scene.episode, slot_locator=scene.free, accepted=True)
    arrived = appointments.act(desk, scene.appointment, action="arrive")
    assert (arrived.status, arrived.reason, arrived.notes) == ("ARRIVED", None, None)
    assert changes.undo(desk, scene.appointment).reason is None
    moved = changes.reschedule(desk, booked.locator, slot_locator=make.a_slot(god, hours=60).locator)
    assert moved.status == "BOOKED"
    client = signed_in_as(app, desk)
    sent = {"csrf_token": csrf_token(app, client), "version": "3"}
    answer = ask(app, client, "POST", f"/appointments/{scene.appointment}/confirm", data=sent)
    assert answer.headers["Location"].endswith(f"/patients/{scene.party}"), "the page he may see"
    page = ask(app, client, "GET", f"/patients/{scene.party}").text
    assert "data-restricted" in page
    assert scene.episode in page, "it stands there, without what it is about"


def test_a_provider_with_an_appointment_reads_it_all(app: APIFlask, god: Actor, scene: Scene) -> None:
    client = signed_in_as(app, make.a_person(god, Role.CLINICIAN, provider=scene.provider))
    page = ask(app, client, "GET", f"/episodes/{scene.episode}").text
    for text in ("complaint", "visit", "drug", "why", "allergy"):
        assert f"{MARK} {text}" in page, text
    assert "data-restricted" in page
    assert f"{MARK} condition" in ask(app, client, "GET", f"/patients/{scene.party}").text


def test_nobody_opens_a_record_to_himself_by_booking_or_opening_an_episode(god: Actor, scene: Scene) -> None:
    provider = make.a_provider(god)
    himself = make.a_person(god, Role.CLINICIAN, provider=provider)
    appointments.book(himself, scene.episode, slot_locator=make.a_slot(god, provider, hours=40).locator)
    assert make.an_episode(himself, type("P", (), {"locator": scene.party})()).party_locator == scene.party
    with pytest.raises(Restricted):
        facts.add_fact(himself, scene.party, kind="ALLERGY", text="Latex")
    appointments.book(
        make.a_person(god, Role.FRONT_DESK), scene.episode,
        slot_locator=make.a_slot(god, provider, hours=44).locator,
    )  # fmt: skip
    facts.add_fact(himself, scene.party, kind="ALLERGY", text="Latex")


def test_a_filter_by_what_is_clinical_finds_only_what_one_may_know(
    app: APIFlask, god: Actor, scene: Scene, stranger: Actor
) -> None:
    member = make.a_person(god, Role.CLINICIAN, provider=scene.provider)
    wanted, path = Filter(care_type="MENTAL_HEALTH"), f"/episodes?careType=MENTAL_HEALTH&party={scene.party}"
    for actor, number in ((stranger, 0), (member, 1)):
        shown = board.get_board(actor, wanted, since=1)
        assert sum(column.count for column in shown.columns) == number
        assert sum(len(column.cards) for column in shown.columns) == number
        assert shown.news is not None
        assert shown.news.new == number
        assert len(speaking_for(app, actor).get(path).json["items"]) == number
        columns = referral_board.get_referral_board(actor, referral_board.Wanted(type="IMAGING")).columns
        assert [column.count for column in columns] == [number, 0, 0]
    [card] = [card for column in board.get_board(stranger).columns for card in column.cards]
    assert (card.care_type, card.reason, card.open_referrals, card.locator) == ("RESTRICTED", None, None, scene.episode)
    [column, *_] = referral_board.get_referral_board(stranger, referral_board.Wanted()).columns
    assert (column.cards[0].type, column.cards[0].reason, column.cards[0].facility) == ("RESTRICTED", None, None)


def test_a_token_of_no_user_reads_only_what_is_open_or_permitted(app: APIFlask, god: Actor, scene: Scene) -> None:
    service = speaking_for(app, god)  # who is nobody here
    is_problem(service.get(f"/episodes/{scene.episode}"), 403, "RESTRICTED")
    team.record_consent(make.a_person(god, Role.ADMIN), scene.party, decision="PERMIT")
    assert service.get(f"/episodes/{scene.episode}").json["careType"] == "MENTAL_HEALTH"


def test_the_portal_shows_what_the_patient_shares(portal: Api, god: Actor, scene: Scene) -> None:
    shared = make.an_episode(god)
    admin = make.a_person(god, Role.ADMIN)
    for party, episode, default in ((scene.party, scene.episode, 404), (shared.party_locator, shared.locator, 200)):
        paths = (f"/episodes/{episode}", f"/members/{party}/episodes")
        assert [portal.get(f"/internal{path}").status_code for path in paths] == [default, default]
        for decision, status in (("PERMIT", 200), ("DENY", 404), ("PERMIT", 200)):
            team.record_consent(admin, party, decision=decision)
            for path in paths:
                answer = portal.get(f"/internal{path}")
                assert answer.status_code == status
                if status == 404:
                    missing = portal.get(f"/internal{re.sub(r'[0-9]{6}', '999999', path)}")
                    assert (answer.json, dict(answer.headers).keys()) == (missing.json, dict(missing.headers).keys())


def test_restricting_and_lifting_are_kept_told_and_audited(god: Actor) -> None:
    doctor, party = make.a_person(god, Role.CLINICIAN), make.a_patient(god).locator
    before = newest(god)
    with pytest.raises(Invalid):
        confidentiality.restrict(doctor, party, reason="  ")
    confidentiality.restrict(doctor, party, reason="Asked for it")
    with pytest.raises(Conflict):
        confidentiality.restrict(doctor, party, reason="Asked for it again")
    facts.add_fact(doctor, party, kind="ALLERGY", text="Latex")  # who closed it is of the team
    assert team.get_record_access(doctor, party).last_change.reason == "Asked for it"
    confidentiality.lift(doctor, party, reason="No longer wanted")
    assert make.an_episode(make.a_person(god, Role.CLINICIAN)).version == 1
    told = [event for event in events(god, after=before["events"]) if event.topic.endswith("confidentiality_changed")]
    assert [event.envelope["data"]["confidentiality"] for event in told] == ["RESTRICTED", "NORMAL"]
    acts = [row.action for row in audits(god, after=before["audits"]) if row.outcome == "done"]
    assert [act for act in acts if act in ("patient.restrict", "patient.lift")] == ["patient.restrict", "patient.lift"]
    with pytest.raises(NotFound):
        confidentiality.restrict(doctor, "PTY-2026-999999", reason="Nobody")


def test_who_closes_a_record_again_is_in_its_team_once_and_out_when_taken_out(god: Actor) -> None:
    doctor, admin = make.a_person(god, Role.CLINICIAN), make.a_person(god, Role.ADMIN)
    party = make.a_patient(god).locator
    for _ in range(2):
        confidentiality.restrict(doctor, party, reason="Asked for it")
        confidentiality.lift(doctor, party, reason="No longer wanted")
    confidentiality.restrict(doctor, party, reason="Asked for it")
    [entry] = team.get_record_access(admin, party).members
    team.remove_member(admin, party, member=entry.id)
    with pytest.raises(Restricted):
        facts.add_fact(doctor, party, kind="ALLERGY", text="Latex")


def test_the_care_team_lets_in_and_out(god: Actor, scene: Scene, stranger: Actor) -> None:
    member = make.a_person(god, Role.CLINICIAN, provider=scene.provider)
    admin = make.a_person(god, Role.ADMIN)
    team.add_member(member, scene.party, who=stranger.name, role="Psychologist")
    with pytest.raises(Invalid):
        team.add_member(member, scene.party, who=stranger.name, role="Psychologist")
    facts.add_fact(stranger, scene.party, kind="ALLERGY", text="Latex")
    [entry] = team.get_record_access(admin, scene.party).members
    assert (entry.role, entry.name) == (
        "Psychologist",
        one(god, "SELECT name FROM users WHERE id = :id", id=stranger.user_id),
    )
    team.remove_member(admin, scene.party, member=entry.id)
    with pytest.raises(Restricted):
        facts.add_fact(stranger, scene.party, kind="ALLERGY", text="Wool")
    with pytest.raises(NotFound):
        team.remove_member(admin, scene.party, member=entry.id)
    for nobody in ("user:999999999", "provider:x", "robot:1", "user:"):
        with pytest.raises(Invalid):
            team.add_member(admin, scene.party, who=nobody, role="Nurse")
    with pytest.raises(Forbidden):
        team.add_member(admin, scene.party, who=admin.name, role="Curious")


def test_lists_of_restricted_patients_cost_one_statement_more_however_many(
    god: Actor, stranger: Actor, statements: Callable[[], object]
) -> None:
    def counted() -> int:
        with statements() as seen:
            board.get_board(stranger)
        return len(seen)

    make.an_episode(god)
    plain = counted()
    for _ in range(5):
        confidentiality.restrict(god, make.an_episode(god).party_locator, reason="Private")
    assert counted() == plain + 1
