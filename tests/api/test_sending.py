"""How answers are handed to the server: whole where they are, with what is to be done at their end."""

from collections.abc import Iterator
from typing import Any

import pytest
from apiflask import APIFlask
from flask import Response
from werkzeug.test import EnvironBuilder

from careapp.surface.sending import WholeResponse


def handed_over(application: Any, path: str = "/healthz", method: str = "GET") -> Any:
    """What a server gets for the body."""
    return application(EnvironBuilder(path, method=method).get_environ(), lambda status, headers: None)


@pytest.mark.parametrize("path", ["/healthz", "/api/v1/episodes", "/sign-in", "/static/app.css", "/nowhere"])
def test_an_answer_is_a_list(app: APIFlask, path: str) -> None:
    body = handed_over(app, path)
    assert type(body) is list
    assert b"".join(body)


def test_an_answer_without_a_body_is_an_empty_list(app: APIFlask) -> None:
    assert handed_over(app, "/healthz", "HEAD") == []


def test_a_body_that_is_still_to_come_is_no_list() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"one"
        raise AssertionError("asked for more than the first")

    body = handed_over(WholeResponse(pieces()))
    assert next(iter(body)) == b"one"


def test_what_is_to_be_done_at_the_end_is_done_once() -> None:
    done: list[str] = []
    answer = WholeResponse(b"all")
    answer.call_on_close(lambda: done.append("closed"))
    assert (handed_over(answer), done) == ([b"all"], ["closed"])


def test_an_answer_of_flask_itself_becomes_one(app: APIFlask) -> None:
    with app.test_request_context("/"):
        assert type(app.make_response(Response("text"))) is WholeResponse
