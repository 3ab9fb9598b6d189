"""Text that tries to be more than text, and the means to put it into every text column of a tenant."""

import json
import re
from collections.abc import Collection, Iterable
from functools import partial
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

import html5lib
import psycopg
from apiflask import APIFlask
from psycopg import sql

from careapp import clock, localdb
from careapp.terminology.loading import load_starter
from tests.database import TestDatabase
from tests.journeys.scene import TEN, Scene, a_scene, a_tenant, leave_unfinished
from tests.journeys.test_every_page import addresses
from tests.looking import rows
from tests.rules import whole_tenant

Connection = psycopg.Connection[Any]
MARK = "xq7"  # no element, attribute or address of ours holds it
HOST = "xq7.example"
SUM = "5361723401"  # what {{7313*733177}} would come to; so long that no random token holds it
TEXTS = {
    "elements": f"""'"><{MARK} {MARK}=1><script>{MARK}()</script><img src=x onerror={MARK}()><svg/onload={MARK}()>"""
    "{{7313*733177}}{% xq7 %}${7313*733177}#{7313*733177}",
    "attributes": f"""x' onfocus='{MARK}()' autofocus {MARK}='1" onfocus="{MARK}()" {MARK}="1" hx-get="//{HOST}/" """
    f"""hx-on:load="{MARK}()" hx-trigger="load" style="background:url(//{HOST}/)""",
    "ends": f"""--></textarea></title></option></select></style></template></script><a href=javascript:{MARK}()"""
    f""" hx-get=//{HOST}/>x</a>]]>\u2028\u202e<base href=//{HOST}/>""",
    "mutations": f"""<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror={MARK}()"""
    f"""&gt;"><noscript><p title="</noscript><img src=x onerror={MARK}()>"><svg><style><img src=x onerror={MARK}()>""",
    "an address": f"javascript:{MARK}()//",
}
ADDRESSES = {
    "href", "src", "action", "formaction", "data", "poster", "cite", "background", "srcset", "ping", "manifest",
    "hx-get", "hx-post", "hx-put", "hx-patch", "hx-delete", "hx-push-url", "hx-replace-url",
}  # fmt: skip
# Columns left as they are: without their value a row is not found, or belongs to nobody any more.
LEFT = {
    "audit_event.patients": "whom a row of the log is about, and is looked for by",
    "audit_patients.patient": "the same, by patient",
    "form_drafts.address": "the form that a draft is found for",
    "imported_records.locator": "what a record was taken in as",
    "patient_name_words.word": "what a patient is found by",
    "clinics.time_zone": "a zone there is not would stop every page at its first time",
    "service_clients.roles": "a role there is not is no role",
    "service_clients.scopes": "and no scope",
    "users.roles": "the one who looks needs his own",
    "status_changes.entity": "what a change is about, and is looked for by",
    "status_changes.locator": "the same",
}
# Words in documents that the application gives itself: what they stand under, by column.
OURS_IN = {
    "patients.telecom": {"system", "use"},
    "prescriptions.checks": {"state", "why", "how", "kind", "group"},
    "prescription_favourites.dosage_parts": {"system", "code", "value"},
    "outbox.envelope": {"id"},
}
# Columns that have the text in no row: their own rule lets in codes of ours alone, or what is kept with them decides.
WITHOUT = {
    "appointments.category", "appointments.status", "appointments.type", "audit_event.outcome",
    "consent_directives.decision", "consent_directives.scope", "diagnostics_referrals.priority",
    "diagnostics_referrals.status", "diagnostics_referrals.type", "episodes.care_type", "episodes.status",
    "patient_erasures.category", "patient_facts.kind", "patient_keys.kind", "patients.confidentiality",
    "patients.gender", "prescriptions.status", "provider_slots.status", "providers.status",
    "tenant_settings.language", "tenant_settings.second_factor", "users.density", "users.language", "users.theme",
    "emergency_accesses.reviewed_by",  # stands with the time of the review
    "legal_holds.lifted_by",  # and this with that of lifting
    # No row has one here, and no page shows one:
    "audit_retired.part", "audit_retired.retired_by", "idempotency_key.headers", "outbox_sent.envelope",
    "outbox_sent.key", "outbox_sent.topic", "prescriptions.dosage_parts",
    "providers.identifiers",
}  # fmt: skip
# What stood on some page when this was written: what is no longer there would be looked at no more.
SHOWN = {
    "appointments.reason", "audit_event.action", "audit_event.actor", "audit_event.detail", "audit_event.on_behalf_of",
    "audit_event.purpose", "audit_event.request_id", "audit_event.subject", "care_team_members.role", "clinics.address",
    "clinics.name", "clinics.phone", "consent_directives.recorded_by", "diagnostics_referrals.facility",
    "diagnostics_referrals.outcome", "diagnostics_referrals.reason", "emergency_accesses.reason", "episodes.reason",
    "episodes.summary", "form_drafts.fields", "legal_holds.reason", "outbox.envelope", "outbox.key",
    "outbox.last_error", "outbox.topic", "patient_facts.text", "patients.family", "patients.given",
    "patients.identifiers", "patients.language", "patients.telecom", "prescription_favourites.medication_text",
    "prescriptions.checks", "prescriptions.dosage", "prescriptions.medication_text", "prescriptions.override_reason",
    "prescriptions.void_reason", "provider_slots.blocked_reason", "providers.name", "providers.specialty",
    "service_clients.client_id", "service_clients.name", "status_changes.action", "status_changes.actor",
    "status_changes.reason", "tenant_settings.name", "user_session.address", "user_session.device", "users.email",
    "users.name",
}  # fmt: skip
COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'care'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0
  AND NOT a.attisdropped AND a.attgenerated = '' AND format_type(a.atttypid, NULL) IN ('text', 'text[]', 'jsonb')
  AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id') ORDER BY 1, 2"""


