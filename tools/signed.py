"""Headers that sign one GET of the portal's routes with the key of `make run`, for `curl -H @-`:

    .venv/bin/python tools/signed.py PATH | curl -H @- http://127.0.0.1:8000PATH

They are good for this request, once, within a minute; a retry needs new ones.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(path_with_query: str) -> None:
    """Print the headers, one a line."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    from careapp.signing import signed_headers  # here, because only now it is found
    from tools.run import settings_for_all

    tenant, key_id, secret = settings_for_all().internal_signing_keys()[0]
    headers = signed_headers("GET", path_with_query, b"", tenant=tenant, key_id=key_id, secret=secret)
    print("\n".join(f"{name}: {value}" for name, value in headers.items()))


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].startswith("/"):
        sys.exit(str(__doc__))
    main(sys.argv[1])
