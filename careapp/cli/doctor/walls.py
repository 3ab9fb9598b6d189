"""The walls: everything in schema `care` that could let one tenant see another's rows, from the catalogue."""

from typing import Any

import psycopg

from careapp.db import db
from careapp.tenancy import TABLES_WITHOUT_TENANT

Connection = psycopg.Connection[tuple[Any, ...]]

# Tables on which the relay role has a policy of its own: it moves the events and seals the audit of all tenants.
RELAY_TABLES = frozenset({"outbox", "outbox_sent", "audit_event", "audit_patients", "audit_seal", "audit_retired"})
# The one function by which the app role changes what it may not: it blanks the history of who was erased (ADR 17).
LENT = frozenset({"erase_history"})
APPEND_ONLY = ("audit_event", "audit_patients", "audit_seal", "audit_retired", "status_changes")
# Not by the application.
NEVER_DELETED = (
    "care_team_members", "consent_directives", "emergency_accesses", "legal_holds", "patient_erasures",
)  # fmt: skip
DOES = {"SELECT": "read", "INSERT": "write to", "UPDATE": "change rows of", "DELETE": "delete rows of"}
_READ, _ADD, _KEEP, _ALL = "SELECT", "SELECT INSERT", "SELECT INSERT UPDATE", "SELECT INSERT UPDATE DELETE"
# What the migrations gave each role: on most tables, and on those where it is something else. Of the audit log and the
# outbox the app role may write some columns besides.
GIVEN: dict[str, tuple[str, dict[str, str]]] = {
    "care_app": (_ALL, {
        "outbox_shard": "",
        **dict.fromkeys(("alembic_version", "audit_event", "audit_retired", "audit_seal", "code_lists"), _READ),
        **dict.fromkeys(("medicine_words", "medicines", "outbox_sent", "tenants"), _READ),
        **dict.fromkeys(("audit_patients", "consent_directives", "outbox", "patient_erasures", "status_changes"), _ADD),
        **dict.fromkeys(("care_team_members", "emergency_accesses", "legal_holds"), _KEEP),
    }),
    "care_relay": ("", {
        **dict.fromkeys(("audit_event", "audit_patients", "audit_retired"), _READ), "audit_seal": _ADD,
        "outbox": "SELECT UPDATE DELETE", "outbox_sent": "SELECT INSERT DELETE", "outbox_shard": "SELECT UPDATE",
    }),
    "care_backup": (_READ, {}),
}  # fmt: skip


def tenant_tables(connection: Connection, *, partitions: bool = False) -> list[str]:
    """Every table of schema care but the excused ones, in order of name; partitions on demand."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'care'::regnamespace AND relkind IN ('r', 'p')"
        " AND (%s OR NOT relispartition) ORDER BY 1",
        [partitions],
    ).fetchall()
    return [name for (name,) in found if name not in TABLES_WITHOUT_TENANT]


def faults(connection: Connection) -> list[str]:
    """One sentence for each thing that breaks a rule of tenancy."""
    return [
        *_tables_without_tenant(connection),
        *_keys_without_tenant(connection),
        *_unprotected_tables(connection),
        *_wrong_policies(connection),
        *_wrong_views(connection),
        *_wrong_functions(connection),
        *_open_partitions(connection),
        *_changeable_history(connection),
        *_wrong_roles(connection),
    ]


def _tables_without_tenant(connection: Connection) -> list[str]:
    """Tables whose tenant_id is missing, may be NULL, or is no integer."""
    fine = {
        name
        for (name,) in connection.execute(
            "SELECT attrelid::regclass::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid"
            " WHERE relnamespace = 'care'::regnamespace AND attname = 'tenant_id' AND attnotnull"
            " AND atttypid = 'integer'::regtype"
        )
    }
    every = tenant_tables(connection, partitions=True)
    return [f"{table} has no tenant_id integer NOT NULL" for table in every if table not in fine]


def _keys_without_tenant(connection: Connection) -> list[str]:
    """Primary, unique and exclusion indexes and foreign keys that do not begin with tenant_id."""
    indexes = connection.execute(
        "SELECT t.relname, i.indexrelid::regclass::text, (SELECT attname FROM pg_attribute WHERE attrelid = t.oid"
        " AND attnum = i.indkey[0]) FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid"
        " WHERE t.relnamespace = 'care'::regnamespace AND (i.indisunique OR i.indisexclusion) ORDER BY 2"
    ).fetchall()
    foreign = connection.execute(
        "SELECT t.relname, conname,"
        " (SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1]),"
        " (SELECT attname FROM pg_attribute WHERE attrelid = confrelid AND attnum = confkey[1])"
        " FROM pg_constraint JOIN pg_class t ON t.oid = conrelid"
        " WHERE contype = 'f' AND t.relnamespace = 'care'::regnamespace ORDER BY 2"
    ).fetchall()
    return [
        f"{name} of {table} does not begin with tenant_id"
        for table, name, *first in [*indexes, *foreign]
        if table not in TABLES_WITHOUT_TENANT and set(first) != {"tenant_id"}
    ]


def _unprotected_tables(connection: Connection) -> list[str]:
    """Tables where row-level security is off, or spares the owner."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'care'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT (relrowsecurity AND relforcerowsecurity) ORDER BY 1"
    )
    return [f"{table} has no forced row-level security" for (table,) in found if table not in TABLES_WITHOUT_TENANT]


