"""`massgen config migrate`: the same meaning, the same comments in the same order, and nothing changed that was not to be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from massgen_cmd_config.migrate import Migrate, migrated_text
from massgen_cmd_config.rewrite import comments
from massgen_core.api import ConfigProblems, Document, read_document
from massgen_core.config.document import parse
from massgen_core.plugins.manager import Plugins

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "configs"
FILES = sorted(path for suffix in ("*.yaml", "*.yml") for path in FOLDER.rglob(suffix))
OLD = """\
# At the top.

# Who works.
agents:
  # The first.
  - id: "anna"  # a name
    backend:  # where from
      type: "lmstudio"   # local
      model: "qwen"
      # temperature: 1
      temperature: 0.5
    system_message: |
      Say # this.

      And that.
  - id: "ben"
    backend: {type: "lmstudio", model: "qwen"}
# The end of agents.
orchestrator:
  snapshot_storage: "snapshots"  # where they were
  voting_sensitivity: "lenient"
ui:
  display_type: "simple"
# The end.
"""
NEW = """\
# At the top.

# Who works.
version: 1
agents:
  # The first.
  - name: anna  # a name
    backend:
      type: chat
      preset: lmstudio
    model: qwen  # where from  # local
    sampling:
      # temperature: 1
      temperature: 0.5
    system: |
      Say # this.

      And that.
  - name: ben
    backend:
      type: chat
      preset: lmstudio
    model: qwen
# The end of agents.
strategy:
  type: consensus
  voting_sensitivity: lenient  # where they were