def poison(database: TestDatabase, tenant_id: int, text: str) -> set[str]:
    """Put the text into every text column of the tenant's rows; returns those columns that have it in no row.

    After the text stands the name of its column (`stood()` reads it). Done as superuser past all triggers: what an
    import, a migration or a hole in a form could have left there.
    """
    without = set()
    with psycopg.connect(localdb.libpq_url(database.whole)) as connection:
        connection.execute("SET session_replication_role = replica")
        for table, column, kind in connection.execute(COLUMNS).fetchall():
            place = f"{table}.{column}"
            put = partial(_put_into_documents if kind == "jsonb" else _put, connection, table, column, kind, tenant_id)
            if place not in LEFT and not put(in_column(text, place)):
                without.add(place)
    return without


def _put(connection: Connection, table: str, column: str, kind: str, tenant_id: int, text: str) -> bool:
    """Put the text into every row, or where a rule is against that, into those that have a text, or another in each;
    returns whether there is a row that took it.
    """
    names = {"table": sql.Identifier("care", table), "column": sql.Identifier(column)}
    names["value"] = sql.SQL("ARRAY[{0}]" if kind == "text[]" else "{0}").format(sql.Placeholder("text"))
    everywhere = "UPDATE {table} SET {column} = {value} WHERE tenant_id = %(tenant)s"
    where_there_is_one = f"{everywhere} AND {{column}} IS NOT NULL"
    each_another = "UPDATE {table} SET {column} = %(text)s || ctid::text WHERE tenant_id = %(tenant)s"
    for statement in (everywhere, where_there_is_one, each_another):
        try:
            with connection.transaction():
                done = connection.execute(sql.SQL(statement).format(**names), {"text": text, "tenant": tenant_id})
        except psycopg.errors.IntegrityError:
            continue
        if done.rowcount:
            return True
    return False


def _put_into_documents(
    connection: Connection, table: str, column: str, kind: str, tenant_id: int, text: str
) -> bool:  # fmt: skip
    """The same for documents, word by word."""
    names = {"table": sql.Identifier("care", table), "column": sql.Identifier(column)}
    mine = "SELECT tableoid, ctid, {column} FROM {table} WHERE tenant_id = %s AND {column} IS NOT NULL"
    kept = OURS_IN.get(f"{table}.{column}", set())
    took = False
    for part, place, document in connection.execute(sql.SQL(mine).format(**names), [tenant_id]).fetchall():
        changed = sql.SQL("UPDATE {table} SET {column} = %s WHERE tableoid = %s AND ctid = %s").format(**names)
        bad = hurt(document, text, kept) if column != "fields" else hurt_fields(document, text)
        connection.execute(changed, [json.dumps(bad), part, place])
        took = took or bad != document
    return took


