"""`python -m chaos`: run the fault suite, print its figures; the exit status is 1 where anything was violated."""

import argparse
import secrets
import signal
import sys
from pathlib import Path

from chaos import report
from chaos.faults import FAULTS, MAIN, named
from chaos.whole import Outcome, run

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m chaos", description="The fault suite.")
    parser.add_argument("--seed", type=int, default=None, help="of load and faults; another one each time if not given")
    parser.add_argument(
        "--seconds",
        type=float,
        default=240,
        help="until which faults come again; each comes once however long it takes",
    )
    parser.add_argument(
        "--faults", default="", help="names, separated by commas: all unless given; `main`: the short cut"
    )
    parser.add_argument("--once", action="store_true", help="each fault a single time")
    parser.add_argument("--directory", type=Path, default=ROOT / "var" / "chaos", help="of data and logs")
    parser.add_argument("--write", action="store_true", help="write docs/security/figures.md")
    given = parser.parse_args()
    names = list(MAIN) if given.faults == "main" else [one.strip() for one in given.faults.split(",") if one.strip()]
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    faults = named(names) if names else list(FAULTS)
    outcome = Outcome(seed, given.seconds, [fault.name for fault in faults])
    try:
        run(outcome, faults, given.directory, once=given.once)
    except BaseException:  # stopped, or broken: what it did not come to proves nothing
        print("\n".join(report.not_tested(outcome)), file=sys.stderr)
        raise
    print(report.table(outcome))
    if given.write:
        report.write(outcome)
    for rule in dict.fromkeys(one.rule for one in outcome.violations):
        found = [one.what for one in outcome.violations if one.rule == rule]
        print(f"VIOLATED: {rule}: {len(found)} times")
        print("".join(f"  {what}\n" for what in found[:10]), end="")
    return 1 if outcome.violations else 0


def stop(number: int, frame: object) -> None:
    """End in order: once, for a second signal in the middle of it would leave processes behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit("stopped")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("stopped")
