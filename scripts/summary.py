"""Add up the reports that the environments of tox left: one line for each, what was skipped and why, and the sum.

Usage: python scripts/summary.py EXIT_CODE_OF_TOX

With CI=true in the environment a skipped test is a failure, unless another environment ran it, its reason begins with "not in CI:", or a suite of
the test kit skipped it because the plugin declares that it cannot do what is tested.
"""

from __future__ import annotations

import os
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

REPORTS = Path(__file__).resolve().parent.parent / ".tox" / "reports"
EXCUSE = "not in CI:"


def outcome(case: ET.Element) -> tuple[str, str, bool]:
    """Return how a test ended, why it was skipped where it was, and whether that is in order everywhere."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed", "", False
    skipped = case.find("skipped")
    if skipped is None or skipped.get("type") == "pytest.xfail":
        return "passed", "", False
    reason = skipped.get("message", "")
    place = (skipped.text or "").partition(":")[0]
    return "skipped", reason, reason.startswith(EXCUSE) or "massgen_testkit" in Path(place).parts


def read(report: Path) -> list[tuple[str, str, str, bool]]:
    """Return each test of a report: its name, how it ended, why it was skipped, and whether that is in order everywhere."""
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314
    return [(".".join(filter(None, (case.get("classname"), case.get("name")))), *outcome(case)) for case in cases]


def main(code: int) -> int:
    in_ci = os.environ.get("CI", "").lower() in {"1", "true"}
    reports = {file.stem: read(file) for file in sorted(REPORTS.glob("*.xml"))}
    ran = {name for tests in reports.values() for name, kind, _, _ in tests if kind == "passed"}
    # A module that is skipped as a whole stands there by its own name.
    ran |= {name.rpartition(".")[0] for name in ran}
    total, undue = Counter[str](), 0
    print()
    for report, tests in reports.items():
        counts = Counter(kind for _, kind, _, _ in tests)
        for name, kind, reason, is_excused in tests:
            if kind == "skipped" and not is_excused and name not in ran:
                undue += in_ci
                print(f"{'SKIPPED, and must run' if in_ci else 'skipped'}: {report}: {name}: {reason}")
        print(f"{report:32} {counts['passed']:5} passed {counts['failed']:3} failed {counts['skipped']:3} skipped")
        total += counts
    if code:
        print(f"tox failed with exit code {code}: see above which environment")
    if in_ci and not total["passed"]:
        print("no test ran")
    print(f"{total['passed']} passed, {total['failed'] + undue} failed, {total['skipped'] - undue} skipped")
    return code or int(bool(undue or total["failed"] or (in_ci and not total["passed"])))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
