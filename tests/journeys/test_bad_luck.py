"""Bad luck on purpose: answers that come late or never, scripts that come after the first words were typed. Nothing is
lost, nothing that is over is shown, and no button waits for what nobody has asked for.
"""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Request, Route, expect

from careapp import clock
from careapp.overviews.today import EVERYBODY
from tests import factories as make
from tests.journeys.people import sign_in
from tests.journeys.scene import TEN, Scene
from tests.looking import one

# What ends a request by itself after 30 s does so after 0.3 s.
HASTE = """((own) => Object.defineProperty(XMLHttpRequest.prototype, 'timeout', {
  get() { return own.get.call(this); }, set(ms) { own.set.call(this, ms / 100); },
}))(Object.getOwnPropertyDescriptor(XMLHttpRequest.prototype, 'timeout'))"""


class Held:
    """Requests of one kind, kept back until the test lets them go on."""

    def __init__(self, page: Page, which: Callable[[Request], bool]) -> None:
        self.page, self.routes = page, []
        self._which = which
        page.route("**/*", self._hold)

    def _hold(self, route: Route) -> None:
        if self._which(route.request):
            self.routes.append(route)
        else:
            route.fallback()

    def come(self, count: int = 1) -> None:
        """Wait until so many are held."""
        for _ in range(400):
            if len(self.routes) >= count:
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"{len(self.routes)} of {count} requests have come")

    def go_on(self) -> None:
        """Let them all go on, and those that come later."""
        self._which = lambda request: False
        for route in self.routes:
            route.continue_()


def to(path: str) -> Callable[[Request], bool]:
    """Whether a request is to an address that ends so."""
    return lambda request: bool(re.search(path, request.url))


def somebody_comes(scene: Scene, hours: float = 1) -> str:
    """A visit of today that has just been booked; its locator."""
    with clock.at(TEN):
        slot = make.a_slot(scene.actor, make.a_provider(scene.actor), hours=hours, clinic=scene.clinic)
        return str(make.an_appointment(scene.actor, slot=slot, status="BOOKED").locator)


def polls(request: Request) -> bool:
    """Whether a live region asks by itself."""
    return request.headers.get("x-poll") == "1"


@pytest.fixture
def at_work(scene: Scene, scene_url: str, new_page: Callable[..., Page]) -> Callable[..., Page]:
    """at_work(address) is that page, of somebody with every role; the browser's clock is the test's, if wanted."""

    def begin(address: str, *, stopped: bool = False, script: str = "", logs: tuple[str, ...] = ()) -> Page:
        page = new_page(logs=logs)
        sign_in(page, scene_url, scene.everybody)
        page.on("dialog", lambda dialog: dialog.accept())
        if script:
            page.add_init_script(script)
        if stopped:
            page.clock.install()
        page.goto(scene_url + address)
        return page

    return begin


def test_what_is_typed_before_the_palette_has_come_is_in_it(scene: Scene, at_work: Callable[..., Page]) -> None:
    page = at_work("/episodes")
    held = Held(page, to("/palette$"))
    page.keyboard.press("Control+K")
    held.come()
    page.keyboard.type("My")
    held.go_on()
    field = page.locator("#palette-q")
    expect(field).to_be_focused()
    expect(field).to_have_value("My")
    page.keyboard.type("a")
    expect(field).to_have_value("Mya")
    expect(page.locator("#palette-found")).to_contain_text(scene.patient.locator)


def test_a_palette_closed_before_it_has_come_opens_again(at_work: Callable[..., Page]) -> None:
    page = at_work("/episodes")
    held = Held(page, to("/palette$"))
    page.keyboard.press("Control+K")
    held.come()
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    held.go_on()
    page.keyboard.press("Control+K")
    expect(page.locator("#palette-q")).to_be_focused()


