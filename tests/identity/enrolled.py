"""People with second factors, for tests: an actor of a user, and how his app and his key come to be in use."""

import re
import time as seconds

import pyotp

from careapp.access import Actor, Role
from careapp.identity import challenges, passkeys, totp
from careapp.identity.actors import actor_of_email
from careapp.identity.passkeys import Site
from tests.identity.authenticator import HERE, Authenticator
from tests.identity.people import a_user

NO_SESSION = 0
SOON = 3  # seconds: longer than a code takes from here to where it is looked at
CODE = re.compile(r"<li><code>([^<]+)</code>")  # a recovery code on the page that shows them


def somebody(admin: Actor, *roles: Role) -> tuple[Actor, str]:
    """A new member of staff, as he acts himself, and his e-mail address."""
    user = a_user(admin, *roles)
    actor = actor_of_email(user.email)
    assert actor
    return actor, user.email


def with_app(actor: Actor, *, session_id: int = NO_SESSION) -> pyotp.TOTP:
    """An authenticator app in use: enrolled with an earlier code, so that the present one is still good."""
    totp.begin(actor)
    waiting = totp.pending(actor)
    assert waiting
    app = pyotp.TOTP(waiting.secret.replace(" ", ""))
    totp.confirm(actor, session_id=session_id, code=code_before(app))
    return app


def code_before(app: pyotp.TOTP) -> str:
    """The code before the present one, which holds until the next one comes; where that is soon, it is waited for."""
    left = app.interval - seconds.time() % app.interval
    if left < SOON:
        seconds.sleep(left)
    return app.at(int(seconds.time()) - app.interval)


def with_passkey(
    actor: Actor, device: Authenticator | None = None, *, site: Site = HERE, session_id: int = NO_SESSION
) -> Authenticator:
    """A passkey in use."""
    device = device or Authenticator(site)
    options = passkeys.registration_options(actor, site=site, challenge=challenges.give("browser", passkeys.REGISTER))
    passkeys.register(
        actor, session_id=session_id, site=site, challenge=challenges.take("browser", passkeys.REGISTER),
        answer=device.made(options), name="Phone",
    )  # fmt: skip
    return device
