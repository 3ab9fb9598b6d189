"""A server of public keys whose mood a file sets, for tests: `python keys_server.py PORT FOLDER`.

FOLDER/mood says what it does (good, hang, error, garbage, deep, empty, huge, redirect); FOLDER/jwks.json is what a
good one sends; each request adds a line to FOLDER/asked, but for /ready, by which a test learns that it listens.
"""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(sys.argv[2])


class Keys(BaseHTTPRequestHandler):
    """Answers each request as the mood is."""

    def do_GET(self) -> None:
        if self.path == "/ready":
            self.send_response(204)
            self.end_headers()
            return
        with (FOLDER / "asked").open("a") as asked:
            asked.write(f"{self.path}\n")
        mood = (FOLDER / "mood").read_text()
        good = (FOLDER / "jwks.json").read_bytes()
        if mood == "hang":
            threading.Event().wait(60)
        if self.path == "/elsewhere":
            mood = "good"
        status = {"error": 500, "redirect": 302}.get(mood, 200)
        body = {
            "garbage": b"\x00{not json", "deep": b"[" * 100_000, "empty": b'{"keys": []}',
            "huge": b'{"keys": [' + b" " * 20_000_000,
        }.get(mood, good)  # fmt: skip
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if mood == "redirect":
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Keys).serve_forever()
