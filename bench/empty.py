"""The ruler of the server: an application with one empty view, and nothing of ours in it."""

from flask import Flask, Response

app = Flask(__name__)


@app.route("/", defaults={"path": ""}, methods=["GET", "POST", "PATCH"])
@app.route("/<path:path>", methods=["GET", "POST", "PATCH"])
def nothing(path: str) -> Response:
    """Answer nothing, whatever is asked for."""
    return Response("", 204)