def test_a_press_does_not_wait_for_a_poll_that_hangs(scene: Scene, at_work: Callable[..., Page]) -> None:
    visits = somebody_comes(scene), somebody_comes(scene)
    page = at_work(f"/today?clinic={scene.clinic.locator}&tab=due&provider={EVERYBODY}", stopped=True)
    held = Held(page, polls)
    for press, about in enumerate(visits, 1):
        page.clock.run_for(16_000)
        held.come(press)
        page.locator(f"#today-list #{about}").get_by_role("button", name="Check in").press("Enter")
        expect(page.locator(f"#today-list #{about}")).to_have_count(0)
    expect(page.locator("#alerts")).to_be_empty()  # a poll given up for a press has not failed


def test_what_is_pressed_while_another_press_is_under_way_has_its_turn(
    scene: Scene, at_work: Callable[..., Page]
) -> None:
    visits = [somebody_comes(scene, hours) for hours in (1, 2, 3)]
    page = at_work(f"/today?clinic={scene.clinic.locator}&tab=due&provider={EVERYBODY}")
    held = Held(page, lambda request: request.method == "POST")
    for visit in visits:
        page.locator(f"#today-list #{visit}").get_by_role("button", name="Check in").press("Enter")
    held.come()
    held.go_on()
    for visit in visits:
        expect(page.locator(f"#today-list #{visit}")).to_have_count(0)


def test_a_move_on_the_referral_board_does_not_wait_for_a_poll_that_hangs(
    scene: Scene, at_work: Callable[..., Page]
) -> None:
    with clock.at(TEN):
        referral = make.a_referral(scene.actor, make.an_episode(scene.actor)).locator
    page = at_work("/referrals", stopped=True)
    held = Held(page, polls)
    page.clock.run_for(16_000)
    held.come()
    book = page.locator(f"#column-REFERRED #{referral} details[id$='-book']")
    book.locator("summary").press("Enter")
    book.get_by_label("Where").fill("Central Laboratory")
    book.get_by_role("button").press("Enter")
    expect(page.locator(f"#column-BOOKED #{referral}")).to_have_count(1)


def test_what_is_chosen_while_a_form_is_filled_in_is_in_it(scene: Scene, at_work: Callable[..., Page]) -> None:
    page = at_work(f"/episodes/{scene.episode.locator}/prescriptions/new")
    held = Held(page, to("/fill$"))
    page.get_by_role("button", name="Repeat this").first.click()
    held.come()
    page.get_by_label("Unit").select_option("drop")
    page.locator("summary", has_text="Only when needed").press("Enter")
    page.locator("#as_needed").check()
    held.go_on()
    expect(page.get_by_text("RxNorm 308191")).to_be_visible()
    expect(page.get_by_label("Unit")).to_have_value("drop")
    expect(page.locator("#as_needed")).to_be_checked()


def test_a_draft_waits_for_the_one_before(scene: Scene, at_work: Callable[..., Page]) -> None:
    page = at_work(f"/episodes/{scene.episode.locator}/referrals/new")
    held, texts = Held(page, to("/drafts$")), list[str]()
    page.on("request", lambda request: texts.append(request.post_data or "") if to("/drafts$")(request) else None)
    page.get_by_label("Reason").fill("Ultrasound")
    held.come()
    page.get_by_label("Reason").fill("Ultrasound of the abdomen")
    page.wait_for_timeout(2500)  # in which a second one would be sent
    assert len(texts) == 1
    held.go_on()
    kept = "SELECT count(*) FROM form_drafts WHERE address LIKE '%/referrals/new'"
    for _ in range(200):
        if len(texts) > 1:
            break
        page.wait_for_timeout(50)
    assert "abdomen" in texts[1]
    expect(page.locator("[data-draft-state]")).to_have_text("Draft saved.")
    assert one(scene.actor, kept) == 1


