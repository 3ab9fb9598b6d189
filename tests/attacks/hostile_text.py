"""Text that tries to be more than text, and the means to put it into every text column of a tenant."""

import json
from collections.abc import Iterable
from typing import Any
from xml.etree.ElementTree import Element

import html5lib
import psycopg
from psycopg import sql

from careapp import localdb
from tests.database import TestDatabase

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
# Words the application gives itself and its own rules hold; another word there is a fault of ours, no patient's text.
MACHINE = {
    "action", "outcome", "purpose", "topic", "status", "kind", "stage", "entity", "theme", "density", "language",
    "time_zone", "roles", "scope", "decision", "confidentiality", "gender", "care_type", "specialty", "priority",
    "type", "password_hash", "chain", "part", "fingerprint",
    "from_status", "to_status", "fulfilment",
}  # fmt: skip
# Keys by which things are found: what is looked for by them would no longer be there.
KEYS = {"locator", "key", "subject", "patients", "patient", "word", "sid_hash", "actor", "address"}
COLUMNS = """
SELECT c.relname, a.attname, format_type(a.atttypid, NULL) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.relnamespace = 'care'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0
  AND NOT a.attisdropped AND a.attgenerated = '' AND format_type(a.atttypid, NULL) IN ('text', 'text[]', 'jsonb')
  AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id') ORDER BY 1, 2"""


def poison(database: TestDatabase, tenant_id: int, text: str) -> set[str]:
    """Put the text into every text column of the tenant's rows; returns those columns whose own rule refused it.

    Done as superuser past all triggers: what an import, a migration or a hole in a form could have left there.
    """
    refused = set()
    with psycopg.connect(localdb.libpq_url(database.whole)) as connection:
        connection.execute("SET session_replication_role = replica")
        for table, column, kind in connection.execute(COLUMNS).fetchall():
            if column in MACHINE | KEYS or column.endswith("_locator"):
                continue
            try:
                with connection.transaction():
                    _put(connection, table, column, kind, tenant_id, text)
            except psycopg.errors.IntegrityError:
                refused.add(f"{table}.{column}")
    return refused


def _put(connection: psycopg.Connection[Any], table: str, column: str, kind: str, tenant_id: int, text: str) -> None:
    names = {"table": sql.Identifier("care", table), "column": sql.Identifier(column)}
    if kind == "jsonb":
        statement = sql.SQL("SELECT tableoid, ctid, {column} FROM {table} WHERE tenant_id = %s").format(**names)
        for part, place, document in connection.execute(statement, [tenant_id]).fetchall():
            changed = sql.SQL("UPDATE {table} SET {column} = %s WHERE tableoid = %s AND ctid = %s").format(**names)
            connection.execute(changed, [json.dumps(hurt(document, text)), part, place])
        return
    value = sql.SQL("ARRAY[%(text)s]" if kind == "text[]" else "%(text)s").format()
    statement = sql.SQL("UPDATE {table} SET {column} = {value} WHERE tenant_id = %(t)s AND {column} IS NOT NULL")
    connection.execute(statement.format(value=value, **names), {"text": text, "t": tenant_id})


def hurt(value: Any, text: str) -> Any:
    """A document with the text in place of every word that is none of ours."""
    if isinstance(value, dict):
        return {
            name: one if name in MACHINE | KEYS or name.endswith("ocator") else hurt(one, text)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [hurt(one, text) for one in value]
    return text if isinstance(value, str) and " " in value else value


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
