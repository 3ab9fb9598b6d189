"""What is good enough, and whether a run was: thresholds by kind of request, printed beside what was measured."""

from typing import Any

MOST_FAILURES = 0.01  # of all requests
FEWEST = 20  # requests of a kind, before its p95 says anything
# Milliseconds in which 95 of 100 are answered; the first beginning that fits a name counts. The requirements name no
# figures; these are what a person takes for "at once" (a page) and what a caller with a limit of a second needs (API).
P95 = (
    ("sign in", 2000), ("/sign-in", 500), ("/internal", 250), ("/api", 300), ("/today poll", 150),
    ("/episodes poll", 150), ("/", 500),
)  # fmt: skip


def allowed(name: str) -> int:
    """The threshold of a kind of request."""
    return next(limit for beginning, limit in P95 if name.startswith(beginning))


def judge(stats: Any, faults: int) -> int:
    """Print the verdict; 0 where all was kept, 1 where not, 2 where nothing was measured.

    `faults` are errors of the plan itself: a page was not what it should be, so somebody could not go on.
    """
    total = stats.total
    if not total.num_requests:
        print("\nNothing was measured.")
        return 2
    kept = total.fail_ratio <= MOST_FAILURES and not faults
    print(f"\n{'':7} {'p95 ms':>7} {'at most':>8} {'count':>7}  what")
    for entry in sorted(stats.entries.values(), key=lambda one: one.name):
        measured, limit = entry.get_response_time_percentile(0.95) or 0, allowed(entry.name)
        known = entry.num_requests >= FEWEST
        word = "few" if not known else "kept" if measured <= limit else "MISSED"
        kept = kept and word != "MISSED"
        print(f"{word:7} {measured:7.0f} {limit:8} {entry.num_requests:7}  {entry.method} {entry.name}")
    word = "kept" if total.fail_ratio <= MOST_FAILURES else "MISSED"
    print(f"{word:7} failures {total.fail_ratio:.2%} of {total.num_requests} requests, at most {MOST_FAILURES:.0%}")
    print(f"{'MISSED' if faults else 'kept':7} {faults} faults of the plan, at most 0")
    return 0 if kept else 1
