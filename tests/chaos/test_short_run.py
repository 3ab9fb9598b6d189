"""A short run of the fault suite with a fixed seed: the main faults, once each, under load, and no violation."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.kafka.jars import BrokerError, class_path, program

ROOT = Path(__file__).resolve().parents[2]

# With the tests of the broker on one worker: two loads at a time would measure each other.
pytestmark = pytest.mark.xdist_group("kafka")


def test_the_main_faults_lose_nothing(tmp_path: Path) -> None:
    try:
        program("java", "Java")
        class_path()
    except BrokerError as error:
        pytest.skip(f"NOT TESTED: the fault suite with Kafka: {error}")
    directory = ROOT / "var" / "tests" / "chaos"
    run = subprocess.run(
        [sys.executable, "-m", "chaos", "--seed", "4", "--faults", "main", "--once", "--directory", str(directory)],
        cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}\nthe logs are in {directory}"
    assert "seed 4" in run.stdout
