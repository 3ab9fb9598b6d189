"""One Keycloak as a child process, with its data in memory: fetched by Maven once, prepared once, started in seconds.

`python -m tools.keycloak.server` fetches and prepares it, which `make test` does beforehand.
"""

import os
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tools.kafka.jars import BrokerError, alone, program
from tools.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
VERSION = "26.4.2"
PLACE = ROOT / "var" / "keycloak"
HOME = PLACE / f"keycloak-{VERSION}"
READY = PLACE / f"{VERSION}.ready"
ARTEFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
TIED = ROOT / "tools" / "kafka" / "tied.py"
START_SECONDS, STOP_SECONDS = 120, 20
ADMIN = "admin"
JAVA_OPTIONS = (
    "-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.security=ALL-UNNAMED", "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
    "-Dpicocli.disable.closures=true", f"-Dkc.home.dir={HOME}", f"-Djboss.server.config.dir={HOME / 'conf'}",
)  # fmt: skip
# The system kills a tied child when the *thread* that started it ends; this one lasts as long as the process.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keycloak-starter")


def prepare() -> None:
    """Fetch and build it, unless that was done; other processes wait. Raises BrokerError where it cannot be had."""
    with alone(PLACE / "lock"):
        if not READY.exists():
            java()
            _unpack()
            _run("sh", str(HOME / "bin" / "kc.sh"), "build", "--db=dev-mem")
            READY.touch()


def java() -> str:
    """The Java that runs it. Raises BrokerError where there is none."""
    return program("java", "a Java runtime, 17 or later (Debian and Ubuntu: apt install openjdk-17-jre-headless)")


def _unpack() -> None:
    maven = program("mvn", "Maven (Debian and Ubuntu: apt install maven)")
    copied = PLACE / "zip"
    _run(maven, "-q", "-B", "dependency:get", f"-Dartifact={ARTEFACT}", "-Dtransitive=false")
    _run(maven, "-q", "-B", "dependency:copy", f"-Dartifact={ARTEFACT}", f"-DoutputDirectory={copied}")
    [archive] = copied.glob("*.zip")
    with zipfile.ZipFile(archive) as whole:
        whole.extractall(PLACE)
    archive.unlink()


def _run(*command: str) -> None:
    outcome = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PLACE)
    if outcome.returncode != 0:
        raise BrokerError(f"Keycloak could not be prepared:\n{outcome.stdout[-2000:]}{outcome.stderr[-2000:]}")


class Keycloak:
    """A running Keycloak; as a context manager it starts and stops itself. `directory` takes its log."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "keycloak.log"
        self._password = os.urandom(12).hex()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        prepare()
        command = [
            sys.executable, str(TIED), str(os.getpid()), java(), *JAVA_OPTIONS, "-cp",
            str(HOME / "lib" / "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint", "start",
            "--optimized", "--http-enabled=true", "--hostname-strict=false", f"--http-port={self.port}",
            "--http-host=127.0.0.1", "--cache=local",
        ]  # fmt: skip
        admin = {"KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": self._password}
        with self.log.open("ab") as log:
            self._process = _starter.submit(
                subprocess.Popen[bytes], command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                process_group=0, env=os.environ | admin,
            ).result()  # fmt: skip
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A call of the admin API below /admin/realms. Raises httpx.HTTPStatusError for a refusal."""
        form = {"grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": self._password}
        with httpx.Client(base_url=self.url, timeout=30) as client:
            granted = client.post("/realms/master/protocol/openid-connect/token", data=form).raise_for_status()
            bearer = {"Authorization": f"Bearer {granted.json()['access_token']}"}
            answer = client.request(method, f"/admin/realms{path}", json=body, headers=bearer)
        return answer.raise_for_status()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/realms/master", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.2)
        raise BrokerError(f"Keycloak did not start. The end of {self.log}:\n{self.log.read_text()[-3000:]}")


if __name__ == "__main__":
    try:
        prepare()
    except BrokerError as missing:
        sys.exit(str(missing))
