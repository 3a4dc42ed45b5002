"""The folders of agents in containers."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from massgen_core.api import ExecCommand, GrantedPath
from massgen_exec_docker.config import DockerConfig
from massgen_exec_docker.factory import open_docker
from massgen_testkit import PlainContext

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("engine")]
SCRIPT = """
for path in "$@"; do
  if cat "$path" >/dev/null 2>&1; then echo "reads"; else echo "sees nothing"; fi
  if echo more >>"$path" 2>/dev/null; then echo "writes"; else echo "writes nothing"; fi
done
"""


async def test_folders_are_there_as_they_were_granted(tmp_path: Path) -> None:
    """The workspace under both of its names, a folder to read, one to write to, a single file; what lies beside a file is not there."""
    for name in ("read", "write", "single", "work"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("a", encoding="utf-8")
        (tmp_path / name).chmod(0o777)
        (tmp_path / name / "a.txt").chmod(0o666)
    (tmp_path / "single" / "b.txt").write_text("b", encoding="utf-8")
    granted = (
        GrantedPath(path=tmp_path / "read"),
        GrantedPath(path=tmp_path / "write", is_writable=True),
        GrantedPath(path=tmp_path / "single" / "a.txt", is_writable=True),
    )
    paths = ["a.txt", *(str(tmp_path / name) for name in ("work/a.txt", "read/a.txt", "write/a.txt", "single/a.txt", "single/b.txt"))]
    context = PlainContext(folder=tmp_path / "run", workspace=tmp_path / "work", context_paths=granted)
    with anyio.fail_after(120):
        async with context, open_docker(DockerConfig(), context) as executor:
            result = await executor.run(ExecCommand(argv=("sh", "-c", SCRIPT, "sh", *paths)))
            seen = await executor.read(str(tmp_path / "work" / "a.txt"))

    assert result.stdout.decode().splitlines() == [
        *("reads", "writes"),
        *("reads", "writes"),
        *("reads", "writes nothing"),
        *("reads", "writes"),
        *("reads", "writes"),
        *("sees nothing", "writes nothing"),
    ]
    assert seen == b"amore\nmore\n"
