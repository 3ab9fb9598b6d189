"""An instance: a web server of the Procfile as processes of its own, on the database of the tests."""

import os
import subprocess
import sys
from pathlib import Path

from apiflask import APIFlask

from bench.servers import wait_for, web_command
from tests.conftest import ROOT
from tests.database import TestDatabase
from tools.ports import free_port


class Instance:
    """A web server of the Procfile, and the process group it leads."""

    def __init__(self, environment: dict[str, str], log: Path, *, workers: int = 1) -> None:
        self.port = free_port()
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                ["sh", "-c", f"exec {web_command()}"], cwd=ROOT, start_new_session=True, stdout=file, stderr=file,
                env={**os.environ, **environment, "PATH": path, "PORT": str(self.port), "WEB_WORKERS": str(workers)},
            )  # fmt: skip
        wait_for(self.port, self.process, log)

    def signal(self, number: int) -> None:
        """Send a signal to all its processes."""
        os.killpg(self.process.pid, number)


def shared_settings(app: APIFlask, database: TestDatabase, var: Path) -> dict[str, str]:
    """What instances have in common with the application of the test: the database and the secrets."""
    settings = app.config["SETTINGS"]
    return {
        "CAREAPP_ENV": "development", "CAREAPP_VAR": str(var), "DATABASE_URL": database.app,
        "SECRET_KEY": settings.secret_key.get_secret_value(), "JWT_SECRET": settings.jwt_secret.get_secret_value(),
    }  # fmt: skip
