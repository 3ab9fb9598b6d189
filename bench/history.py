"""The history of figures: the last run of each kind goes into the newest section of bench/figures.md."""

import json
from pathlib import Path

from bench import events, growth, report, soak, starting
from bench.servers import VAR

FIGURES = Path(__file__).with_name("figures.md")
FIRST = "\n## "  # where the newest section begins


def keep(title: str) -> None:
    """Put what the last runs left in var/bench (last, growth, relay, soak, start) on top, but what is there already."""
    text = FIGURES.read_text()
    kinds = {"last": report.markdown, "growth": growth.markdown, "relay": events.markdown, "soak": soak.markdown,
             "start": starting.markdown}  # fmt: skip
    sections = []
    for name, markdown in kinds.items():
        file = VAR / f"{name}.json"
        if file.exists():
            section = markdown(json.loads(file.read_text()))
            if section.partition(",")[0] not in text:  # its time: the words of a section may have changed since
                sections.append(section)
    if not sections:
        raise SystemExit("There is no run that is not in figures.md already.")
    made = "\n\n".join(sections)
    day = made[:10]
    head, first, rest = text.partition(FIRST)
    FIGURES.write_text(f"{head}\n## {day}{', ' + title if title else ''}\n\n{made}\n{first}{rest}")
    print(f"figures.md has {len(sections)} more.")
