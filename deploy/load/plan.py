"""The load plan for locust: who uses a clinic at once, what each of them does, and what is good enough.

`make load` runs it (docs/operations/load.md). The shares are those of the clinic the requirements describe: the front
desk and clinicians with pages, the member portal with internal routes, other systems that book by the API.
"""

import os
import random
import re
from collections.abc import Set
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from locust import HttpUser, between, events, task

from careapp.signing import signed_headers
from deploy.load.forms import Form, read
from deploy.load.verdict import judge

TENANT, KEY_ID, SECRET = (os.environ.get("LOAD_INTERNAL_KEY", "") + "::").split(":")[:3]
TOKEN = os.environ.get("LOAD_TOKEN", "")
PASSWORD = os.environ.get("LOAD_PASSWORD", "")
FRONT_DESK, CLINICIAN = os.environ.get("LOAD_FRONT_DESK", ""), os.environ.get("LOAD_CLINICIAN", "")
LETTERS = "abdehklmnostuy"


class Person(HttpUser):
    """Somebody in a browser: signs in once, then reads and presses."""

    abstract = True
    wait_time = between(2, 8)
    email = ""

    def on_start(self) -> None:
        """Sign in as the page asks for it."""
        form = self.forms("/sign-in", "/sign-in")[0]
        values = form.values | {"email": self.email, "password": PASSWORD}
        with self.client.post("/sign-in", values, name="sign in", catch_response=True) as answer:
            if "/sign-in" in answer.url or answer.status_code != 200:
                answer.failure(f"sign-in ended at {answer.url} with {answer.status_code}")

    def page(self, address: str, name: str) -> str:
        """The text of a page."""
        return str(self.client.get(address, name=name).text)

    def forms(self, address: str, action: str, name: str = "") -> list[Form]:
        """The forms of a page whose action begins like this, which is also the page's name if it has no other."""
        return [one for one in read(self.page(address, name or action))[0] if one.action.startswith(action)]

    def links(self, address: str, name: str, pattern: str, of_class: str = "") -> list[str]:
        """Where a page leads that matches, by links of a class where one is named."""
        return [one for one in read(self.page(address, name), of_class)[1] if re.search(pattern, one)]

    def press(self, action: str, values: dict[str, str], name: str) -> str:
        """Send a form; that somebody else was quicker is no failure."""
        with self.client.post(action, values, name=name, catch_response=True) as answer:
            if answer.status_code in (200, 409):
                answer.success()
            return str(answer.text)

    def take_back(self, page: str, pattern: str, name: str, before: Set[str] = frozenset()) -> None:
        """Send the form of a page that matches and was not there before, so that a run leaves little behind."""
        forms = [one for one in read(page)[0] if re.search(pattern, one.action) and one.action not in before]
        for form in forms[:1]:
            self.press(form.action, form.values | {"reason": "Load"}, name)

    def poll(self, address: str, text: str, region: str, name: str) -> None:
        """Ask twice whether the live region of a page has changed, as the page does."""
        version = re.search(rf'id="{region}".*?data-version="([^"]*)"', text, re.S)
        for _ in range(2):
            headers = {"HX-Request": "true", "X-Poll": "1", "X-Seen": version[1] if version else ""}
            self.client.get(address, headers=headers, name=name)


class FrontDesk(Person):
    """Works through the day's list; looks people up; moves are taken back, so that a run leaves the day as it was."""

    weight = 5
    email = FRONT_DESK

    @task(4)
    def look_at_today(self) -> None:
        """Open the list of a clinic, and ask twice whether anything has changed, as the page does."""
        clinics = self.links("/today", "/today", r"^/today\?clinic=")
        if clinics:
            address = random.choice(clinics)
            self.poll(address, self.page(address, "/today of a clinic"), "today-list", "/today poll")

    @task(2)
    def check_somebody_in(self) -> None:
        """Check in whoever is next, and take it back. Another desk may be quicker: 409 is an answer, not a fault."""
        clinics = self.links("/today", "/today", r"^/today\?clinic=")
        if not clinics:
            return
        clinic = re.sub(r"&.*", "", random.choice(clinics))
        waiting = [form for form in read(self.page(f"{clinic}&tab=due", "/today of a clinic"))[0]
                   if re.search(r"/arrive\b", form.action)]  # fmt: skip
        if waiting:
            form = random.choice(waiting[:20])
            self.press(form.action, form.values, "/today check in")
            here = self.page(f"{clinic}&tab=arrived", "/today of a clinic")
            self.take_back(here, re.escape(form.action.partition("/arrive")[0] + "/undo"), "/today undo")

    @task(3)
    def look_for_a_time(self) -> None:
        """The calendar, and the booking page of a free time; of one that is taken or over the day has links as well."""
        free = self.links("/calendar", "/calendar", r"^/slots/[^/]+/book", "slot-free")
        if free:
            self.page(random.choice(free), "/slots/{slot}/book")

    @task(3)
    def look_somebody_up(self) -> None:
        """Search by the beginning of a name."""
        form = self.forms("/patients", "/patients")[0]
        values = form.values | {"q": random.choice(LETTERS) + random.choice(LETTERS)}
        self.client.post("/patients", values, name="/patients search")

    @task(1)
    def register_somebody(self) -> None:
        """A patient nobody else is like, and his first episode, which is cancelled; the patient stays."""
        form = self.forms("/patients/new", "/patients/new")[0]
        who = {"family": "".join(random.choices(LETTERS, k=12)), "given": "Load"}
        patient = self.press(form.action, form.values | who, "/patients/new register")
        for address in [link for link in read(patient)[1] if link.startswith("/episodes/new?party=")][:1]:
            form = self.forms(address, "/episodes/new")[0]
            episode = self.press(form.action, form.values | {"care_type": "GP", "reason": "Load"}, "/episodes/new open")
            self.take_back(episode, r"^/episodes/[^/]+/cancel", "/episodes/{episode}/cancel")


