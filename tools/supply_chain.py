"""`make audit`: what is in the application (a CycloneDX bill of materials in var/) and what is known against it.

Ends with 1 where an advisory names a locked dependency. Where no advisory database can be reached, it says loudly that
nothing was checked, and how many dependencies that concerns.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "requirements" / "app.txt"
BILL = ROOT / "var" / "sbom.cdx.json"
BIN = Path(sys.executable).parent


def main() -> int:
    """Write the bill, ask for advisories, and say both in a few lines."""
    names = write_bill()
    print(f"{BILL.relative_to(ROOT)}: {len(names)} components, each with its hashes (CycloneDX)")
    found, unchecked = advisories()
    for line in found:
        print(f"VULNERABLE: {line}")
    if unchecked:
        print(f"NOT CHECKED for advisories: {len(unchecked)} of {len(names)} dependencies. No database of advisories")
        print("answers from this machine; run `make audit` where the network reaches one.")
    elif not found:
        print("No advisory names any of them.")
    return 1 if found else 0


def write_bill() -> set[str]:
    """Write the bill of materials of what is locked and return the names in it. Raises where one has no hash."""
    BILL.parent.mkdir(exist_ok=True)
    subprocess.run(
        [BIN / "cyclonedx-py", "requirements", LOCKED, "--output-reproducible", "--of", "JSON", "-o", BILL],
        check=True, capture_output=True,
    )  # fmt: skip
    components = json.loads(BILL.read_text())["components"]
    bare = [one["name"] for one in components if not _hashes(one)]
    if bare:
        raise SystemExit(f"no hash stands beside {', '.join(bare)} in {LOCKED.name}")
    return {one["name"] for one in components}


def _hashes(component: dict[str, object]) -> list[object]:
    """The hashes of a component, which stand at the places it can be had from."""
    places = component.get("externalReferences", [])
    assert isinstance(places, list)
    return [one for place in places for one in place.get("hashes", [])]


def advisories() -> tuple[list[str], list[str]]:
    """What is known against the locked dependencies, and the names of those nobody could be asked about."""
    asked = subprocess.run(
        [BIN / "pip-audit", "-r", LOCKED, "--require-hashes", "--disable-pip", "-f", "json",
         "--progress-spinner", "off"],
        capture_output=True, text=True,
    )  # fmt: skip
    locked = [line.split("==")[0] for line in LOCKED.read_text().splitlines() if "==" in line and line[:1].isalpha()]
    if not asked.stdout.strip():
        return [], locked
    told = json.loads(asked.stdout)["dependencies"]
    found = [
        f"{one['name']} {one['version']}: {', '.join(known['id'] for known in one['vulns'])}"
        for one in told if one.get("vulns")
    ]  # fmt: skip
    return found, [one["name"] for one in told if "skip_reason" in one]


if __name__ == "__main__":
    sys.exit(main())
