"""`python -m bench`: measure and print a table; `python -m bench compare A.json B.json`: two runs side by side."""

import argparse
import sys
from pathlib import Path

from bench import report
from bench.cases import CASES


def main() -> int:
    """Read the command line and do what it says; the answer is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="The benchmarks.")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: half a minute instead of two")
    parser.add_argument("--only", nargs="+", choices=[case.name for case in CASES], help="measure these cases alone")
    parser.add_argument(
        "--authenticated", action="store_true", help="let both rulers find out who is asking, as the application does"
    )
    commands = parser.add_subparsers(dest="command")
    comparing = commands.add_parser("compare", help="compare two runs")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "compare":
        print(report.compare(arguments.before, arguments.after))
        return 0
    from bench.whole import run_all  # here, so that a comparison starts nothing of the application

    run_all(quick=arguments.quick, only=arguments.only, authenticated=arguments.authenticated)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
