"""Imported by processes whose clock the suite sets: libfaketime fails a sleep that has just run out, and this does not.

Its replacement of clock_nanosleep() answers EINVAL where the moment has passed; the kernel's own simply returns.
"""

import errno
import time
from typing import SupportsIndex

_sleep = time.sleep


def sleep(seconds: float | SupportsIndex) -> None:
    """Sleep as ever."""
    try:
        _sleep(seconds)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


time.sleep = sleep
