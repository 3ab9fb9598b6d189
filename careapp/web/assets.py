"""Addresses of static files that change with their content, so that browsers may keep a file for a year."""

import hashlib
import os
from functools import lru_cache
from pathlib import Path

from flask import Flask, Response, current_app, request, url_for

YEAR = 365 * 24 * 3600  # seconds
CHANGES = "careapp.assets_change"


@lru_cache(maxsize=64)
def _fingerprint(path: Path, modified: int) -> str:
    """First 12 hex digits of the file's sha256; `modified` makes a changed file a new entry while developing."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """Return the address of static file `name` with its content's fingerprint.

    Raises FileNotFoundError for a name that does not exist: a page must not be sent with a dead link in its head.
    """
    return _address(request.root_path, name, _modified(name))


def _modified(name: str) -> int:
    """When a file was changed, where files do change; raises FileNotFoundError then."""
    changes: bool = current_app.extensions[CHANGES]
    return os.stat(_path(name)).st_mtime_ns if changes else 0


@lru_cache(maxsize=64)
def _address(root: str, name: str, modified: int) -> str:
    """The address below `root`, where the application stands; each page asks for nine."""
    return url_for("static", filename=name, v=_fingerprint(_path(name), modified))


def _path(name: str) -> Path:
    return Path(current_app.static_folder or "", name)


def _keep_fingerprinted(response: Response) -> Response:
    """Let browsers keep a static file that was asked for by its fingerprint.

    By its own: while two versions of the application serve side by side, one is asked for files of the other, and must
    not have its own kept under their addresses.
    """
    if request.endpoint == "static" and "v" in request.args and response.status_code in (200, 304):
        name: str = (request.view_args or {})["filename"]
        if request.args["v"] != _fingerprint(_path(name), _modified(name)):
            return response
        response.cache_control.no_cache = None
        response.cache_control.public = True
        response.cache_control.max_age = YEAR
        response.cache_control.immutable = True
    return response


def _in_one_piece(response: Response) -> Response:
    """Let a file leave as a whole: in pieces, it would hold a thread for as long as its reader does not read."""
    if response.direct_passthrough:
        response.direct_passthrough = False
        response.set_data(response.get_data())
    return response


def init_assets(app: Flask, *, changing: bool = True) -> None:
    """Give templates `asset(name)` and set the caching of what it points at. Unless they are `changing`, as on a
    developer's machine, files are looked at once.
    """
    app.extensions[CHANGES] = changing
    app.add_template_global(asset)
    app.after_request(_keep_fingerprinted)
    app.after_request(_in_one_piece)
