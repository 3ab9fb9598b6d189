"""`python -m bench`: measure and print a table; `compare A.json B.json`: two runs side by side.

`growth`: what a request costs at a million rows, over its cost at ten thousand; `relay`: events to Kafka; `soak`: half
an hour of mixed load; `start`: how long a web server takes until it answers; `keep`: put the last run into figures.md.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import history, report
from bench.cases import CASES, Case

# Options that stand before a command, and which of them it uses; without a command the table uses all.
OPTIONS = ("quick", "only", "size", "strangers")
USED: dict[str | None, tuple[str, ...]] = {None: OPTIONS, "growth": ("quick", "only")}


def main() -> int:
    """Read the command line and do what it says; the answer is the exit status."""
    arguments = asked()
    match arguments.command:
        case "compare":
            print(report.compare(arguments.before, arguments.after))
        case "keep":
            history.keep(arguments.title)
        case "growth":
            from bench.growth import run_growth  # here, so that a comparison starts nothing of the application

            return run_growth(_chosen(arguments.only), quick=arguments.quick)
        case "relay":
            from bench.events import run_relay

            run_relay(arguments.events)
        case "soak":
            from bench.soak import run_soak

            return run_soak(arguments.minutes, arguments.pace)
        case "start":
            from bench.starting import run_start

            run_start()
        case _:
            from bench.whole import run_all

            run_all(
                _chosen(arguments.only), size=arguments.size or "small", quick=arguments.quick,
                authenticated=not arguments.strangers,
            )  # fmt: skip
    return 0


def asked(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line (or `words`) asks for; ends the process where a command would ignore an option."""
    parser = _parser()
    arguments = parser.parse_args(words)
    used = USED.get(arguments.command, ())
    of_no_use = [f"--{name}" for name in OPTIONS if getattr(arguments, name) and name not in used]
    if of_no_use:
        said = ", ".join(of_no_use)
        parser.error(f"{arguments.command} does not use {said}; leave that out, or name no command: the table uses it")
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="The benchmarks.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a minute instead of four")
    parser.add_argument("--only", nargs="+", choices=[case.name for case in CASES], help="measure these cases alone")
    parser.add_argument("--size", choices=("small", "large"), help="ten thousand rows (unless told) or a million")
    parser.add_argument(
        "--strangers", action="store_true", help="let neither ruler run the statement that finds out who is asking"
    )
    commands = parser.add_subparsers(dest="command")
    comparing = commands.add_parser("compare", help="compare two runs")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    keeping = commands.add_parser("keep", help="put the last run, of the table and of growth, on top of figures.md")
    keeping.add_argument("--title", default="", help="what was special about it")
    commands.add_parser("growth", help="compare the cost at a million rows with that at ten thousand")
    relaying = commands.add_parser("relay", help="events per second, beside a bare producer")
    relaying.add_argument("--events", type=int, help="how many are sent each way; for each client its own number")
    soaking = commands.add_parser("soak", help="mixed load for long: memory, connections and lag")
    soaking.add_argument("--minutes", type=float, default=30.0)
    soaking.add_argument("--pace", type=float, default=1.0, help="how much of the usual pace, such as 0.5")
    commands.add_parser("start", help="seconds from the start of a web server to its first answer")
    return parser


def _chosen(names: list[str] | None) -> list[Case]:
    return [case for case in CASES if not names or case.name in names]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
