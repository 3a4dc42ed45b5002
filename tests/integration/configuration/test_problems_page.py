"""The page about messages of configurations: each example leads to the message below it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_cmd_config.check import Check

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "fix-configuration-problems.md"
EXAMPLES = re.findall(r"^### (.*?)\n\n```yaml\n(.*?)^```\n\n```text\n(.*?)\n```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)

Call = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(("title", "text", "message"), EXAMPLES, ids=[title for title, _, _ in EXAMPLES])
def test_an_example_leads_to_its_message(title: str, text: str, message: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of names change with what is installed, and folders are left out; the heading is a part of the message."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.delenv("SCRIPT", raising=False)
    Path("massgen.yaml").write_text(text)
    out = call(Check(), "massgen.yaml")[1].replace(f"{tmp_path / 'project'}/", ".../")

    pattern = r"\([^)]*\)".join(re.escape(part) for part in re.split(r"\((?:installed|allowed): [^)]*\)", message))
    assert re.search(pattern, out), out
    assert re.search(".*".join(re.escape(part) for part in title.split("...")), message)


def test_there_are_examples() -> None:
    """A page that is written in another way would pass everything else."""
    assert len(EXAMPLES) >= 20
