"""The clients: threads that act like other systems and like a front desk, and keep trying as real ones do."""

import http.client
import json
import random
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from chaos.history import DONE, REFUSED, Intent, Try
from chaos.wire import AGAIN, FORM, Wire, said, wrong_page

GIVES_UP = 90.0  # seconds a client goes on trying for, faults and all
CSRF = re.compile(r'name="csrf_token" value="([^"]+)"')
MOST_EPISODES = 8


@dataclass(frozen=True)
class Clinic:
    """What a client knows of its tenant: a token, whom and what it may book, and how somebody signs in."""

    key: str
    token: str
    patients: list[str]
    slots: list[str]
    provider: str
    email: str
    password: str


@dataclass
class Book:
    """What a client believes of its own episodes and appointments."""

    episodes: dict[str, dict[str, str]] = field(default_factory=dict)  # episode -> appointment -> status
    versions: dict[str, int] = field(default_factory=dict)


class Client(threading.Thread):
    """One client with dice of its own. `stop()` lets it finish what it has under way, and no more."""

    def __init__(self, number: int, seed: int, port: int, clinic: Clinic) -> None:
        super().__init__(name=f"client {number}", daemon=True)
        self.history: list[Intent] = []
        self.failure: BaseException | None = None
        self._number, self._clinic, self._wire = number, clinic, Wire(port)
        self._dice = random.Random(f"{seed}/{number}")
        self._book = Book()
        self._over = threading.Event()
        self._cookie: dict[str, str] = {}

    def run(self) -> None:
        """Act until told to stop."""
        acts: list[tuple[int, Callable[[], None]]] = [
            (3, self._open), (8, self._book_one), (2, self._move), (3, self._arrive), (2, self._attend),
            (3, self._cancel), (2, self._undo), (2, self._prescribe), (1, self._end), (1, self._page),
        ]  # fmt: skip
        weights, choices = [weight for weight, _ in acts], [act for _, act in acts]
        try:
            while not self._over.is_set():
                self._dice.choices(choices, weights)[0]()
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._wire.close()

    def stop(self) -> None:
        """Begin nothing more."""
        self._over.set()

    def _open(self) -> None:
        if len(self._book.episodes) >= MOST_EPISODES:
            return
        body = {"partyLocator": self._dice.choice(self._clinic.patients), "careType": "GP"}
        made = self._do("open", "POST", "/episodes", body)
        if made.outcome == DONE:
            self._book.episodes[made.answer["locator"]] = {}

    def _book_one(self) -> None:
        if not self._book.episodes:
            return self._open()
        episode = self._dice.choice(list(self._book.episodes))
        made = self._do(
            "book", "POST", f"/episodes/{episode}/appointments", {"slotLocator": self._dice.choice(self._clinic.slots)}
        )
        self._learn(episode, made)
        return None

    def _change(self, kind: str, wanted: tuple[str, ...], action: str, **body: Any) -> None:
        """One move of an appointment of ours that is in one of the wanted states."""
        found = [(e, a) for e, own in self._book.episodes.items() for a, status in own.items() if status in wanted]
        if not found:
            return
        episode, appointment = self._dice.choice(found)
        version = self._book.versions[appointment]
        changed = self._do(kind, "PATCH", f"/appointments/{appointment}/{action}", {"version": version, **body})
        if changed.outcome == DONE:
            self._learn(episode, changed)
        else:
            self._look(episode, appointment)

    def _move(self) -> None:
        slot = self._dice.choice(self._clinic.slots)
        self._change("move", ("PENDING", "BOOKED"), "reschedule", slotLocator=slot)

    def _arrive(self) -> None:
        self._change("arrive", ("PENDING", "BOOKED"), "arrive")

    def _attend(self) -> None:
        self._change("attend", ("ARRIVED",), "attend")

    def _cancel(self) -> None:
        self._change("cancel", ("PENDING", "BOOKED", "ARRIVED"), "cancel", category="PATIENT")

    def _undo(self) -> None:
        self._change("undo", ("ARRIVED", "ATTENDED", "CANCELLED"), "undo")

    def _prescribe(self) -> None:
        if self._book.episodes:
            episode = self._dice.choice(list(self._book.episodes))
            body = {"medication": {"text": "Paracetamol 500 mg"}, "providerLocator": self._clinic.provider}
            self._do("prescribe", "POST", f"/episodes/{episode}/prescriptions", body, numbered="dosage")

    def _end(self) -> None:
        """Close an episode where nothing is open in it, else cancel it."""
        if len(self._book.episodes) < MOST_EPISODES // 2:
            return
        episode = self._dice.choice(list(self._book.episodes))
        if self._dice.random() < 0.5:
            ended = self._do("close", "PATCH", f"/episodes/{episode}/close", {}, numbered="summary")
        else:
            ended = self._do("end", "PATCH", f"/episodes/{episode}/cancel", {})
        if ended.outcome != REFUSED:
            del self._book.episodes[episode]

    def _page(self) -> None:
        """Cancel an appointment by the form of a page, as the front desk does; signs in first where need be."""
        found = [
            (e, a)
            for e, own in self._book.episodes.items()
            for a, status in own.items()
            if status in ("PENDING", "BOOKED")
        ]
        token = self._form_token() if found else None
        if token is None:
            return
        episode, appointment = self._dice.choice(found)
        intent = self._intent("page", "POST", f"/appointments/{appointment}/cancel", {})
        intent.body["reason"] = intent.number
        form = {
            "csrf_token": token, "version": str(self._book.versions[appointment]), "reason": intent.number,
            "category": "CLINIC",
        }  # fmt: skip
        status, headers, _ = self._try(intent, urlencode(form).encode(), {**self._desk(), **FORM}, page=True)
        if status == 303 and "/sign-in" not in headers.get("Location", ""):
            intent.outcome = DONE
        elif 400 <= status < 500:
            intent.outcome = REFUSED
        self._look(episode, appointment)

    def _form_token(self) -> str | None:
        """The token of the forms of this session; None where signing in did not work out this time."""
        status, body = self._page_of("/patients")
        if status == 303:
            status, body = self._sign_in()
        found = CSRF.search(body.decode(errors="replace"))
        return found[1] if status == 200 and found else None

    def _sign_in(self) -> tuple[int, bytes]:
        status, body = self._page_of("/sign-in")
        token = CSRF.search(body.decode(errors="replace"))
        if status != 200 or token is None:
            return status, b""
        form = {"csrf_token": token[1], "email": self._clinic.email, "password": self._clinic.password}
        intent = self._intent("look", "POST", "/sign-in", {})
        intent.outcome = DONE
        _, headers, _ = self._try(intent, urlencode(form).encode(), {**self._desk(), **FORM}, page=True)
        self._remember(headers)
        return self._page_of("/patients")

    def _page_of(self, path: str) -> tuple[int, bytes]:
        """Look at a page, and keep its cookies."""
        status, headers, body = self._seen(path, self._desk(), page=True)
        self._remember(headers)
        return status, body

    def _seen(self, path: str, headers: dict[str, str], *, page: bool = False) -> tuple[int, Any, bytes]:
        """One look, which enters the history: it may hang or break like anything else. Status 0 without an answer."""
        intent = self._intent("look", "GET", path, {})
        intent.outcome = DONE
        return self._try(intent, None, headers, page=page)

    def _desk(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookie.items())}

    def _remember(self, headers: Any) -> None:
        for line in (headers.get_all("Set-Cookie") if headers else None) or ():
            name, _, value = line.partition(";")[0].partition("=")
            self._cookie[name] = value

    def _learn(self, episode: str, intent: Intent) -> None:
        if intent.outcome == DONE:
            made = intent.answer
            self._book.episodes[episode][made["locator"]] = made["status"]
            self._book.versions[made["locator"]] = made["version"]

    def _look(self, episode: str, appointment: str) -> None:
        """Ask how an appointment stands, where what was asked for did not come about."""
        status, _, body = self._seen(f"/api/v1/appointments/{appointment}", self._bearer())
        if status == 200:
            found = json.loads(body)
            self._book.episodes[episode][appointment] = found["status"]
            self._book.versions[appointment] = found["version"]

    def _intent(self, kind: str, method: str, path: str, body: dict[str, Any]) -> Intent:
        number = f"n{self._number}-{len(self.history)}"
        intent = Intent(number, self._clinic.key, kind, method, path, body, key=f"key-{self._clinic.key}-{number}")
        self.history.append(intent)
        return intent

    def _do(self, kind: str, method: str, path: str, body: dict[str, Any], numbered: str = "reason") -> Intent:
        """Want something until it is done or refused for good, with the same key each time."""
        intent = self._intent(kind, method, f"/api/v1{path}", body)
        intent.body[numbered] = intent.number
        sent = json.dumps(body).encode()
        headers = {**self._bearer(), "Content-Type": "application/json", "Idempotency-Key": intent.key}
        until = time.monotonic() + GIVES_UP
        while time.monotonic() < until:
            status, _, answer = self._try(intent, sent, headers)
            if 200 <= status < 300:
                intent.outcome, intent.answer = DONE, json.loads(answer)
                break
            if status and status not in AGAIN and status < 500 and intent.tries[-1].code != "BUSY":
                intent.outcome = REFUSED
                break
            time.sleep(self._dice.uniform(0.2, 1.0))
        return intent

    def repeat(self, intent: Intent) -> dict[str, Any]:
        """What an intent that was done is answered when it is sent once more under its key."""
        headers = {**self._bearer(), "Content-Type": "application/json", "Idempotency-Key": intent.key}
        _, _, body = self._wire.ask(intent.method, intent.path, json.dumps(intent.body).encode(), headers)
        answer: dict[str, Any] = json.loads(body)
        return answer

    def _try(
        self, intent: Intent, body: bytes | None, headers: dict[str, str], *, page: bool = False
    ) -> tuple[int, Any, bytes]:
        """One try, which enters the history whatever comes of it."""
        at, began = time.time(), time.monotonic()
        try:
            status, answered, received = self._wire.ask(intent.method, intent.path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            intent.tries.append(Try(at, time.monotonic() - began, 0, type(error).__name__))
            return 0, {}, b""
        code, fault = ("", wrong_page(received)) if page else said(status, answered, received)
        number = answered.get("X-Request-Id", "")
        intent.tries.append(Try(at, time.monotonic() - began, status, code, fault, number))
        return status, answered, received

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._clinic.token}"}
