"""What is measured of a poll: one kind is answered from memory, the other asks the database each time."""

from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import EnvironBuilder

from bench.cases import Credentials, asked_board_polls, board_polls
from careapp.surface.polls import poll_of
from careapp.web.htmx import is_poll


@pytest.mark.parametrize(("polls", "from_memory"), [(board_polls, True), (asked_board_polls, False)])
def test_memory_answers_one_kind_of_poll_alone(app: APIFlask, polls: Any, from_memory: bool) -> None:
    credentials = Credentials("", "", ("session=one", "session=two"), "", mark=lambda: "7")
    requests = polls(None, credentials)
    assert len(requests) == 2
    for request in requests:
        environ = EnvironBuilder(request.path, headers=request.headers).get_environ()
        with app.request_context(environ):
            assert is_poll()
        assert (poll_of(environ) is not None) is from_memory
