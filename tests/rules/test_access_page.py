"""docs/security/access.md: it is what the code says, and the code says what the tests of every cell expect."""

from apiflask import APIFlask

from careapp.access import Role
from careapp.cli.access import EVERYBODY, NO, OWN, PAGE, SIGNED_IN, Row, matrix, page
from tests.rules.test_routes import (
    CARE,
    PUBLIC,
    WHO_MAY,
    who_may_open,
    who_may_send,
)
from tests.rules.test_routes import (
    SIGNED_IN as FOR_ANYBODY,
)


def test_the_page_is_what_the_code_says(app: APIFlask) -> None:
    assert PAGE.read_text() == page(app), "run `make docs`"


def test_every_route_stands_in_it_once(app: APIFlask) -> None:
    routes = {(rule.rule, rule.endpoint) for rule in app.url_map.iter_rules()}
    rows = matrix(app)
    assert {(row.address, row.endpoint) for row in rows} == routes
    assert len(rows) == len(list(app.url_map.iter_rules()))


def expected(row: Row) -> set[Role] | None:
    """Who is expected to be let in by the tests that try it over HTTP; None is no question of roles."""
    if row.endpoint in PUBLIC | FOR_ANYBODY or row.part == "internal":
        return None
    if row.part == "api":
        return WHO_MAY.get(row.endpoint, CARE)
    return who_may_open(row.endpoint) if "GET" in row.methods else who_may_send(row.endpoint)


def test_it_says_what_is_tried_over_http(app: APIFlask) -> None:
    for row in matrix(app):
        roles = expected(row)
        if roles is None:
            assert row.others == (EVERYBODY if row.endpoint in PUBLIC else SIGNED_IN if row.part == "" else None), row
            continue
        let_in = {role for role, cell in row.cells.items() if cell != NO}
        own = {role for role, cell in row.cells.items() if cell == OWN}
        assert let_in - own == roles - own, (row.endpoint, row.permission)
        assert own <= {Role.CLINICIAN}
