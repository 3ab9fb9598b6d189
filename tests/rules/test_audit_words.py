"""Every act the application writes into the audit log has words for whoever reads it."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from apiflask import APIFlask
from flask_babel import force_locale

from careapp.operations.audit_search import AuditEntry
from careapp.overviews.lifecycles import LIFECYCLES
from careapp.web.admin.audit_words import SENTENCES, actions, sentence
from careapp.web.words import WORDS
from tests.rules.test_code_rules import FILES, source

WRITERS = {"record", "record_read", "AuditRow"}


def written() -> Iterator[str]:
    """The acts that stand in the code as they are, from its syntax."""
    for file in FILES:
        for node in ast.walk(ast.parse(source(file))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in WRITERS and isinstance(node.args[0].value, str):
                    yield node.args[0].value


def test_every_act_has_a_sentence() -> None:
    assert sorted(set(written()) - SENTENCES.keys()) == []


def test_every_move_has_a_word() -> None:
    for lifecycle in LIFECYCLES.values():
        assert {lifecycle.entity, *(move.name for move in lifecycle.transitions)} <= WORDS.keys()


@pytest.mark.parametrize("outcome", ["done", "seen", "refused"])
def test_every_sentence_can_be_told(app: APIFlask, outcome: str) -> None:
    with force_locale("en"):
        codes = [*dict(actions()), "episode.open", "something.new", "POST /patients repeated", "get_episode"]
        for code in codes:
            for subject in (None, "EPI-2026-000042", "user:7"):
                entry = AuditEntry(
                    id=1, at=datetime(2026, 11, 21, tzinfo=UTC), actor="user:7", on_behalf_of=None,
                    purpose="TREAT", action=code,
                    outcome=outcome, subject=subject, patients=(), request_id=None, detail={},
                )  # fmt: skip
                told = sentence(entry, {7: "Ma <Hla>"})
                assert "%(" not in told
                assert "<Hla>" not in told
