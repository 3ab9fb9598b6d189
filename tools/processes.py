"""honcho, as `make run` starts it; what it is told to end while it starts them, it ends as well."""

import sys
from contextlib import suppress

import honcho.command
from honcho.manager import Manager


class Ending(Manager):  # type: ignore[misc]
    """Waits for the number of each process before it ends them.

    honcho's own knows no number yet in the moments between the start and the first message, stumbles over that in its
    signal handler, and then waits for ever for processes that nobody has told to end.
    """

    _told = False

    def terminate(self) -> None:
        """End all, now or as soon as all have started."""
        self._told = True
        self._all_started()

    def _all_started(self) -> bool:  # asked at each turn of the loop
        started: bool = super()._all_started()
        if started and self._told:
            super().terminate()
        return started

    def _system_print(self, data: str) -> None:
        with suppress(RuntimeError):  # told in the middle of another line, which may not be written into
            super()._system_print(data)


if __name__ == "__main__":
    honcho.command.Manager = Ending
    sys.exit(honcho.command.main())