def hurt(value: Any, text: str, kept: Collection[str]) -> Any:
    """A document with the text in place of every word, but for those under names that are `kept`."""
    if isinstance(value, dict):
        return {name: one if name in kept else hurt(one, text, kept) for name, one in value.items()}
    if isinstance(value, list):
        return [hurt(one, text, kept) for one in value]
    return text if isinstance(value, str) else value


def hurt_fields(fields: list[list[str]], text: str) -> list[list[str]]:
    """The fields of a draft with the text in each, and one that even has it as its name, as somebody may send it."""
    return [*([name, text] for name, _ in fields if MARK not in name), [text, text]]


def in_column(text: str, place: str) -> str:
    """The text as `poison()` puts it into a column."""
    return f"{text} {MARK}:{place}"


def in_the_log(text: str) -> str:
    """The address of the log's rows that have the text: what is newer than they are hides them."""
    return f"/admin/audit?{urlencode({'actor': in_column(text, 'audit_event.actor')})}"


def a_full_scene(app: APIFlask, database: TestDatabase, key: str) -> Scene:
    """A clinic of its own with something in every table, and forms somebody has begun."""
    load_starter(database.owner)
    actor = a_tenant(app, key)
    with clock.at(TEN):
        whole_tenant.fill(actor)
    scene = a_scene(actor)
    with clock.at(TEN):
        leave_unfinished(scene)
    return scene


def where_it_stands(scene: Scene) -> list[str]:
    """Every page of the scene, those of the one patient whom whole_tenant.fill() gave everything, and of the drafts."""
    [one] = rows(scene.actor, "SELECT p.locator, e.locator AS episode, r.locator AS prescription FROM patients p"
                 " JOIN episodes e ON e.patient_id = p.id JOIN prescriptions r ON r.episode_id = e.id"
                 " ORDER BY p.id, e.id LIMIT 1")  # fmt: skip
    patient = f"/patients/{one.locator}"
    parts = ("", "/edit", "/episodes", "/appointments", "/prescriptions", "/referrals", "/access")
    mine = rows(scene.actor, "SELECT d.id FROM form_drafts d JOIN users u ON u.id = d.user_id WHERE u.email = :email",
                email=scene.everybody)  # fmt: skip
    return [
        *(address for part in addresses(scene).values() for address in part), *(patient + part for part in parts),
        f"/episodes/{one.episode}", f"/prescriptions/{one.prescription}/paper", f"/admin/erasure/{one.locator}",
        *(f"/drafts/{draft.id}" for draft in mine),
    ]  # fmt: skip


def stood(page: str) -> set[str]:
    """The columns whose text stands in an answer."""
    return set(re.findall(rf"{MARK}:(\w+\.\w+)", page))


def as_a_browser_reads(page: str) -> Element:
    """A page or a fragment as a tree; like a browser, the parser puts up with everything."""
    whole = page.lstrip()[:9].lower() == "<!doctype"
    parser = html5lib.HTMLParser(namespaceHTMLElements=False)
    tree: Element = parser.parse(page) if whole else parser.parseFragment(page)
    return tree


def born(tree: Element) -> list[str]:
    """Elements and attributes that text has become, and addresses that lead to what it names."""
    found = []
    for one in tree.iter():
        if not isinstance(one.tag, str):
            continue
        if MARK in one.tag or (one.tag == "script" and (one.text or "").strip()) or one.tag in ("base", "math"):
            found.append(f"<{one.tag}>")
        for name, value in one.attrib.items():
            name = str(name)
            if MARK in name or name.startswith(("on", "hx-on", "style")):
                found.append(f"<{one.tag} {name}>")
            elif name in ADDRESSES and not is_ours(value):
                found.append(f'<{one.tag} {name}="{value[:60]}">')
    return found


def is_ours(address: str) -> bool:
    """Whether an address in a page stays on this site."""
    plain = address.strip().lower()
    inside = plain.startswith(("/", "#", "?", "true", "false", "tel:")) and not plain.startswith(("//", "/\\"))
    return inside or not plain


def vocabulary(trees: Iterable[Element]) -> set[tuple[str, str]]:
    """Every element with every attribute that stands on it."""
    return {(str(one.tag), str(name)) for tree in trees for one in tree.iter() for name in ("", *one.attrib)}
