"""Add up the reports that the environments of tox left: one line for each, what was skipped and why, and the sum.

Usage: python scripts/summary.py EXIT_CODE_OF_TOX

With CI=true in the environment a skipped test is a failure, unless its reason begins with "not in CI:", or a suite of the test kit skipped it
because the plugin declares that it cannot do what is tested.
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


def main(code: int) -> int:
    in_ci = os.environ.get("CI", "").lower() in {"1", "true"}
    total, undue = Counter[str](), 0
    print()
    for report in sorted(REPORTS.glob("*.xml")):
        root = ET.parse(report).getroot()  # noqa: S314
        counts = Counter[str]()
        for case in root.iter("testcase"):
            kind, reason, is_excused = outcome(case)
            counts[kind] += 1
            if kind == "skipped" and not is_excused:
                undue += in_ci
                print(f"{'SKIPPED, and must run' if in_ci else 'skipped'}: {report.stem}: {case.get('classname')}::{case.get('name')}: {reason}")
        seconds = sum(float(suite.get("time", 0)) for suite in root.iter("testsuite"))
        print(f"{report.stem:32} {counts['passed']:5} passed {counts['failed']:3} failed {counts['skipped']:3} skipped {seconds:8.1f} s")
        total += counts
    if code:
        print(f"tox failed with exit code {code}: see above which environment")
    if in_ci and not total["passed"]:
        print("no test ran")
    print(f"{total['passed']} passed, {total['failed'] + undue} failed, {total['skipped'] - undue} skipped")
    return code or int(bool(undue or total["failed"] or (in_ci and not total["passed"])))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
