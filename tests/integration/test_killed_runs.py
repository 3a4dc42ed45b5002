"""`kill -9` at 300 random points of runs: nothing that was recorded is lost, paid for again or done again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("killed_runs.py")


@pytest.mark.once
def test_sigkill_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    """300 kills in real processes: every record that anyone was told of is kept, and no recorded answer or tool effect happens twice."""
    done = subprocess.run([sys.executable, SCRIPT, tmp_path, "300", "1"], capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] >= 300
    assert found["records lost"] == 0
    assert found["journals rewritten"] == 0
    assert found["recorded answers repeated"] == 0
    assert found["tool effects doubled"] == 0
    # Otherwise nothing was ever killed in the middle of a call, and the test would show nothing.
    assert found["model calls"] > found["model answers recorded"]
