"""The folders of agents in sandboxes of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_core.api import ExecCommand, GrantedPath, MassGenError
from massgen_testkit import PlainContext

from .sandboxes import NEEDS_BUBBLEWRAP, Open

pytestmark = [pytest.mark.anyio, NEEDS_BUBBLEWRAP]
SCRIPT = """
for path in "$@"; do
  if cat "$path" >/dev/null 2>&1; then echo "reads"; else echo "sees nothing"; fi
  if echo more >>"$path" 2>/dev/null; then echo "writes"; else echo "writes nothing"; fi
done
"""


@pytest.mark.parametrize("walls", ["bubblewrap", "landlock"])
async def test_context_paths_are_there_as_they_were_granted(sandbox: Open, context: PlainContext, tmp_path: Path, walls: str) -> None:
    """A folder to read, one to write to, a single file; what lies beside a file is not there."""
    for name in ("read", "write", "single", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("a", encoding="utf-8")
    (tmp_path / "single" / "b.txt").write_text("b", encoding="utf-8")
    context.context_paths = (
        GrantedPath(path=tmp_path / "read"),
        GrantedPath(path=tmp_path / "write", is_writable=True),
        GrantedPath(path=tmp_path / "single" / "a.txt", is_writable=True),
    )
    paths = [str(tmp_path / name) for name in ("read/a.txt", "write/a.txt", "single/a.txt", "single/b.txt", "other/a.txt")]
    async with sandbox(sandbox=walls) as executor:
        result = await executor.run(ExecCommand(argv=("sh", "-c", SCRIPT, "sh", *paths)))
        seen = await executor.read(paths[0])

    said = result.stdout.decode().splitlines()
    assert said[:6] == ["reads", "writes nothing", "reads", "writes", "reads", "writes"]
    assert (said[6], said[8]) == ("sees nothing", "sees nothing")
    # What is written elsewhere may land in the sandbox's own temporary files, and never here.
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in ("read/a.txt", "single/b.txt", "other/a.txt")} == {
        "read/a.txt": "a",
        "single/b.txt": "b",
        "other/a.txt": "a",
    }
    assert seen == b"a"
    assert (tmp_path / "write" / "a.txt").read_text(encoding="utf-8") == "amore\n"


async def test_a_path_that_commands_could_replace_is_not_shared(sandbox: Open, context: PlainContext, tmp_path: Path) -> None:
    """One within a folder of the executor's own options that can be written to."""
    (tmp_path / "open" / "inner").mkdir(parents=True)
    context.context_paths = (GrantedPath(path=tmp_path / "open" / "inner"),)
    with pytest.raises(MassGenError, match=r"context_paths\[0\].*can write to"):
        async with sandbox(write=[str(tmp_path / "open")]):
            pass