def _wrong_policies(connection: Connection) -> list[str]:
    """Tables without the one policy for everybody, and policies that are neither that one nor the relay's."""
    found = connection.execute(
        "SELECT tablename, policyname, permissive, roles::text[], cmd, coalesce(qual, ''), coalesce(with_check, '')"
        " FROM pg_policies WHERE schemaname = 'care' ORDER BY 1, 2"
    ).fetchall()
    right, wrong = set(), []
    for table, policy, permissive, roles, verb, seen, stored in found:
        whole = (permissive, roles, verb) == ("PERMISSIVE", ["public"], "ALL")
        if whole and all("tenant_id = " in part and "app.tenant_id" in part for part in (seen, stored)):
            right.add(table)
        elif not (roles == ["care_relay"] and table in RELAY_TABLES):
            wrong.append(f"policy {policy} of {table} is not the tenant's")
    missing = [table for table in tenant_tables(connection, partitions=True) if table not in right]
    return [*wrong, *(f"{table} has no policy for the tenant" for table in missing)]


def _wrong_views(connection: Connection) -> list[str]:
    """Views that read with their owner's rights, and materialized views, which have no row-level security at all."""
    found = connection.execute(
        "SELECT relname, relkind = 'm' FROM pg_class WHERE relnamespace = 'care'::regnamespace AND (relkind = 'm' OR"
        " relkind = 'v' AND NOT coalesce(reloptions, '{}') && ARRAY['security_invoker=true', 'security_invoker=on'])"
    ).fetchall()
    named = {True: "{} is a materialized view", False: "view {} is no security_invoker"}
    return [named[stored].format(name) for name, stored in found]


def _wrong_functions(connection: Connection) -> list[str]:
    """SECURITY DEFINER functions that take their search_path from the caller, or that the app role may run."""
    found = connection.execute(
        "SELECT proname, coalesce(array_to_string(proconfig, ' '), '') LIKE '%search_path=%',"
        " has_function_privilege('care_app', oid, 'EXECUTE')"
        " FROM pg_proc WHERE pronamespace = 'care'::regnamespace AND prosecdef"
    ).fetchall()
    return [
        *(f"function {name} sets no search_path" for name, path, _ in found if not path),
        *(
            f"function {name} lends the app role its owner's rights"
            for name, _, runs in found
            if runs and name not in LENT
        ),
    ]


def _open_partitions(connection: Connection) -> list[str]:
    """Partitions that somebody but the owner may address past their parent, whose rights are others."""
    found = connection.execute(
        "SELECT relname, role FROM pg_class, unnest(ARRAY['care_app', 'care_relay']) AS role"
        " WHERE relnamespace = 'care'::regnamespace AND relispartition AND relkind IN ('r', 'p')"
        " AND (has_table_privilege(role, oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"
        " OR has_any_column_privilege(role, oid, 'SELECT, INSERT, UPDATE, REFERENCES')) ORDER BY 1, 2"
    )
    return [f"{role} may address {table} past its parent" for table, role in found]


