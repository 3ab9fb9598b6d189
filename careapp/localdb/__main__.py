"""`python -m careapp.localdb stop DIRECTORY`: stop the embedded PostgreSQL in a directory."""

import argparse
import sys
from pathlib import Path

from careapp.localdb.errors import LocalDatabaseError
from careapp.localdb.leasing import stop


def main() -> int:
    """Read the command line and do what it says; the answer is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m careapp.localdb", description="The embedded PostgreSQL.")
    parser.add_argument("command", choices=["stop"])
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    try:
        stop(arguments.directory)
    except LocalDatabaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
