"""The embedded PostgreSQL of development and tests: it runs as long as any process holds a lease on it.

`lease(directory)` starts or joins the server that lives in a directory. The parts: `place` names the files, `locks`
wraps the kernel's file locks, `account` says which system user runs the server, `server` runs PostgreSQL's own
programs, `guard` is the process that owns the server, `leasing` is what callers use, `bootstrap` makes roles, database
and schema (on any PostgreSQL, not only this one).
"""

from careapp.localdb.addresses import Addresses, libpq_url
from careapp.localdb.errors import LocalDatabaseError
from careapp.localdb.leasing import lease, stop

__all__ = ["Addresses", "LocalDatabaseError", "lease", "libpq_url", "stop"]