def _changeable_history(connection: Connection) -> list[str]:
    """Append-only tables, and partitions of them, that lack the triggers which refuse a change to everybody."""
    found = connection.execute(
        "SELECT c.relname, wanted FROM pg_class c CROSS JOIN unnest(ARRAY['append_only', 'never_emptied']) AS wanted"
        " WHERE c.relnamespace = 'care'::regnamespace AND c.relkind IN ('r', 'p') AND coalesce("
        "  (SELECT p.relname FROM pg_inherits JOIN pg_class p ON p.oid = inhparent WHERE inhrelid = c.oid),"
        "  c.relname) = ANY (%s)"
        " AND NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND tgname = wanted AND tgenabled = 'O')"
        " ORDER BY 1, 2",
        [list(APPEND_ONLY)],
    )
    return [f"{table} has no trigger {wanted}" for table, wanted in found]


def _wrong_roles(connection: Connection) -> list[str]:
    """What the app and relay roles own, are members of, may empty, or may pass."""
    owned = connection.execute(
        "SELECT owner::regrole::text, name FROM (SELECT relowner, relname FROM pg_class UNION ALL"
        " SELECT proowner, proname FROM pg_proc UNION ALL SELECT nspowner, nspname FROM pg_namespace)"
        " AS owned (owner, name) WHERE owner::regrole::text IN ('care_app', 'care_relay')"
    ).fetchall()
    groups = connection.execute(
        "SELECT member::regrole::text, roleid::regrole::text FROM pg_auth_members"
        " WHERE member::regrole::text IN ('care_owner', 'care_app', 'care_relay')"
    ).fetchall()
    emptied = connection.execute(
        "SELECT role, relname FROM pg_class, unnest(ARRAY['care_app', 'care_relay']) AS role"
        " WHERE relnamespace = 'care'::regnamespace AND relkind IN ('r', 'p')"
        " AND has_table_privilege(role, oid, 'TRUNCATE')"
    ).fetchall()
    powerful = connection.execute(
        "SELECT rolname FROM pg_roles WHERE rolname IN ('care_owner', 'care_app', 'care_relay')"
        " AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)"
    ).fetchall()
    return [
        *(f"{role} owns {name}" for role, name in owned),
        *(f"{role} is a member of {group}" for role, group in groups),
        *(f"{role} may empty {table}" for role, table in emptied),
        *(f"{role} has powers beyond its grants" for (role,) in powerful),
    ]


def wrong_grants(connection: Connection) -> list[str]:
    """One sentence for each grant that is missing, or that is there and must not be."""
    found = connection.execute(
        "SELECT role, relname, ARRAY(SELECT privilege_type FROM aclexplode(relacl) WHERE grantee::regrole::text = role)"
        " FROM pg_class, unnest(%s::text[]) AS role WHERE relnamespace = 'care'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition ORDER BY role, relname",
        [list(GIVEN)],
    ).fetchall()
    by_column = connection.execute(
        "SELECT relname FROM pg_class"
        " JOIN (VALUES ('audit_event', 'INSERT'), ('outbox', 'UPDATE')) AS given (name, may) ON name = relname"
        " WHERE relnamespace = 'care'::regnamespace"
        " AND NOT has_any_column_privilege('care_app', oid, may)"
    ).fetchall()
    others = connection.execute(
        "SELECT DISTINCT relname, coalesce(nullif(grantee, 0)::regrole::text, 'everybody')"
        " FROM pg_class c, aclexplode(relacl) WHERE relnamespace = 'care'::regnamespace AND grantee <> relowner"
        " AND (grantee = 0 OR grantee::regrole::text <> ALL (%s)) ORDER BY 1, 2",
        [list(GIVEN)],
    ).fetchall()
    known = {"alembic_version", *db.metadata.tables}  # of a later version's tables this one cannot tell
    return [
        *(text for role, table, has in found if table in known for text in _compared(role, table, set(has))),
        *(f"care_app may not write to {table}" for (table,) in by_column),
        *(f"{grantee} has rights on {table}" for table, grantee in others),
    ]


def _compared(role: str, table: str, has: set[str]) -> list[str]:
    """What a role has on a table, held against what the migrations gave it."""
    otherwise, special = GIVEN[role]
    given = set(special.get(table, otherwise).split())
    return [
        *(f"{role} may not {DOES[one]} {table}" for one in sorted(given - has, key=list(DOES).index)),
        *(f"{role} may {DOES.get(one, one)} {table}, which it must not" for one in sorted(has - given)),
    ]
