"""A tenant with at least one row in every table, and the means to copy such rows into another tenant."""

from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from careapp.access import Actor
from tests import factories as make
from tests.looking import execute, id_of

Row = dict[str, Any]
Connection = psycopg.Connection[Row]


# What the app role may only read, and how somebody else comes to write it.
BY_OTHERS = (
    "INSERT INTO audit_seal (tenant_id, n, version, chain, after_id, xid_from, xid_to, sealed_at, ids, digests, prev,"
    " hash) VALUES (%(tenant)s, 1, 1, 1, 0, '0', '9', now(), '{}', '{}', '', sha256('x'))",
    "INSERT INTO audit_retired (tenant_id, part, until, ids, rows, hash, retired_by)"
    " VALUES (%(tenant)s, 'audit_event_2016_01', now(), '{}', 0, '', 'x')",
    "INSERT INTO outbox_sent (tenant_id, id, event_id, topic, key, sequence, envelope, created_at, published_at)"
    " VALUES (%(tenant)s, 0, gen_random_uuid(), 'care.episode.opened', 'EPI-2016-000001', 1, '{}', now(), now())",
)


def fill(actor: Actor) -> None:
    """Make a row in every table. A new table that no command below fills wants a line here."""
    clinic = make.a_clinic(actor)
    provider = make.a_provider(actor, npi="1234567893", clinic_locators=[clinic.locator])
    episode = make.an_episode(actor)
    make.an_appointment(actor, episode, make.a_slot(actor, provider, clinic=clinic), reason="Cough")
    make.a_prescription(actor, episode)
    make.a_referral(actor, episode)
    ids = {
        "tenant": actor.tenant_id,
        "patient": id_of(actor, "patients", episode.party_locator),
        "clinic": id_of(actor, "clinics", clinic.locator),
        "provider": id_of(actor, "providers", provider.locator),
    }
    for statement in (
        "INSERT INTO patient_facts (tenant_id, patient_id, kind, text)"
        " VALUES (:tenant, :patient, 'ALLERGY', 'Penicillin')",
        "INSERT INTO patient_keys VALUES (:tenant, 'PHONE', '95550101', :patient)",
        "INSERT INTO users (tenant_id, email, name, password_hash, roles, provider_id)"
        " VALUES (:tenant, 'a@b.example', 'A', '-', '{admin}', :provider)",
        "INSERT INTO user_clinics SELECT :tenant, id, :clinic FROM users",
        "INSERT INTO federated_identities (tenant_id, issuer, subject, user_id)"
        " SELECT :tenant, 'https://id.example', 'someone', id FROM users",
        "INSERT INTO user_session (tenant_id, sid_hash, user_id) SELECT :tenant, '\\x01', id FROM users",
        "INSERT INTO totp_factors (tenant_id, user_id) SELECT :tenant, id FROM users",
        "INSERT INTO recovery_codes (tenant_id, user_id, code_hash) SELECT :tenant, id, '\\x01' FROM users",
        "INSERT INTO passkeys (tenant_id, user_id, credential_id, public_key, name, sign_count, backup_eligible,"
        " backed_up) SELECT :tenant, id, '\\x01', '\\x02', 'Phone', 0, false, false FROM users",
        "INSERT INTO half_sessions (tenant_id, user_id, token_hash, user_version)"
        " SELECT :tenant, id, '\\x01', 1 FROM users",
        "INSERT INTO form_drafts (tenant_id, user_id, address, fields)"
        " SELECT :tenant, id, '/patients/new', '[]' FROM users",
        "INSERT INTO prescription_favourites (tenant_id, user_id, medication_text, dosage, fingerprint)"
        " SELECT :tenant, id, 'Ointment', 'thinly', 'f' FROM users",
        "INSERT INTO service_clients (tenant_id, client_id, name, roles, scopes, secret_hash, secret_made_at)"
        " VALUES (:tenant, 'c.1', 'Lab', '{clinician}', '{}', '\\x01', now())",
        "INSERT INTO internal_nonces (tenant_id, nonce) VALUES (:tenant, 'n')",
        "INSERT INTO care_team_members (tenant_id, patient_id, provider_id, role, added_by)"
        " VALUES (:tenant, :patient, :provider, 'Nurse', 'user:1')",
        "INSERT INTO consent_directives (tenant_id, patient_id, scope, decision, recorded_by)"
        " VALUES (:tenant, :patient, 'PORTAL_SHARING', 'DENY', 'user:1')",
        "INSERT INTO emergency_accesses (tenant_id, patient_id, user_id, reason, ends_at)"
        " SELECT :tenant, :patient, id, 'Found unconscious', now() + interval '1 hour' FROM users",
        "INSERT INTO legal_holds (tenant_id, patient_id, reason, set_by) VALUES (:tenant, :patient, 'Suit', 'test')",
        "INSERT INTO patient_erasures (tenant_id, patient_id, category, reason, erased_by)"
        " VALUES (:tenant, :patient, 'PATIENT_REQUEST', 'Asked', 'test')",
        "INSERT INTO imported_records (tenant_id, resource_type, source_id) VALUES (:tenant, 'Patient', '1')",
        "INSERT INTO idempotency_key (tenant_id, principal, route, key, request_hash)"
        " VALUES (:tenant, 'p', 'r', 'k', 'h')",
    ):
        execute(actor, statement, **{name: value for name, value in ids.items() if f":{name}" in statement})


def connect(address: str, tenant_id: int) -> Connection:
    """A connection as the role of the address, bound to a tenant until its transaction ends."""
    connection = psycopg.connect(address, row_factory=dict_row)
    connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(tenant_id)])
    return connection


def insertable(connection: Connection, table: str) -> list[str]:
    """The columns that the connected role may give a value to."""
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attidentity = '' AND attgenerated = '' AND has_column_privilege(attrelid, attnum, 'INSERT')"
        " ORDER BY attnum",
        [f"care.{table}"],
    )
    return [row["attname"] for row in found]


def key_columns(connection: Connection, table: str) -> list[str]:
    """The columns of the primary key."""
    found = connection.execute(
        "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)"
        " WHERE indrelid = %s::regclass AND indisprimary",
        [f"care.{table}"],
    )
    return [row["attname"] for row in found]


def references(connection: Connection, table: str) -> dict[str, str]:
    """The foreign keys as column and the table it leads to; each is (tenant_id, column) to (tenant_id, id)."""
    found = connection.execute(
        "SELECT attname, confrelid::regclass::text AS parent FROM pg_constraint"
        " JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[2]"
        " WHERE contype = 'f' AND conrelid = %s::regclass",
        [f"care.{table}"],
    )
    return {row["attname"]: row["parent"] for row in found}


def insert(connection: Connection, table: str, row: Row) -> Row:
    """Insert the row's insertable columns; returns its primary key."""
    columns = [column for column in insertable(connection, table) if column in row]
    if not columns:
        connection.execute(sql.SQL("INSERT INTO {} DEFAULT VALUES").format(sql.Identifier(table)))  # is refused
    statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) RETURNING {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
        sql.SQL(", ").join(map(sql.Identifier, key_columns(connection, table))),
    )
    values = [Jsonb(row[c]) if is_document(row[c]) else row[c] for c in columns]
    [key] = connection.execute(statement, values).fetchall()
    return key


def is_document(value: Any) -> bool:
    """Whether a value came out of a jsonb column: an object, or a list that is not one of plain text."""
    return isinstance(value, dict) or (isinstance(value, list) and not all(isinstance(item, str) for item in value))
