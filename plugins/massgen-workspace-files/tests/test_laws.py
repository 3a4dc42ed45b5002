"""Bringing back is the identity, on any tree, after any changes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_testkit.trees import tree
from massgen_workspace_files.config import FilesConfig
from massgen_workspace_files.diff import changes
from massgen_workspace_files.store import Store
from massgen_workspace_files.tree import order, walk
from massgen_workspace_files.workspace import FilesWorkspace

names = st.one_of(
    st.sampled_from(["a", "b", "a.b", "-", " "]),
    st.binary(min_size=1, max_size=8).filter(lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")).map(os.fsdecode),
)
modes = st.sampled_from([0o644, 0o600, 0o755, 0o444, 0o700])
leaves = st.one_of(
    st.tuples(st.just("file"), modes, st.binary(max_size=20)),
    st.tuples(st.just("link"), st.just(0), st.sampled_from([b"a", b"../..", b"/etc/passwd", b"\xff"])),
)
trees = st.recursive(leaves, lambda inner: st.dictionaries(names, inner, max_size=4), max_leaves=12)
folders = st.dictionaries(names, trees, max_size=4)


def lay(folder: Path, data: Mapping[str, Any]) -> None:
    """Make a folder's content what the data say, from nothing."""
    for inner in folder.iterdir():
        if inner.is_dir() and not inner.is_symlink():
            shutil.rmtree(inner)
        else:
            inner.unlink()
    for name, one in data.items():
        path = folder / name
        if isinstance(one, dict):
            path.mkdir()
            lay(path, one)
        elif one[0] == "link":
            os.symlink(one[2], os.fsencode(path))
        else:
            path.write_bytes(one[2])
            path.chmod(one[1])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(folders, min_size=2, max_size=4), st.data())
def test_any_state_comes_back(states: list[Mapping[str, Any]], data: st.DataObject) -> None:
    """Whatever a folder was, and whatever it became; equal states have equal ids, and only what differs is listed."""
    with tempfile.TemporaryDirectory() as made:
        files, store = Path(made) / "files", Store(Path(made) / "kept")
        files.mkdir()
        workspace = FilesWorkspace(store, files, "ann", FilesConfig())
        kept = []
        for state in states:
            lay(files, state)
            kept.append((workspace.keep("x")[0], tree(files)))
        for at in data.draw(st.lists(st.integers(0, len(kept) - 1), min_size=1, max_size=6)):
            assert workspace.bring_back(kept[at][0]) == []
            assert tree(files) == kept[at][1]
            assert workspace.keep("")[0] == kept[at][0]
        (first, was), (second, now) = kept[0], kept[1]
        assert (first == second) is (was == now)
        differing = {path for path in was.keys() | now.keys() if was.get(path) != now.get(path)}
        said = {(old or new).path for old, new in changes(store.manifest(first), store.manifest(second))}  # type: ignore[union-attr]
        assert said == differing


@settings(max_examples=60, deadline=None)
@given(folders)
def test_a_walk_is_sorted(state: Mapping[str, Any]) -> None:
    """What reads a walk and an older list beside each other relies on it."""
    with tempfile.TemporaryDirectory() as made:
        lay(Path(made), state)
        folder = os.open(made, os.O_RDONLY)
        paths = [found.path for found in walk(folder)]
        os.close(folder)

    assert paths == sorted(paths, key=order)
    assert len(paths) == len(set(paths))