def test_a_click_does_not_press_the_button_that_a_poll_moved_under_it(
    scene: Scene, at_work: Callable[..., Page]
) -> None:
    meant = somebody_comes(scene, hours=6)  # the last of the day, whoever else has come
    page = at_work(f"/today?clinic={scene.clinic.locator}&tab=due&provider={EVERYBODY}", stopped=True)
    place = page.locator(f"#today-list #{meant}").get_by_role("button", name="Check in").bounding_box()
    assert place
    before = somebody_comes(scene, hours=5.5)
    page.clock.run_for(16_000)
    button = page.locator(f"#today-list #{before}").get_by_role("button", name="Check in")
    expect(button).to_be_visible()
    assert button.bounding_box() == place, "where the one was that is meant"
    at = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    page.evaluate("document.addEventListener('submit', () => { document.body.dataset.sent = 1; }, true)")
    page.mouse.click(*at)
    expect(page.locator("body[data-sent]")).to_have_count(0)
    page.clock.run_for(600)
    page.mouse.click(*at)
    expect(page.locator(f"#today-list #{before}")).to_have_count(0)
    states = "SELECT status FROM appointments WHERE locator = :locator"
    assert [one(scene.actor, states, locator=visit) for visit in (before, meant)] == ["ARRIVED", "BOOKED"]


def test_an_answer_from_before_a_press_does_not_undo_it_on_the_screen(
    scene: Scene, at_work: Callable[..., Page]
) -> None:
    with clock.at(TEN):
        episode = make.an_episode(scene.actor)
        slot = make.a_slot(scene.actor, make.a_provider(scene.actor), hours=1, clinic=scene.clinic)
        about = make.an_appointment(scene.actor, episode, slot, status="BOOKED").locator
    page = at_work(f"/episodes/{episode.locator}", stopped=True)
    page.get_by_role("button", name="Check in").press("Enter")
    status = page.locator(f"#open-{about} [data-status]")
    expect(status).to_have_attribute("data-status", "ARRIVED")
    with clock.at(TEN):
        make.a_prescription(scene.actor, episode)  # so that the poll has an answer
    held = Held(page, polls)
    page.clock.run_for(31_000)
    held.come()
    late = held.routes[0].fetch()
    assert "ARRIVED" in late.text()
    page.locator(".note").get_by_role("button", name="Undo").press("Enter")  # stands in the corner, not in the region
    expect(status).to_have_attribute("data-status", "BOOKED")
    page.evaluate("addEventListener('htmx:afterRequest', () => { document.body.dataset.answered = 1; })")
    held.routes[0].fulfill(response=late)
    expect(page.locator("body[data-answered]")).to_have_count(1)
    expect(status).to_have_attribute("data-status", "BOOKED")


def test_a_filter_does_not_wait_for_a_poll_nor_give_way_to_it(scene: Scene, at_work: Callable[..., Page]) -> None:
    page = at_work("/episodes", stopped=True)
    with clock.at(TEN):
        make.an_episode(scene.actor)
    chosen = Held(page, to("care_type=GP"))
    page.get_by_label("Care type").select_option("GP")
    chosen.come()
    polled = Held(page, polls)
    page.clock.run_for(16_000)  # would ask for the board as it was
    chosen.go_on()
    board = page.locator("#board")
    expect(board).to_have_attribute("hx-get", re.compile("care_type=GP"))
    page.clock.run_for(16_000)
    polled.come()
    assert all("care_type=GP" in route.request.url for route in polled.routes)
    page.get_by_label("Care type").select_option("Urgent care")
    expect(board).to_have_attribute("hx-get", re.compile("care_type=URGENT_CARE"))
    expect(page.locator("#alerts")).to_be_empty()


def test_a_region_whose_polls_hang_says_that_it_has_stopped(at_work: Callable[..., Page]) -> None:
    page = at_work("/episodes", stopped=True, script=HASTE, logs=("htmx:timeout",))
    held = Held(page, polls)
    for poll in (1, 2):
        with page.expect_event("requestfailed", polls):
            page.clock.run_for(31_000)
            held.come(poll)
    expect(page.locator("#alerts")).to_contain_text("Live updates have stopped")


