"""CPU time and memory of process trees, and CPU time of the whole machine, read from /proc."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds
PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
_STATE, _PARENT, _USER, _CHILDREN_SYSTEM = 0, 1, 11, 14  # fields of /proc/N/stat after the name, counted from its state
_IDLE, _WAITING = 3, 4  # fields of the first line of /proc/stat


@dataclass(frozen=True)
class Usage:
    """CPU seconds used so far: by each process tree asked for, and by everything on the machine."""

    trees: dict[str, float]
    machine: float

    def since(self, before: "Usage") -> "Usage":
        """What was used between two readings."""
        return Usage(
            {name: self.trees[name] - before.trees[name] for name in self.trees}, self.machine - before.machine
        )


def usage(leaders: dict[str, int]) -> Usage:
    """CPU seconds of each tree, from the process that leads it. What ended children used counts for their parent."""
    processes = dict(_processes())
    children: dict[int, list[int]] = {}
    for number, (parent, _) in processes.items():
        children.setdefault(parent, []).append(number)

    def total(number: int) -> float:
        own = processes[number][1] if number in processes else 0.0
        return own + sum(total(child) for child in children.get(number, ()))

    return Usage({name: total(leader) for name, leader in leaders.items()}, _machine())


def _processes() -> Iterable[tuple[int, tuple[int, float]]]:
    """Each process's number, its parent and its CPU seconds."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
                continue
            seconds = sum(map(int, fields[_USER : _CHILDREN_SYSTEM + 1])) * TICK
            yield int(entry.name), (int(fields[_PARENT]), seconds)


def _machine() -> float:
    """Busy CPU seconds of the whole machine since it started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[_IDLE] - fields[_WAITING]) * TICK


def resident(leaders: dict[str, int]) -> dict[str, float]:
    """Memory in MB that is in use (RSS) by each tree's leader and by each of its children, by name and place."""
    children: dict[int, list[int]] = {}
    for number, (parent, _) in _processes():
        children.setdefault(parent, []).append(number)
    found: dict[str, float] = {}

    def add(name: str, number: int) -> None:
        pages = _resident_pages(number)
        if pages:
            found[name] = pages * PAGE / 2**20
        for place, child in enumerate(sorted(children.get(number, ())), 1):
            add(f"{name} {place}", child)

    for name, leader in leaders.items():
        add(name, leader)
    return found


def _resident_pages(number: int) -> int:
    """How many pages of memory a process has; 0 once it has ended."""
    try:
        return int(Path(f"/proc/{number}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
