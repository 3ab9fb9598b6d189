"""The figures of a run as a table, on the terminal and in docs/security/figures.md."""

import os
import platform
import statistics
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from chaos.history import DONE, REFUSED
from chaos.whole import Outcome

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "security" / "figures.md"
BEGIN, END = "<!-- chaos -->", "<!-- /chaos -->"
HEAD = "# Figures\n\nWritten by the commands they come from; each section names its command.\n"


def table(outcome: Outcome) -> str:
    """The figures as Markdown, which reads well on a terminal, too."""
    tries = [one for intent in outcome.history for one in intent.tries]
    wanted = [intent for intent in outcome.history if intent.kind != "look"]
    done = sum(intent.outcome == DONE for intent in wanted)
    refused = sum(intent.outcome == REFUSED for intent in wanted)
    figures = [
        ("seed", str(outcome.seed)),
        ("seconds", f"{outcome.seconds:.0f}"),
        ("faults: chosen, not tested", f"{len(outcome.chosen)}, {len(outcome.not_tested)}"),
        ("intents: done, refused, outcome never known", f"{done}, {refused}, {len(wanted) - done - refused}"),
        ("requests; without an answer", f"{len(tries)}; {sum(one.status == 0 for one in tries)}"),
        ("answered 503; 429", f"{sum(one.status == 503 for one in tries)}; {sum(one.status == 429 for one in tries)}"),
        ("longest request, seconds", f"{max((one.seconds for one in tries), default=0):.1f}"),
        ("longest /readyz, seconds", f"{max((one.seconds for one in outcome.samples), default=0):.1f}"),
        *((name, str(count)) for name, count in outcome.counts.items()),
        *((f"restarts of {name}", str(count)) for name, count in outcome.restarts.items()),
        ("violations", str(len(outcome.violations))),
    ]
    lines = ["| figure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in figures), ""]
    return "\n".join([*lines, *_faults(outcome), "", *not_tested(outcome), ""])


def _faults(outcome: Outcome) -> list[str]:
    lines = [
        "| fault | times | s back: median, worst | went red | done | refused 4xx, 5xx | no answer |",
        "|---|---|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(one.name for one in outcome.faults):
        found = [one for one in outcome.faults if one.name == name]
        back = [one.recovered_after for one in found if one.recovered_after is not None]
        seconds = f"{statistics.median(back):.1f}, {max(back):.1f}" if back else "never"
        red = sum(one.went_red for one in found)
        sums = [sum(getattr(one, what) for one in found) for what in ("done", "refused", "unanswered")]
        lines.append(f"| {name} | {len(found)} | {seconds} | {red} | {' | '.join(map(str, sums))} |")
    return lines


def not_tested(outcome: Outcome) -> list[str]:
    """A line for each chosen fault that was not brought about."""
    return [f"NOT TESTED: {name}: {why}." for name, why in outcome.not_tested.items()]


def write(outcome: Outcome) -> None:
    """Put the figures into their section of docs/security/figures.md; the others stay as they are."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    section = "\n".join([
        BEGIN, "## Fault suite: `make chaos`", "",
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit or 'unknown'}, {machine}; PostgreSQL with fsync on, web with two"
        f" workers, two jobs processes, a provider service, {'Kafka' if outcome.kafka else 'no Kafka'}.", "",
        table(outcome).rstrip(), END,
    ])  # fmt: skip
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    text = FIGURES.read_text() if FIGURES.exists() else HEAD
    if BEGIN in text:
        before, rest = text.split(BEGIN, 1)
        text = before + section + rest.split(END, 1)[1]
    else:
        text = f"{text.rstrip()}\n\n{section}\n"
    FIGURES.write_text(text)