class Clinician(Person):
    """The board, an episode, the patient behind it; prescribes and refers, and takes both back."""

    weight = 3
    email = CLINICIAN

    @task(4)
    def go_through_an_episode(self) -> None:
        """From the board into an episode, and from there to its patient."""
        if episode := self.some_episode():
            patients = self.links(episode, "/episodes/{episode}", r"^/patients/PTY-[-\d]+$")
            if patients:
                self.page(patients[0], "/patients/{patient}")

    @task(4)
    def watch_the_board(self) -> None:
        """Open the board, and ask twice whether anything has changed."""
        self.poll("/episodes", self.page("/episodes", "/episodes"), "board", "/episodes poll")

    @task(2)
    def prescribe(self) -> None:
        """Issue a prescription, and void it."""
        what = {"medication": "Load 500 mg tablet", "dosage": "1 tablet a day", "quantity": "7", "looked": "y",
                "override_reason": "Load"}  # fmt: skip
        self.write("prescriptions", what, r"^/prescriptions/[^/]+/void", "/prescriptions/{prescription}/void")

    @task(2)
    def refer(self) -> None:
        """Refer to a laboratory, and cancel the referral."""
        what = {"type": "LAB", "reason": "Load"}
        self.write("referrals", what, r"^/referrals/[^/]+/cancel", "/referrals/{referral}/cancel")

    def write(self, kind: str, what: dict[str, str], undone_by: str, undone: str) -> None:
        """Fill in the form of something new in an episode, send it, and take back what was not there before."""
        if episode := self.some_episode():
            before = {one.action for one in self.forms(episode, "/", "/episodes/{episode}")}
            name = f"/episodes/{{episode}}/{kind}/new"
            form = self.forms(f"{episode}/{kind}/new", f"{episode}/{kind}/new", name)[0]
            if kind == "prescriptions":  # what the checks say is read first: the answer to it is for just that
                read_first = self.press(f"{form.action}/fill", form.values | what | {"press": "show"}, f"{name} fill")
                form = next((one for one in read(read_first)[0] if one.action == form.action), form)
            shown = self.press(form.action, form.values | what, f"{name} send")
            self.take_back(shown, undone_by, undone, before)

    def some_episode(self) -> str | None:
        """An episode of the board."""
        found = self.links("/episodes", "/episodes", r"^/episodes/EPI-[-\d]+$")
        return random.choice(found) if found else None


class Portal(HttpUser):
    """The member portal's server: signed requests under /internal, a quick one after another."""

    weight = 2
    wait_time = between(0.2, 1)

    def on_start(self) -> None:
        """Learn whom to ask about, by the API."""
        self.parties = [one["partyLocator"] for one in some_episodes(self.client)]

    @task
    def ask_for_a_member(self) -> None:
        """A member's episodes, and one of them whole."""
        path = f"/internal/members/{random.choice(self.parties)}/episodes"
        answer = self.client.get(path, headers=self.signed(path), name="/internal/members/{party}/episodes")
        for episode in answer.json()["items"][:1] if answer.ok else []:
            path = f"/internal/episodes/{episode['locator']}"
            self.client.get(path, headers=self.signed(path), name="/internal/episodes/{episode}")

    def signed(self, path: str) -> dict[str, str]:
        """The headers of one request; each has its own number."""
        return signed_headers("GET", path, b"", tenant=TENANT, key_id=KEY_ID, secret=SECRET)


