"""Whether memory grew over a soak: each process in the last third of the readings, beside the third before it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WARM = 1 / 6  # of the readings at the beginning that say nothing of what grows
# What a process may rise by in an hour, the higher of both. While its caches filled, a worker of 160 MB rose by 6.7 MB
# an hour between these thirds of half an hour (commit 3cec923), and by less in a soak of an hour. Of such a worker 5 %
# is as much, and what is larger may rise by more.
MOST, MOST_PART = 8.0, 0.05  # MB, part of its memory
# Minutes. In half an hour (commit af1ac70) caches of web filled until into the last third, nine minutes after the one
# before: 1.3 MB were 8.8 an hour, though its last eight minutes gained nothing.
LONG_ENOUGH = 45.0


@dataclass(frozen=True)
class Growth:
    """What a process rose by from one third to the next: its MB in the latter, the MB more, the minutes between."""

    process: str
    memory: float
    more: float
    minutes: float

    @property
    def an_hour(self) -> float:
        """MB an hour."""
        return self.more / self.minutes * 60

    @property
    def grew(self) -> bool:
        """Whether that is more than it may be."""
        return self.an_hour > max(MOST, MOST_PART * self.memory)


def growths(readings: Sequence[dict[str, Any]]) -> list[Growth]:
    """What each process rose by, as medians of the thirds after warming up; none where that was too short to tell."""
    if readings[-1]["minute"] < LONG_ENOUGH:
        return []
    warm = readings[int(len(readings) * WARM) :]
    third = len(warm) // 3
    second, last = warm[-2 * third : -third], warm[-third:]
    minutes = statistics.median(one["minute"] for one in last) - statistics.median(one["minute"] for one in second)
    found = []
    for process in last[-1]["memory"]:
        before, after = (
            statistics.median(one["memory"].get(process, 0.0) for one in part) for part in (second, last)
        )  # fmt: skip
        found.append(Growth(process, after, after - before, minutes))
    return found


def verdict(found: Sequence[Growth]) -> str:
    """That in words, a line for each process."""
    if not found:
        return f"Whether memory grew cannot be told in less than {LONG_ENOUGH:g} minutes."
    return "\n".join(
        f"- memory of {one.process}: {one.more:+.1f} MB in {one.minutes:.0f} minutes, {one.an_hour:+.1f} MB an hour:"
        f" {'grew' if one.grew else 'did not grow'}"
        for one in found
    )
