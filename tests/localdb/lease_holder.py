"""A program that holds a lease until its input ends: `python lease_holder.py DIRECTORY [fork]`.

It prints the address of the app role; with `fork` also the number of a forked child that has no lease of its own.
"""

import os
import sys
import time
from pathlib import Path

from careapp.localdb import lease

addresses = lease(Path(sys.argv[1]))
if "fork" in sys.argv:
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    print(child, flush=True)
print(addresses.app, flush=True)
sys.stdin.read()
