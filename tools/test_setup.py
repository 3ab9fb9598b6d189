"""What `make test` needs besides Python: Chromium, Java 17, Maven, Keycloak, kustomize. Found, or fetched, or named."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The first is the same browser without its windows, which cost as much as all it does for the journeys.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Check the browser and Kafka's tools; say what to install where one is missing."""
    missing = [*browser(), *kafka()]
    if not missing:
        keycloak()
        kustomize()
    if missing:
        sys.exit("Tests need more than is here:\n  " + "\n  ".join(missing))


def installed_browser() -> str | None:
    """The Chromium that is here, or that CHROMIUM names; None leaves Playwright its own download."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


def browser() -> list[str]:
    """A Chromium of the system, else Playwright's own download."""
    if installed_browser():
        return []
    playwright = Path(sys.executable).parent / "playwright"
    if subprocess.run([playwright, "install", "chromium"], check=False).returncode == 0:
        return []
    return ["a Chromium: `apt install chromium-headless-shell` or chromium, or name one in CHROMIUM"]


def kafka() -> list[str]:
    """Java and Maven, unless a broker is named."""
    if os.environ.get("CAREAPP_TEST_KAFKA"):
        return []
    needed = {"java": "Java 17: `apt install openjdk-17-jre-headless`", "mvn": "Maven: `apt install maven`"}
    return [how for tool, how in needed.items() if not shutil.which(tool)]


def keycloak() -> None:
    """Fetch and prepare Keycloak; where that fails, its tests say NOT TESTED."""
    setup = subprocess.run([sys.executable, "-m", "tools.keycloak.server"], cwd=ROOT, check=False)
    if setup.returncode:
        print("Sign-in through Keycloak will not be tested.", file=sys.stderr)


def kustomize() -> None:
    """Find kustomize, or make it; where neither can be, the manifests' tests say NOT TESTED."""
    setup = subprocess.run([sys.executable, "-m", "tools.kustomize"], cwd=ROOT, check=False)
    if setup.returncode:
        print("The Kubernetes manifests will not be tested.", file=sys.stderr)


if __name__ == "__main__":
    main()
