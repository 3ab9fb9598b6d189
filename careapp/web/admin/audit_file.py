"""The audit log as a file that a spreadsheet opens, and that can make none compute anything."""

import csv
import io
import json
from collections.abc import Iterable, Mapping

from careapp import clock
from careapp.operations.audit_search import AuditEntry
from careapp.web.admin.audit_words import who

COLUMNS = (
    "time", "time (UTC)", "who", "actor", "on behalf of", "action", "outcome", "subject", "patients", "request",
    "details", "purpose",
)  # fmt: skip
COMPUTES = ("=", "+", "-", "@", "\t", "\r", "\n")  # what a spreadsheet takes for the beginning of a formula
BYTE_ORDER_MARK = "\ufeff"  # by which spreadsheets know UTF-8


def as_csv(entries: Iterable[AuditEntry], names: Mapping[int, str], zone: str) -> str:
    """The entries as comma-separated values (RFC 4180), times on the clock of `zone` and in UTC."""
    text = io.StringIO()
    text.write(BYTE_ORDER_MARK)
    writer = csv.writer(text)
    writer.writerow([f"time ({zone})", *COLUMNS[1:]])
    for one in entries:
        row = (
            f"{clock.local(one.at, zone):%Y-%m-%d %H:%M:%S}", one.at.isoformat(), who(one.actor, names), one.actor,
            one.on_behalf_of or "", one.action, one.outcome, one.subject or "", " ".join(one.patients),
            one.request_id or "", json.dumps(one.detail, ensure_ascii=False) if one.detail else "",
            one.purpose,
        )  # fmt: skip
        writer.writerow([harmless(cell) for cell in row])
    return text.getvalue()


def harmless(cell: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would compute it (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(COMPUTES) else cell
