"""Growth: what a request costs in a database of a million appointments, over its cost at ten thousand.

The scene is the same in both, so the answers are; what grows are the tables around them, in the same tenant and in
ninety more. Only the application is measured; CPU and the database's time count, as a shared machine moves rates.
"""

import json
from collections.abc import Sequence
from typing import Any

from bench import report
from bench.cases import Case
from bench.measuring import APPLICATION, LONG_GROWTH, QUICK_GROWTH, measure
from bench.servers import VAR
from bench.whole import describe, laid, result, tell

SIZES = ("small", "large")
LIMIT = 1.3
HEAD = (
    "request", "CPU ms small", "large", "ratio", "database ms small", "large", "ratio", "pages small", "large", "ratio",
    f"CPU <= {LIMIT} x",
)  # fmt: skip


def run_growth(cases: Sequence[Case], *, quick: bool) -> int:
    """Measure on both sizes, print the ratios, keep them in var/bench/growth.json; 1 where one is above LIMIT."""
    length = QUICK_GROWTH if quick else LONG_GROWTH
    made: dict[str, Any] = {}
    for size in SIZES:
        with laid(cases, size=size, ways=(APPLICATION,)) as it:
            measured = {
                case.name: measure(it.bench, case, it.found[case.name][1], length, tell, (APPLICATION,))
                for case in cases
            }
        results = [result(case, it.found[case.name][0], measured[case.name]) for case in cases]
        everything = [one for rounds in measured.values() for one in rounds[APPLICATION]]
        made[size] = describe(it.database, size, length.cycles, results, everything)
    tell("")
    (VAR / "growth.json").write_text(json.dumps(made, indent=1))
    rows = ratio_rows(made)
    print("\n".join([report.about(made["large"]), "", report.laid_out((HEAD, *rows)), ""]))
    return int(any(row[-1] != "yes" for row in rows))


def markdown(made: dict[str, Any]) -> str:
    """The table as a section of figures.md, without its heading."""
    lines = [HEAD, ("---",) * len(HEAD), *ratio_rows(made)]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{report.about(made['large'])}.\n\n{text}\n\n{report.verdict(made['large'])}"


def ratio_rows(made: dict[str, Any]) -> list[tuple[str, ...]]:
    """One row a case: CPU with the database's, the time of its statements and the pages they read, at both sizes."""
    rows = []
    for small, large in zip(made["small"]["cases"], made["large"]["cases"], strict=True):
        one, other = (case["figures"][APPLICATION] for case in (small, large))
        cpu = [found["cpu"] + found["database_cpu"] for found in (one, other)]
        database = [one["database_time"], other["database_time"]]
        cells = []
        for pair in (cpu, database):
            cells += [f"{pair[0]:.2f}", f"{pair[1]:.2f}", report.over(pair[1], pair[0])]
        pages = [found.get("pages", 0.0) for found in (one, other)]  # a run of before did not count them
        cells += [f"{pages[0]:.0f}", f"{pages[1]:.0f}", f"{pages[1] / pages[0]:.2f}"] if all(pages) else [""] * 3
        rows.append((small["title"], *cells, "yes" if cpu[1] <= LIMIT * cpu[0] else "no"))
    return rows
