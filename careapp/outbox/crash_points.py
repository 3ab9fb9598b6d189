"""Crash points: named places where a test ends a process as a power cut would; without the variable nothing happens.

Those of `NAMES` are the relay's; `before_answer` lies between the commit of a request and its answer.
"""

import os
import signal

VARIABLE = "CAREAPP_CRASH_POINT"  # `after_send`, or `after_send:3` for the third time the place is reached
NAMES = ("after_lock", "after_send", "before_mark", "before_commit")

_times_reached = 0


def reached(name: str) -> None:
    """Kill this process (SIGKILL, nothing is cleaned up) when the environment names this place and its turn is now."""
    global _times_reached
    wanted, _, turn = os.environ.get(VARIABLE, "").partition(":")
    if name != wanted:
        return
    _times_reached += 1
    if _times_reached >= int(turn or 1):
        os.kill(os.getpid(), signal.SIGKILL)
