"""Crash points: named places where a test ends a process as a power cut would; without the variable nothing happens.

Those of `NAMES` are the relay's; `before_answer` lies between the commit of a request and its answer.
"""

import os
import signal
import threading

# `after_send`; `after_send:3`: the third time the place is reached; `after_send:3*2`: once two threads stand there
VARIABLE = "CAREAPP_CRASH_POINT"
NAMES = ("after_lock", "after_send", "before_mark", "before_commit")

_times_reached = 0
_standing_here: set[int] = set()


def reached(name: str) -> None:
    """Kill this process (SIGKILL, nothing is cleaned up) when the environment names this place and its turn is now."""
    global _times_reached
    place, _, together = os.environ.get(VARIABLE, "").partition("*")
    wanted, _, turn = place.partition(":")
    if name != wanted:
        return
    _times_reached += 1
    if _times_reached < int(turn or 1):
        return
    _standing_here.add(threading.get_ident())
    if len(_standing_here) >= int(together or 1):
        os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()  # until the others stand here too
