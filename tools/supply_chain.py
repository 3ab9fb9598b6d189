"""`make audit`: what is in the application (a CycloneDX bill of materials in var/) and what is known against it.

The bill has the locked dependencies, the second Kafka client's too (scope `optional`: an installation may do without),
and the scripts, style sheets and fonts taken over from npm. Ends with 1 where an advisory names a locked dependency.
Where no advisory database can be reached, it says loudly that nothing was checked, and how many dependencies that
concerns. For what is from npm nobody is asked: a program that reads bills of materials can.
"""

import base64
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "requirements" / "confluent.txt"  # all that app.txt has, and the optional client
ALWAYS = ROOT / "requirements" / "app.txt"
TAKEN_OVER = ROOT / "careapp" / "static" / "vendor"
BILL = ROOT / "var" / "sbom.cdx.json"
BIN = Path(sys.executable).parent


def main() -> int:
    """Write the bill, ask for advisories, and say both in a few lines."""
    names, locked = write_bill(), names_in(LOCKED)
    print(f"{BILL.relative_to(ROOT)}: {len(names)} components, each with its hashes (CycloneDX)")
    found, unchecked = advisories()
    for line in found:
        print(f"VULNERABLE: {line}")
    if unchecked:
        print(f"NOT CHECKED for advisories: {len(unchecked)} of {len(locked)} dependencies. No database of advisories")
        print("answers from this machine; run `make audit` where the network reaches one.")
    elif not found:
        print("No advisory names any of them.")
    print(
        f"NOT CHECKED here: {', '.join(sorted(names - locked))} (npm). Give the bill to a program that knows npm, too."
    )
    return 1 if found else 0


def names_in(file: Path) -> set[str]:
    """The names of what a file locks."""
    lines = file.read_text().splitlines()
    return {re.split(r"==|\[", line)[0] for line in lines if "==" in line and line[:1].isalpha()}


def write_bill() -> set[str]:
    """Write the bill of materials and return the names in it. Raises where something has no hash, or another one."""
    BILL.parent.mkdir(exist_ok=True)
    subprocess.run(
        [BIN / "cyclonedx-py", "requirements", LOCKED, "--output-reproducible", "--of", "JSON", "-o", BILL],
        check=True, capture_output=True,
    )  # fmt: skip
    bill = json.loads(BILL.read_text())
    components, always = bill["components"], names_in(ALWAYS)
    bare = [one["name"] for one in components if not _hashes(one)]
    if bare:
        raise SystemExit(f"no hash stands beside {', '.join(bare)} in {LOCKED.name}")
    for one in components:
        one["scope"] = "required" if one["name"] in always else "optional"
    components += taken_over()
    BILL.write_text(json.dumps(bill, indent=2) + "\n")
    return {one["name"] for one in components}


def taken_over() -> list[dict[str, Any]]:
    """The files taken over from npm, as their README lists them. Raises where it lists others, or another content."""
    row = r"^\| `([^`]+)` \| .* \| `(pkg:npm/([^`@]+)@([^`]+))` \| (\S+) .*`([\w+/]{64})` \|$"
    listed = re.findall(row, (TAKEN_OVER / "README.md").read_text(), re.M)
    there = {file.name for file in TAKEN_OVER.iterdir() if file.name != "README.md" and "LICENSE" not in file.name}
    if wrong := there ^ {name for name, *_ in listed}:
        raise SystemExit(f"{TAKEN_OVER.name}/README.md does not say what is there: {', '.join(sorted(wrong))}")
    components = []
    for name, package, path, version, licence, sha in listed:
        digest = hashlib.sha384((TAKEN_OVER / name).read_bytes()).digest()
        if base64.b64encode(digest).decode() != sha:
            raise SystemExit(f"{name} is not the file that {TAKEN_OVER.name}/README.md has the hash of")
        components.append({
            "bom-ref": name, "type": "library", "name": unquote(path), "version": version, "purl": package,
            "scope": "required", "licenses": [{"license": {"id": licence}}],
            "hashes": [{"alg": "SHA-384", "content": digest.hex()}],
        })  # fmt: skip
    return components


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
    if not asked.stdout.strip():
        return [], sorted(names_in(LOCKED))
    told = json.loads(asked.stdout)["dependencies"]
    found = [
        f"{one['name']} {one['version']}: {', '.join(known['id'] for known in one['vulns'])}"
        for one in told if one.get("vulns")
    ]  # fmt: skip
    return found, [one["name"] for one in told if "skip_reason" in one]


if __name__ == "__main__":
    sys.exit(main())
