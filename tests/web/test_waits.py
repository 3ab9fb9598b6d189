"""How often a page waits for the database: less often than it has statements, as many are sent at once.

The end of a transaction that wrote nothing is not counted: the driver says it.
"""

import pytest

from careapp.access import Actor
from careapp.db import db
from tests import factories as make
from tests.sending import Sent
from tests.web.conftest import Desk


@pytest.mark.parametrize(
    ("page", "waits"),
    [
        ("/episodes", 4),  # who asks; what can be chosen; counts and cards; that it was read
        ("/referrals", 4),
        ("/episodes/{episode}", 5),  # who asks; mark and episode; five lists; that it was read; a draft
        ("/today?clinic={clinic}", 4),
    ],
)
def test_a_page(god: Actor, doctor: Desk, sent: Sent, page: str, waits: int) -> None:
    clinic = make.a_clinic(god)
    episode = make.an_episode(god)
    make.an_appointment(god, episode, make.a_slot(god, clinic=clinic))
    make.a_referral(god, episode)
    url = page.format(episode=episode.locator, clinic=clinic.locator)
    db.session.remove()
    db.engine.dispose()  # so that both have one connection, on which all is prepared by the first
    doctor.get(url)
    sent.clear()
    doctor.get(url)
    told = "\n".join(" + ".join(words.decode().split("FROM")[0][:60] for words in together) for together in sent)
    assert len(sent) == waits, told
