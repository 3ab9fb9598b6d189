"""Staff as they are named beside a record."""

import pytest
from sqlalchemy import Integer, Text, column, select, values

from careapp import tenancy
from careapp.access import Actor, Role
from careapp.db import db
from careapp.disclosure.people import name_of_actor
from tests import factories as make


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("user:{}", True), ("token:user:{}", False), ("user:{}x", False), ("user: {}", False), ("user:-{}", False),
        ("user:", False), ("user:see", False), ("user:٣", False), ("user:1{:0>30}", False), ("portal", False),
    ],
)  # fmt: skip
def test_only_a_users_number_names_somebody(god: Actor, written: str, known: bool) -> None:
    person = make.a_person(god, Role.CLINICIAN)
    named = values(column("tenant_id", Integer), column("actor", Text), name="named").data(
        [(god.tenant_id, written.format(person.user_id))]
    )
    with tenancy.bound(god.tenant_id):
        found = db.session.scalars(select(name_of_actor(named.c.tenant_id, named.c.actor)).select_from(named)).one()
        db.session.rollback()
    assert found == (person.label if known else None)
