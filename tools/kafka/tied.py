"""Become another program that dies with the process that started it: `python tied.py PARENT_PID PROGRAM ARGUMENT…`.

Linux kills the program itself when its parent ends, even by SIGKILL and even while the program is frozen. Elsewhere
there is no such service and the program runs untied. The new process has to ask for it itself, before it becomes the
program; a function run between fork and exec would do too, but is not safe in a process that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>


def main(parent: int, command: list[str]) -> None:
    """Tie this process to its parent and replace it by the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before the tie was made
            sys.exit("the process that wanted this program has ended")
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
