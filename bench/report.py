"""The table a person reads, the JSON a later run is compared with, and that comparison."""

import json
from pathlib import Path
from typing import Any

NOISY_SPREAD, NOISY_OTHERS = 0.25, 0.15
_HEAD = ("", "requests/s", "spread", "p50 ms", "p99 ms", "CPU ms", "+ database", "of its rate")


def table(report: dict[str, Any]) -> str:
    """The report for a terminal; the last column is the application's rate as a part of the ruler's."""
    lines = [_about(report)]
    for case in report["cases"]:
        authentication = case["authentication_statements"]
        lines += ["", f"{case['title']}: {case['statements']} statements, {authentication} more for authentication"]
        lines.append(_row(_HEAD))
        for way, found in case["figures"].items():
            ratio = case["ratios"].get(way)
            cells = [
                way,
                f"{found['rate']:,.0f}",
                f"{found['spread']:.0%}",
                f"{found['p50']:.1f}",
                f"{found['p99']:.1f}",
            ]
            cells += [f"{found['cpu']:.2f}", f"{found['database_cpu']:.2f}", "" if ratio is None else f"{ratio:.2f}"]
            lines.append(_row(cells))
    return "\n".join([*lines, "", verdict(report)])


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
    lines = [f"before: {_about(old)}", f"after:  {_about(new)}"]
    for case in new["cases"]:
        if case["name"] not in past:
            continue
        one, other = past[case["name"]], case
        lines += ["", case["title"], f"  statements {one['statements']} -> {other['statements']}"]
        for name, left, right in _pairs(one, other):
            lines.append(f"  {name:<28} {left:>10.2f} -> {right:>10.2f}   {right / left:>6.2f} x")
    return "\n".join(lines)


def _pairs(one: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, float, float]]:
    """What is compared: rate, tail and CPU of the application, and its ratio to each ruler."""
    left, right = one["figures"]["application"], other["figures"]["application"]
    pairs = [
        ("requests/s", left["rate"], right["rate"]),
        ("p99 ms", left["p99"], right["p99"]),
        ("CPU ms, database included", left["cpu"] + left["database_cpu"], right["cpu"] + right["database_cpu"]),
    ]
    return pairs + [(f"rate / {way}", one["ratios"][way], ratio) for way, ratio in other["ratios"].items()]


def _about(report: dict[str, Any]) -> str:
    machine = report["machine"]
    return (
        f"{report['at']}, commit {report['commit']}, {machine['cores']} cores, Python {machine['python']}, "
        f"PostgreSQL {machine['postgresql']}, {report['cycles']} rounds"
    )


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"  {cells[0]:<12}" + "".join(f"{cell:>12}" for cell in cells[1:])
