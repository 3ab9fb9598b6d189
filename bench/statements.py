"""Recording the statements a request runs, and running the same ones again without the application."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from psycopg import Connection
from sqlalchemy import Engine, event

from careapp import commands, tenancy

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
SHORTEST_VALUE = 8  # characters; a shorter value would be found in texts by chance

Values = dict[str, Any]


@dataclass(frozen=True)
class Statement:
    """One statement as it went to the driver, with the rows it returned."""

    sql: str
    parameters: Values
    rows: list[tuple[Any, ...]]


@dataclass
class Recording:
    """The statements of one request inside its command or query, in order, and before them those of authentication."""

    statements: list[Statement] = field(default_factory=list)
    asked: list[Statement] = field(default_factory=list)
    tenant_id: int | None = None

    @property
    def authentication(self) -> int:
        """How many statements found out who was asking."""
        return len(self.asked)

    @property
    def count(self) -> int:
        """How many statements the command or query ran, without BEGIN, COMMIT and savepoints, which no cursor sends."""
        return len(self.statements)


@contextmanager
def recording(engine: Engine) -> Iterator[Recording]:
    """Record what the engine sends in this block. What runs outside a command or query is authentication's."""
    found = Recording()

    def keep(connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:
        if not in_command():
            found.asked.append(Statement(sql, dict(parameters or {}), []))
            return
        rows = cursor.fetchall() if cursor.description else []
        if rows:
            cursor.scroll(0, mode="absolute")  # the application reads them after us
        found.tenant_id = commands.current_unit().actor.tenant_id
        found.statements.append(Statement(sql, dict(parameters or {}), rows))

    event.listen(engine, "after_cursor_execute", keep)
    try:
        yield found
    finally:
        event.remove(engine, "after_cursor_execute", keep)


def in_command() -> bool:
    """Whether a command's or query's transaction is running."""
    try:
        commands.current_unit()
    except RuntimeError:
        return False
    return True


@dataclass(frozen=True)
class Source:
    """Where a parameter's value comes from when a statement is run again."""

    kind: str  # same, input, column, uuid, now, list, text
    value: Any = None

    def fill(self, inputs: Values, results: list[list[tuple[Any, ...]]]) -> Any:
        """The value for one run. `results` are the rows of the statements before."""
        match self.kind:
            case "input":
                return inputs[self.value]
            case "column":
                statement, column = self.value
                return results[statement][0][column]
            case "uuid":
                return str(uuid4())
            case "now":
                return datetime.now(UTC)
            case "list":
                return [source.fill(inputs, results) for source in self.value]
            case "text":
                return "".join(source.fill(inputs, results) for source in self.value)
        return self.value


@dataclass(frozen=True)
class Plan:
    """Statements to run again in one transaction of a tenant, each with where its parameters come from.

    `asked` are authentication's, which come first, with the parameters they were recorded with; none if left out.
    """

    tenant_id: int | None
    steps: list[tuple[str, dict[str, Source]]]
    asked: list[tuple[str, Values]] = field(default_factory=list)


def plan_of(
    first: Recording, inputs: Values, second: Recording, other_inputs: Values, *, authenticated: bool = True
) -> Plan:
    """How to run the statements of two recordings again with new inputs; if `authenticated`, authentication's as well.

    Raises ValueError when the two requests did not run the same statements.
    """
    if [statement.sql for statement in first.statements] != [statement.sql for statement in second.statements]:
        raise ValueError("two requests of one kind ran different statements")
    asked = [(one.sql, one.parameters) for one in second.asked]  # the first also takes its share of a minute's requests
    plan = Plan(first.tenant_id, [], asked if authenticated else [])
    for position, (one, other) in enumerate(zip(first.statements, second.statements, strict=True)):
        known = _known(first.statements[:position], inputs), _known(second.statements[:position], other_inputs)
        sources = {name: _source(one.parameters[name], other.parameters[name], *known) for name in one.parameters}
        plan.steps.append((one.sql, sources))
    return plan


def run(connection: Connection[Any], plan: Plan, inputs: Values) -> list[list[tuple[Any, ...]]]:
    """Run a plan in one transaction and return each statement's rows."""
    results: list[list[tuple[Any, ...]]] = []
    connection.pgconn.exec_(b"; ".join(tenancy.opening(plan.tenant_id)))  # as the application's transactions begin
    for sql, parameters in plan.asked:
        connection.execute(sql, parameters).fetchall()
    for sql, sources in plan.steps:
        cursor = connection.execute(sql, {name: source.fill(inputs, results) for name, source in sources.items()})
        results.append(cursor.fetchall() if cursor.description else [])
    connection.commit()
    return results


def _known(before: list[Statement], inputs: Values) -> list[tuple[Source, Any]]:
    """Every value a parameter may have come from: the request's own first, then what earlier statements returned."""
    found = [(Source("input", name), value) for name, value in inputs.items()]
    for position, statement in enumerate(before):
        if len(statement.rows) == 1:
            found += [(Source("column", (position, at)), value) for at, value in enumerate(statement.rows[0])]
    return found


def _source(one: Any, other: Any, known: list[tuple[Source, Any]], other_known: list[tuple[Source, Any]]) -> Source:
    """Where a parameter comes from that was `one` in the first request and `other` in the second."""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return Source("list", [_source(left, right, known, other_known) for left, right in pairs])
    if type(one) is type(other) and one == other:
        return Source("same", one)
    there = dict(other_known)
    for source, value in known:
        if type(value) is type(one) and value == one and there.get(source) == other:
            return source
    if isinstance(one, datetime):
        return Source("now")
    return _text(one, known) if isinstance(one, str) else Source("same", one)


def _text(text: str, known: list[tuple[Source, Any]]) -> Source:
    """A text, such as an event in JSON, with the known values and the UUIDs in it replaced; the rest stays."""
    values = {value: source for source, value in known if isinstance(value, str) and len(value) >= SHORTEST_VALUE}
    found = re.compile("|".join(["(" + UUID, *map(re.escape, values)]) + ")")
    parts = [part for part in found.split(text) if part]
    pieces = [values.get(part) or Source("uuid" if re.fullmatch(UUID, part) else "same", part) for part in parts]
    return pieces[0] if len(pieces) == 1 else Source("text", pieces)
