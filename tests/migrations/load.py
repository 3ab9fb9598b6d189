"""Somebody who books and cancels without end through one server, and remembers every answer."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

Answers = list[tuple[str, int]]


class Desk(threading.Thread):
    """One desk with its own provider and patient; `answers` are what was done and the status it was answered with."""

    def __init__(self, address: str, token: str, number: int) -> None:
        super().__init__(daemon=True)
        self.answers: Answers = []
        self.booked: list[str] = []
        self.over = threading.Event()
        self.failed: BaseException | None = None
        self._number = number
        self._client = httpx.Client(
            base_url=f"{address}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def run(self) -> None:
        """Work until told that it is over."""
        try:
            with self._client:
                self._set_up()
                hour = 1
                while not self.over.is_set():
                    self._one_visit(hour)
                    hour += 1
        except BaseException as error:
            self.failed = error

    def finish(self) -> None:
        """Stop, and raise what went wrong in the thread."""
        self.over.set()
        self.join(60)
        assert not self.is_alive()
        if self.failed:
            raise self.failed

    def _set_up(self) -> None:
        provider = self.done("POST", "/providers", {"name": f"Dr Moving {self._number}", "specialty": "CARDIOLOGY"})
        self.done("PATCH", f"/providers/{provider['locator']}/activate", {"version": provider["version"]})
        name = {"family": f"Moving{self._number}", "given": ["Daw"]}
        patient = self.done("POST", "/patients", {"name": name, "birthDate": "1980-01-01", "gender": "female"})
        self._provider, self._patient = provider["locator"], patient["locator"]

    def _one_visit(self, hour: int) -> None:
        """A slot, an episode, an appointment; every second one is cancelled again."""
        start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=hour)
        times = {"start": start.isoformat(), "end": (start + timedelta(minutes=20)).isoformat()}
        slot = self.done("POST", f"/providers/{self._provider}/slots", times)
        episode = self.done("POST", "/episodes", {"partyLocator": self._patient, "careType": "GP"})
        if not slot or not episode:
            return
        made = self.done("POST", f"/episodes/{episode['locator']}/appointments", {"slotLocator": slot["locator"]})
        if made and hour % 2:
            self.done("PATCH", f"/appointments/{made['locator']}/cancel", {"reason": "moved"})
        elif made:
            self.booked.append(made["locator"])

    def done(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """One request; the body of a good answer, else nothing."""
        answer = self._client.request(method, path, json=body)
        self.answers.append((f"{method} {path.split('/')[1]}", answer.status_code))
        found: dict[str, Any] = answer.json() if answer.status_code < 300 else {}
        return found
