from __future__ import annotations

import os
from pathlib import Path

from massgen_tools_code.changes import changes, look


def test_what_was_made_changed_and_removed(tmp_path: Path) -> None:
    """By path, with the new size; what is as it was is left out."""
    for name in ("same", "old", "gone"):
        (tmp_path / name).write_text("x")
    before = look(tmp_path, 100)
    (tmp_path / "old").write_text("more")
    (tmp_path / "gone").unlink()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "new").write_text("12345")
    found = changes(before, look(tmp_path, 100))

    assert found is not None
    assert [(file.path, file.change, file.size) for file in found] == [("gone", "removed", 0), ("inner/new", "made", 5), ("old", "changed", 4)]


def test_links_are_not_followed(tmp_path: Path) -> None:
    """What lies outside of the folder is not told."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("x")
    before = look(inside, 100)
    (inside / "link").symlink_to(outside)
    found = changes(before, look(inside, 100))

    assert found is not None
    assert [file.path for file in found] == ["link"]


def test_too_many_files_are_not_compared(tmp_path: Path) -> None:
    """The work is bounded, and nothing half true is said."""
    for number in range(20):
        (tmp_path / str(number)).touch()

    assert changes(look(tmp_path, 10), look(tmp_path, 10)) is None
    assert changes(look(tmp_path, 20), look(tmp_path, 20)) == ()


def test_a_very_deep_tree_is_no_trouble(tmp_path: Path) -> None:
    """A folder that a program made to be in the way ends in a bounded time."""
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=folder)
        inner = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)

    assert look(tmp_path, 5000).files == {}


def test_names_are_safe_to_show(tmp_path: Path) -> None:
    """Control sequences in them are taken out."""
    before = look(tmp_path, 100)
    (tmp_path / "a\x1b[31mb\n").touch()
    found = changes(before, look(tmp_path, 100))

    assert found is not None
    assert [file.path for file in found] == ["ab"]


def test_a_folder_that_is_gone_says_nothing(tmp_path: Path) -> None:
    """There is nothing to compare."""
    assert changes(look(tmp_path / "no", 5), look(tmp_path / "no", 5)) is None
