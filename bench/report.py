"""The table a person reads, the JSON a later run is compared with, and that comparison."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NOISY_SPREAD, NOISY_OTHERS = 0.25, 0.15
HEAD = (
    "request", "statements", "requests/s", "p50 ms", "p99 ms", "database ms", "CPU ms: application + database",
    "of bare WSGI", "of psycopg", "of empty view",
)  # fmt: skip
RULERS = ("bare WSGI", "psycopg", "empty view")


def table(report: dict[str, Any]) -> str:
    """The report for a terminal: one row a case; the last columns are its rate as a part of each ruler's."""
    rows = [_row(case) for case in report["cases"]]
    return "\n".join([about(report), "", laid_out((HEAD, *rows)), "", rulers(report), verdict(report)])


def markdown(report: dict[str, Any]) -> str:
    """The same as a section of figures.md, without its heading."""
    lines = [HEAD, ("---",) * len(HEAD), *(_row(case) for case in report["cases"])]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{about(report)}.\n\n{text}\n\n{rulers(report)} {verdict(report)}"


def laid_out(rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, the first column to the left, the others to the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join(lines)


def _row(case: dict[str, Any]) -> tuple[str, ...]:
    mine = case["figures"]["application"]
    cpu = f"{mine['cpu']:.2f} + {mine['database_cpu']:.2f} = {mine['cpu'] + mine['database_cpu']:.2f}"
    ratios = [f"{case['ratios'][way]:.2f}" if way in case["ratios"] else "" for way in RULERS]
    return (
        case["title"], f"{case['statements']} + {case['authentication_statements']}", f"{mine['rate']:,.0f}",
        f"{mine['p50']:.1f}", f"{mine['p99']:.1f}", f"{mine['database_time']:.2f}", cpu, *ratios,
    )  # fmt: skip


def rulers(report: dict[str, Any]) -> str:
    """What the columns leave open: how statements are counted and waited for, and what the rulers' own rates were."""
    empty = [case["figures"]["empty view"]["rate"] for case in report["cases"] if "empty view" in case["figures"]]
    both = "both rulers run all of them" if report.get("authenticated") else "the rulers run the former"
    said = f"Statements: the request's own + those of authentication; {both}. "
    said += (
        "The rulers wait once a statement, while the application sends several at once (ADR 30), and bind constants"
        " (ADR 28): a ratio above what the statements alone allow comes of that, or of memory where that answers"
        " (ADR 29). "
    )
    return said + (f"The empty view answered {min(empty):,.0f} to {max(empty):,.0f} requests/s." if empty else "")


def verdict(report: dict[str, Any]) -> str:
    """Whether the machine was quiet enough to believe the rates."""
    widest = max(found["spread"] for case in report["cases"] for found in case["figures"].values())
    others = report["others"]
    said = f"Rates of one kind differ by up to {widest:.0%}; other programs used {others:.0%} of the machine."
    if widest > NOISY_SPREAD or others > NOISY_OTHERS:
        return f"{said} The machine was noisy: trust the CPU times and the ratios, not the rates."
    return f"{said} The machine was quiet."


def compare(before: Path, after: Path) -> str:
    """Two reports side by side, case by case."""
    old, new = json.loads(before.read_text()), json.loads(after.read_text())
    past = {case["name"]: case for case in old["cases"]}
    lines = [f"before: {about(old)}", f"after:  {about(new)}"]
    for case in new["cases"]:
        if case["name"] not in past:
            continue
        one, other = past[case["name"]], case
        lines += ["", case["title"], f"  statements {one['statements']} -> {other['statements']}"]
        for name, left, right in _pairs(one, other):
            times = f"   {over(right, left):>6} x" if left else ""
            lines.append(f"  {name:<28} {left:>10.2f} -> {right:>10.2f}{times}")
    return "\n".join(lines)


def over(one: float, other: float) -> str:
    """One figure over another; nothing where that is nought, as the database's time of what memory answers is."""
    return f"{one / other:.2f}" if other else ""


def _pairs(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, float, float]]:
    """What is compared: rate, tail, CPU and database time of the application, and its ratio to each ruler."""
    left, right = one["figures"]["application"], other["figures"]["application"]
    pairs = [
        ("requests/s", left["rate"], right["rate"]),
        ("p99 ms", left["p99"], right["p99"]),
        ("CPU ms, database included", left["cpu"] + left["database_cpu"], right["cpu"] + right["database_cpu"]),
    ]
    if "database_time" in left:
        pairs.append(("database ms", left["database_time"], right["database_time"]))
    both = [way for way in RULERS if way in one["ratios"] and way in other["ratios"]]
    return pairs + [(f"rate / {way}", one["ratios"][way], other["ratios"][way]) for way in both]


def about(report: dict[str, Any]) -> str:
    """When, of which commit, on what machine and on how much data."""
    machine, size = report["machine"], report.get("size")
    rows = f", {size['name']} database" if size else ""
    return (
        f"{report['at']}, commit {report['commit']}, {machine['cores']} cores, Python {machine['python']}, "
        f"PostgreSQL {machine['postgresql']}{rows}, {report['cycles']} rounds"
    )