def test_a_filter_that_hangs_is_given_up_in_words_and_the_region_goes_on(at_work: Callable[..., Page]) -> None:
    page = at_work("/episodes", stopped=True, script=HASTE, logs=("htmx:timeout",))
    held = Held(page, to("care_type=GP"))
    with page.expect_event("requestfailed", to("care_type=GP")):
        page.get_by_label("Care type").select_option("GP")
        held.come()
    expect(page.locator("#alerts")).not_to_be_empty()
    polled = Held(page, polls)
    page.clock.run_for(31_000)
    polled.come()


def test_what_is_typed_before_the_script_has_come_is_kept_as_a_draft(
    scene: Scene, at_work: Callable[..., Page]
) -> None:
    page = at_work("/episodes")
    scripts = Held(page, to(r"/app[^/]*\.js"))
    page.goto(page.url.replace("/episodes", f"/episodes/{scene.episode.locator}"), wait_until="commit")
    page.get_by_label("Summary").fill("Better since Friday")
    scripts.come()
    scripts.go_on()
    expect(page.locator("#close [data-draft-state]")).to_have_text("Draft saved.")


def test_what_is_typed_before_the_script_has_come_is_looked_for(scene: Scene, at_work: Callable[..., Page]) -> None:
    page = at_work("/episodes")
    scripts = Held(page, to(r"/app[^/]*\.js"))
    page.goto(page.url.replace("/episodes", "/patients"), wait_until="commit")
    page.get_by_role("searchbox").fill("Mya Mya")
    scripts.come()
    scripts.go_on()
    expect(page.locator("#results")).to_contain_text(scene.patient.locator)


def test_what_is_chosen_before_the_script_has_come_is_shown(at_work: Callable[..., Page]) -> None:
    page = at_work("/episodes")
    scripts = Held(page, to(r"/app[^/]*\.js"))
    page.goto(page.url, wait_until="commit")
    page.get_by_label("Care type").select_option("Urgent care")
    scripts.come()
    scripts.go_on()
    expect(page.locator("#board")).to_have_attribute("hx-get", re.compile("care_type=URGENT_CARE"))


def test_a_form_does_not_overtake_its_draft(scene: Scene, at_work: Callable[..., Page]) -> None:
    page = at_work(f"/episodes/{scene.episode.locator}/referrals/new")
    held, order = Held(page, to("/drafts$")), []
    page.on("request", lambda request: order.append("form") if to("referrals/new$")(request) else None)
    page.on("requestfinished", lambda request: order.append("draft") if to("/drafts$")(request) else None)
    page.get_by_label("Kind").select_option("Imaging")
    page.get_by_label("Reason").fill("Ultrasound of the abdomen")
    held.come()
    page.get_by_role("button", name="Make referral").click()
    held.go_on()
    expect(page.locator("#notices")).to_contain_text("The referral is made.")
    assert order == ["draft", "form"]
    assert one(scene.actor, "SELECT count(*) FROM form_drafts WHERE address LIKE '%/referrals/new'") == 0


def test_what_is_typed_while_a_form_is_filled_in_is_in_it(scene: Scene, at_work: Callable[..., Page]) -> None:
    page = at_work(f"/episodes/{scene.episode.locator}/prescriptions/new")
    held = Held(page, to("/fill$"))
    page.get_by_role("button", name="Repeat this").first.click()
    held.come()
    page.get_by_label("Amount each time").fill("2")
    page.get_by_label("For how long").press_sequentially("1")
    held.go_on()
    expect(page.get_by_text("RxNorm 308191")).to_be_visible()
    expect(page.get_by_label("For how long")).to_be_focused()
    page.keyboard.type("4")
    expect(page.get_by_label("Amount each time")).to_have_value("2")
    expect(page.get_by_label("For how long")).to_have_value("14")
