"""The load plan for locust: who uses a clinic at once, what each of them does, and what is good enough.

`make load` runs it (docs/operations/load.md). The shares are those of the clinic the requirements describe: the front
desk and clinicians with pages, the member portal with internal routes, other systems that book by the API.
"""

import os
import random
import re
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

    def forms(self, address: str, action: str) -> list[Form]:
        """The forms of a page whose action begins like this."""
        return [one for one in read(self.page(address, action))[0] if one.action.startswith(action)]

    def links(self, address: str, name: str, pattern: str) -> list[str]:
        """Where a page leads that matches."""
        return [one for one in read(self.page(address, name))[1] if re.search(pattern, one)]


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
            text = self.page(address, "/today of a clinic")
            version = re.search(r'id="today-list".*?data-version="([^"]*)"', text, re.S)
            for _ in range(2):
                headers = {"HX-Request": "true", "X-Poll": "1", "X-Seen": version[1] if version else ""}
                self.client.get(address, headers=headers, name="/today poll")

    @task(2)
    def check_somebody_in(self) -> None:
        """Check in whoever is next, and take it back. Another desk may be quicker: 409 is an answer, not a fault."""
        clinics = self.links("/today", "/today", r"^/today\?clinic=")
        if not clinics:
            return
        waiting = [form for form in read(self.page(random.choice(clinics), "/today of a clinic"))[0]
                   if re.search(r"/arrive\b", form.action)]  # fmt: skip
        if waiting:
            form = random.choice(waiting[:20])
            page = self.press(form.action, form.values, "/today check in")
            undo = [one for one in read(page)[0] if one.action == form.action.replace("/arrive", "/undo")]
            if undo:
                self.press(undo[0].action, undo[0].values, "/today undo")

    @task(3)
    def look_for_a_time(self) -> None:
        """The calendar, and the booking page of a free time."""
        free = self.links("/calendar", "/calendar", r"^/slots/[^/]+/book")
        if free:
            self.page(random.choice(free), "/slots/{slot}/book")

    @task(3)
    def look_somebody_up(self) -> None:
        """Search by the beginning of a name."""
        form = self.forms("/patients", "/patients")[0]
        values = form.values | {"q": random.choice(LETTERS) + random.choice(LETTERS)}
        self.client.post("/patients", values, name="/patients search")

    def press(self, action: str, values: dict[str, str], name: str) -> str:
        """Send a form; that somebody else was quicker is no failure."""
        with self.client.post(action, values, name=name, catch_response=True) as answer:
            if answer.status_code in (200, 409):
                answer.success()
            return str(answer.text)


class Clinician(Person):
    """Reads: the board, an episode, the patient behind it, the form of a prescription."""

    weight = 3
    email = CLINICIAN

    @task
    def go_through_an_episode(self) -> None:
        """From the board into an episode, and from there to its patient."""
        episodes = self.links("/episodes", "/episodes", r"^/episodes/EPI-")
        if not episodes:
            return
        episode = random.choice(episodes)
        patients = self.links(episode, "/episodes/{episode}", r"^/patients/PTY-[-\d]+$")
        if patients:
            self.page(patients[0], "/patients/{patient}")
        self.page(f"{episode}/prescriptions/new", "/episodes/{episode}/prescriptions/new")


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
    """Another system that books: a free slot of a provider, and its cancelling, so that slots do not run out."""

    weight = 2
    wait_time = between(0.5, 2)

    def on_start(self) -> None:
        """Learn episodes and providers."""
        self.client.headers["Authorization"] = f"Bearer {TOKEN}"
        self.episodes = [one["locator"] for one in some_episodes(self.client)]
        found = self.client.get("/api/v1/providers?limit=100", name="/api providers").json()["items"]
        self.providers = [one["locator"] for one in found if one["networkStatus"] == "ACTIVE"]

    @task
    def book_and_cancel(self) -> None:
        """Look at a week, book, cancel. A slot somebody else took, or a patient elsewhere then, is an answer: 409."""
        start = datetime.now(UTC) + timedelta(days=random.randint(1, 7))
        query = f"from={quote(start.isoformat())}&to={quote((start + timedelta(days=7)).isoformat())}&status=AVAILABLE"
        provider = random.choice(self.providers)
        slots = self.client.get(f"/api/v1/providers/{provider}/slots?{query}&limit=200", name="/api slots of a week")
        free = slots.json()["items"] if slots.ok else []
        if not free:
            return
        body = {"slotLocator": random.choice(free)["locator"], "reason": "Load"}
        address = f"/api/v1/episodes/{random.choice(self.episodes)}/appointments"
        with self.client.post(address, json=body, name="/api book", catch_response=True) as answer:
            if answer.status_code in (201, 409):
                answer.success()
        if answer.status_code == 201:
            address = f"/api/v1/appointments/{answer.json()['locator']}/cancel"
            self.client.patch(address, json={"reason": "Load"}, name="/api cancel")


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