class Booking(HttpUser):
    """Another system that books: what it makes is cancelled again, so that slots do not run out; patients stay."""

    weight = 2
    wait_time = between(0.5, 2)

    def on_start(self) -> None:
        """Learn episodes and providers."""
        self.client.headers["Authorization"] = f"Bearer {TOKEN}"
        self.episodes = [one["locator"] for one in some_episodes(self.client)]
        self.providers = self.some_providers("/api/v1/providers?limit=100", "/api providers")

    def some_providers(self, address: str, name: str) -> list[dict[str, Any]]:
        """Providers that take part in the network."""
        found = self.client.get(address, name=name).json()["items"]
        return [one for one in found if one["networkStatus"] == "ACTIVE"]

    @task(6)
    def book_and_cancel(self) -> None:
        """Look for a provider of a specialty and at a week of his, book, look at it, move it, cancel.

        A slot somebody else took, or a patient elsewhere then, is an answer: 409.
        """
        specialty = quote(random.choice(self.providers)["specialty"])
        of_it = self.some_providers(f"/api/v1/providers?specialty={specialty}", "/api providers by specialty")
        free = self.free_slots(random.choice(of_it)["locator"])
        if len(free) < 2:
            return
        episode, (slot, other) = random.choice(self.episodes), (one["locator"] for one in random.sample(free, 2))
        wanted = {"slotLocator": slot, "reason": "Load"}
        answer = self.change("POST", f"episodes/{episode}/appointments", wanted, "book")
        self.client.get(f"/api/v1/episodes/{episode}/appointments", name="/api appointments of an episode")
        if answer.status_code == 201:
            booked = f"appointments/{answer.json()['locator']}"
            found = self.client.get(f"/api/v1/{booked}", name="/api appointment")
            moved = self.change("PATCH", f"{booked}/reschedule", {"slotLocator": other}, "reschedule", found)
            self.change("PATCH", f"{booked}/cancel", {"reason": "Load"}, "cancel", moved if moved.ok else found)

    @task(1)
    def register_and_open(self) -> None:
        """A patient, and an episode for him, which is cancelled."""
        name = {"family": "".join(random.choices(LETTERS, k=12)), "given": ["Load"]}
        patient = self.change("POST", "patients", {"name": name}, "register")
        if patient.status_code == 201:
            self.client.get(f"/api/v1/patients/{patient.json()['locator']}", name="/api patient")
            begun = {"partyLocator": patient.json()["locator"], "careType": "GP", "reason": "Load"}
            episode = self.change("POST", "episodes", begun, "open")
            if episode.status_code == 201:
                address = f"episodes/{episode.json()['locator']}/cancel"
                self.change("PATCH", address, {"reason": "Load"}, "cancel episode", episode)

    def free_slots(self, provider: str) -> list[dict[str, Any]]:
        """Free slots of a provider in a week that begins on one of the next days."""
        start = datetime.now(UTC) + timedelta(days=random.randint(1, 7))
        query = f"from={quote(start.isoformat())}&to={quote((start + timedelta(days=7)).isoformat())}&status=AVAILABLE"
        slots = self.client.get(f"/api/v1/providers/{provider}/slots?{query}&limit=200", name="/api slots of a week")
        return list(slots.json()["items"]) if slots.ok else []

    def change(self, method: str, path: str, body: dict[str, Any], name: str, seen: Any = None) -> Any:
        """A command, on the version that was `seen`; that somebody else was quicker is no failure."""
        headers = {"If-Match": seen.headers["ETag"]} if seen is not None else {}
        with self.client.request(
            method, f"/api/v1/{path}", json=body, headers=headers, name=f"/api {name}", catch_response=True
        ) as answer:
            if answer.status_code in (200, 201, 409):
                answer.success()
        return answer


def some_episodes(client: Any) -> list[dict[str, Any]]:
    """Open episodes of the tenant."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = client.get("/api/v1/episodes?status=OPEN&limit=200", headers=headers, name="/api episodes")
    answer.raise_for_status()
    return list(answer.json()["items"])


FAULTS: list[str] = []


@events.user_error.add_listener
def remember(exception: Exception, **_: object) -> None:
    """Locust itself only prints what went wrong inside the plan."""
    FAULTS.append(repr(exception))


@events.quitting.add_listener
def tell(environment: Any, **_: object) -> None:
    """Print each threshold with what was measured; the exit status says whether all were kept."""
    environment.process_exit_code = judge(environment.stats, len(FAULTS))