display: plain
# The end.
"""


def test_comments_go_where_their_values_go(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """Those above and those beside, and those of what is gone to the next that is there."""
    (tmp_path / "old.yaml").write_text(OLD)
    code, out, err = call(Migrate(), "old.yaml", "--print")

    assert code == 0
    assert out == NEW
    assert "old.yaml:20:21: orchestrator.snapshot_storage: each run has a folder of its own" in err
    assert (tmp_path / "old.yaml").read_text() == OLD


def test_the_difference_is_what_is_shown(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """Nothing is written without being asked for."""
    (tmp_path / "old.yaml").write_text(OLD)
    code, out, _ = call(Migrate(), "old.yaml")

    assert code == 0
    assert {'-  - id: "anna"  # a name', "+  - name: anna  # a name"} <= set(out.splitlines())
    assert [path.name for path in tmp_path.iterdir()] == ["old.yaml"]


def test_writing_keeps_a_copy_and_is_done_once(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """The copy is the old file, byte by byte; a second time there is nothing to do; no copy replaces another."""
    path = tmp_path / "old.yaml"
    path.write_bytes(OLD.replace("\n", "\r\n").encode())
    path.chmod(0o600)
    assert call(Migrate(), "old.yaml", "--write")[0] == 0

    assert (tmp_path / "old.yaml.bak").read_bytes() == OLD.replace("\n", "\r\n").encode()
    assert path.read_text() == NEW
    assert path.stat().st_mode & 0o777 == 0o600
    code, out, err = call(Migrate(), "old.yaml", "--write")
    assert (code, out, err) == (0, "", "old.yaml has today's format\n")
    path.write_text(OLD)
    call(Migrate(), "old.yaml", "--write")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["old.yaml", "old.yaml.bak", "old.yaml.bak2"]


def test_what_cannot_be_taken_over_is_left_as_it_is(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """With every reason, and the other files done."""
    (tmp_path / "bad.yaml").write_text("agents:\n  - id: a\n    backend: {type: ag2}\n")
    (tmp_path / "newer.yaml").write_text("version: 7\n")
    (tmp_path / "old.yaml").write_text(OLD)
    code, _, err = call(Migrate(), "bad.yaml", "newer.yaml", "old.yaml", "--write")

    assert code == 2
    assert "bad.yaml:3:21: agents[0].backend.type: agents of other frameworks" in err
    assert "newer.yaml:1:10: version: format 7 is newer" in err
    assert (tmp_path / "old.yaml").read_text() == NEW
    assert not (tmp_path / "bad.yaml.bak").exists()


def test_a_secret_is_not_shown(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """Neither in the difference nor in the whole."""
    secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    (tmp_path / "old.yaml").write_text(
        f"agents:\n  - id: a\n    backend:\n      type: gemini\n      mcp_servers: [{{name: x, command: npx, env: {{GITHUB_TOKEN: {secret}}}}}]\n"
    )

    for option in ("--diff", "--print"):
        code, out, err = call(Migrate(), "old.yaml", option)
        assert (code, secret in out + err, "****" in out) == (0, False, True)


def test_json_stays_json(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """A file keeps its language."""
    (tmp_path / "old.json").write_text('{"agents": [{"id": "a", "backend": {"type": "lmstudio"}}]}')
    call(Migrate(), "old.json", "--write")

    assert read_document(tmp_path / "old.json").data["agents"] == [{"name": "a", "backend": {"type": "chat", "preset": "lmstudio"}}]


@pytest.mark.skipif(not FILES, reason="the folder of real configurations (../shared/data/configs) is not here")
def test_real_files_keep_their_meaning_and_their_comments() -> None:
    """Each comment of each file is there once afterwards, and those above keep their order among themselves; a second time nothing is done."""
    plugins, count = Plugins.discover(), 0
    for path in FILES:
        text, document = path.read_text(encoding="utf-8"), read_document(path)
        try:
            new, _ = document.migrated(plugins)
        except ConfigProblems:
            continue
        made = migrated_text(path, new, text)
        before, after = ([one.text for one in comments(whole) if one.text] for whole in (text, made))
        assert sorted(" ".join(before).split()) == sorted(" ".join(after).split()), path
        assert made.startswith(text.split("\n")[0].rstrip()) or not text.startswith("#"), path
        again = parse(made, "again.yaml")
        assert Document("again.yaml", again.plain(), again).migrated(plugins)[1] == ()
        count += 1

    assert count >= 130


def test_the_page_on_moving_shows_what_happens(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """The example of the documentation is what the command prints."""
    page = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "move-from-massgen.md"
    before, after = (block.partition("```")[0] for block in page.read_text(encoding="utf-8").split("```yaml\n")[1:3])
    (tmp_path / "old.yaml").write_text(before)

    assert call(Migrate(), "old.yaml", "--print")[1] == after


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("f.toml", '[[agents]]\nid = "a"\n[agents.backend] # where from\ntype = "lmstudio"\n', 3),
        ("f.toml", '[[agents]]\nid = \'a\'\n[agents.backend]\ntype = "lmstudio"\nsystem_message = """\n# none\n"""\n', 0),
        ("f.jsonc", '{"agents": [{"id": "a", "backend": {"type": "lmstudio", "base_url": "http://h/v1"}}]\n // all\n}', 2),
        ("f.jsonc", '{"agents": [{"id": "a", "backend": {"type": "lmstudio", "base_url": "http://h/v1"}}]}', 0),
    ],
)
def test_comments_that_cannot_be_kept_are_not_lost(
    call: Callable[..., tuple[int, str, str]], tmp_path: Path, name: str, text: str, line: int
) -> None:
    """Such a file is left as it is, at the line of its first comment, and what to do is said; without comments it is written."""
    path = tmp_path / name
    path.write_text(text)
    code, _, err = call(Migrate(), name, "--write")

    assert (code, path.read_text() == text) == ((2, True) if line else (0, False))
    if line:
        assert f"{name}:{line}: error: the file is not changed" in err
        assert f"massgen config migrate --print {name} > new" in err
    else:
        assert read_document(path).data["version"] == 1


def test_what_is_printed_is_a_configuration(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """References within texts are shown as they are; that secrets are not is said."""
    header = 'headers: {Authorization: "Bearer ${TOKEN}"}'
    old = "agents:\n  - id: a\n    backend:\n      type: lmstudio\n      mcp_servers: {one: {url: 'https://example.org/mcp', %s}}\n"
    (tmp_path / "f.yaml").write_text(old % header)
    (tmp_path / "g.yaml").write_text(old % header.replace("${TOKEN}", "hunter2hunter2hunter2"))

    code, out, err = call(Migrate(), "f.yaml", "--print")
    assert (code, err) == (0, "")
    assert "Bearer ${TOKEN}" in str(parse(out, "f.yaml").plain())
    _, out, err = call(Migrate(), "g.yaml", "--print")
    assert "hunter2" not in out
    assert "shown as stars" in err
