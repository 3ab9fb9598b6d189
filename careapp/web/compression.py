"""Compression of pages and static files, for browsers that take gzip: a page's first load shrinks to a fifth.

The JSON surfaces are left to a proxy: their answers are small, and their callers near.
"""

import gzip
import secrets
from functools import lru_cache
from io import BytesIO

from flask import Flask, Response, request

KINDS = frozenset({"text/html", "text/css", "text/javascript", "application/javascript", "image/svg+xml"})
WORTH_IT = 1024  # bytes; what is smaller travels in one packet anyhow
QUICK, SMALL = 4, 9  # levels: for a page, made each time; for a file, made once


def init_compression(app: Flask) -> None:
    """Compress what leaves, after all else has looked at it: call it before anything else adds an after_request."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if request.blueprint in ("api", "internal") or response.status_code in (204, 206):
        return response
    if response.mimetype not in KINDS or "Content-Encoding" in response.headers:
        return response
    if not request.accept_encodings["gzip"]:
        return response
    response.vary.add("Accept-Encoding")
    response.direct_passthrough = False
    plain = response.get_data()
    if len(plain) < WORTH_IT:
        return response
    static = request.endpoint == "static"
    response.set_data(_file(plain) if static else _page(plain))
    response.headers["Content-Encoding"] = "gzip"
    if static:
        response.set_etag(response.get_etag()[0] or "", weak=True)  # the bytes differ from those of the file
    return response


@lru_cache(maxsize=64)
def _file(plain: bytes) -> bytes:
    return gzip.compress(plain, SMALL, mtime=0)


def _page(plain: bytes) -> bytes:
    """A page's bytes, with up to 100 random ones in the header: a page's length must not tell of its CSRF token what
    somebody guesses into it (BREACH; the measure is that of Karakostas and others, "Heal the Breach", 2022).
    """
    out = BytesIO()
    padding = "x" * secrets.randbelow(100)
    with gzip.GzipFile(filename=padding, mode="wb", compresslevel=QUICK, fileobj=out, mtime=0) as file:
        file.write(plain)
    return out.getvalue()
