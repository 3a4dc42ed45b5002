"""The conformance suite of workspaces."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest

from massgen_core.api import MassGenError, Workspace
from massgen_testkit.context import PlainContext
from massgen_testkit.distribution import PluginSuite
from massgen_testkit.leaks import Leaks
from massgen_testkit.trees import NAMES, dig, fill, inode, swapping, tree, trees

PATIENCE = 60.0
ROUNDS = 15


class WorkspaceSuite(PluginSuite):
    """What every workspace must do: bring back what was, keep what is kept, and stay in its folder whatever an agent puts there.

    A subclass gives `name`. What the plugin does not withstand stands in `unsupported`, with the reason: `deep folders`, `races`, `special files`,
    `unreadable files`.
    """

    kind: ClassVar[str] = "workspace"

    def features(self) -> frozenset[str]:
        return frozenset({"deep folders", "races", "special files", "unreadable files"})

    @pytest.fixture
    def files(self, context: PlainContext, tmp_path: Path) -> Path:
        """The folder that the agent works in."""
        context.folder, context.workspace = tmp_path / "run", tmp_path / "work"
        context.folder.mkdir()
        context.workspace.mkdir()
        return context.workspace

    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        """A folder that is nobody's business, with a file."""
        (folder := tmp_path / "outside").mkdir()
        (folder / "precious").write_text("precious", encoding="utf-8")
        (folder / "precious").chmod(0o640)
        return folder

    @asynccontextmanager
    async def workspace(self, context: PlainContext, options: Mapping[str, Any] | None = None) -> AsyncIterator[Workspace]:
        """Open the workspace, and give it time."""
        with anyio.fail_after(PATIENCE):
            async with context, self.opened(context, options) as opened:
                yield opened

    # Bringing back

    async def test_works_in_the_agents_folder(self, context: PlainContext, files: Path) -> None:
        """It is where the context says, and opening it changes nothing there."""
        fill(files)
        before = tree(files)
        async with self.workspace(context) as workspace:
            assert workspace.path == files
        assert tree(files) == before

    async def test_brings_back_everything(self, context: PlainContext, files: Path) -> None:
        """Contents, permissions, empty folders and links; what came since is gone, and the folder is the same one, for a sandbox may hold it open."""
        fill(files)
        before, identity = tree(files), inode(files)
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("one")
            assert tree(files) == before
            (files / "src" / "main.py").write_text("broken", encoding="utf-8")
            (files / "run.sh").unlink()
            (files / "secret").chmod(0o644)
            (files / "empty").rmdir()
            (files / "link").unlink()
            (files / "new" / "deep").mkdir(parents=True)
            (files / "new" / "deep" / "file").write_text("new", encoding="utf-8")
            await workspace.restore(snapshot)

        assert tree(files) == before
        assert inode(files) == identity

    async def test_brings_back_what_became_another_kind(self, context: PlainContext, files: Path) -> None:
        """A file where a folder was, a folder where a file was, a link where either was, and the other way round."""
        fill(files)
        before = tree(files)
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("one")
            (files / "empty").rmdir()
            for name in ("link", "folder-link", "run.sh", "secret"):
                (files / name).unlink()
            (files / "empty").write_text("a file", encoding="utf-8")
            (files / "run.sh").mkdir()
            (files / "run.sh" / "inner").touch()
            (files / "secret").symlink_to("run.sh")
            (files / "link").mkdir()
            (files / "folder-link").write_text("a file", encoding="utf-8")
            await workspace.restore(snapshot)

        assert tree(files) == before

    async def test_goes_back_and_forth(self, context: PlainContext, files: Path) -> None:
        """Each snapshot stays what it was, however often and in whatever order they are brought back."""
        async with self.workspace(context) as workspace:
            kept = [(await workspace.snapshot("empty"), tree(files))]
            fill(files)
            kept.append((await workspace.snapshot("filled"), tree(files)))
            (files / "src" / "main.py").write_text("print('two')\n", encoding="utf-8")
            kept.append((await workspace.snapshot("changed"), tree(files)))
            for at in (0, 2, 1, 1, 0, 2):
                await workspace.restore(kept[at][0])
                assert tree(files) == kept[at][1]

    async def test_later_writes_do_not_reach_a_snapshot(self, context: PlainContext, files: Path) -> None:
        """Neither in place, nor at the end, nor through another name, nor through a descriptor that was open."""
        for name in ("overwritten", "appended", "truncated", "held"):
            (files / name).write_text("as it was", encoding="utf-8")
        with (files / "held").open("r+", encoding="utf-8") as held:
            async with self.workspace(context) as workspace:
                before = tree(files)
                snapshot = await workspace.snapshot("one")
                with (files / "overwritten").open("r+", encoding="utf-8") as file:
                    file.write("OTHER")
                with (files / "appended").open("a", encoding="utf-8") as file:
                    file.write("more")
                os.truncate(files / "truncated", 2)
                held.write("OTHER")
                held.flush()
                await workspace.restore(snapshot)

        assert tree(files) == before

    async def test_sees_changes_of_equal_size_at_once(self, context: PlainContext, files: Path) -> None:
        """A file that changes right after a snapshot, and gets its old time again, is not taken for the one of before."""
        (files / "a").write_text("one", encoding="utf-8")
        async with self.workspace(context) as workspace:
            first = await workspace.snapshot("one")
            state = (files / "a").stat()
            (files / "a").write_text("two", encoding="utf-8")
            os.utime(files / "a", ns=(state.st_atime_ns, state.st_mtime_ns))
            second = await workspace.snapshot("two")
            await workspace.restore(first)
            assert (files / "a").read_text(encoding="utf-8") == "one"
            await workspace.restore(second)
            assert (files / "a").read_text(encoding="utf-8") == "two"

    async def test_takes_any_name(self, context: PlainContext, files: Path) -> None:
        """Names are bytes: spaces, line breaks, control sequences and what is no text come back."""
        for name in NAMES:
            (files / name).mkdir()
            (files / name / name).write_bytes(os.fsencode(name))
        before = tree(files)
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("names")
            for name in NAMES:
                (files / name / name).unlink()
                (files / name).rmdir()
            await workspace.restore(snapshot)

        assert tree(files) == before

    async def test_is_found_again(self, context: PlainContext, files: Path) -> None:
        """A snapshot outlives the process that made it: a run may be resumed, or looked at later."""
        fill(files)
        before = tree(files)
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("")
        (files / "run.sh").unlink()
        async with self.workspace(context) as workspace:
            await workspace.restore(snapshot)

        assert tree(files) == before

    async def test_agents_do_not_meet(self, context: PlainContext, files: Path, tmp_path: Path) -> None:
        """Two agents' snapshots are apart, also where both are made at once."""
        other = PlainContext(folder=context.folder, workspace=tmp_path / "other", agent="b")
        (tmp_path / "other").mkdir()
        (files / "mine").write_text("a", encoding="utf-8")
        (tmp_path / "other" / "theirs").write_text("b", encoding="utf-8")
        kept: dict[str, str] = {}
        async with self.workspace(context) as first, self.workspace(other) as second:

            async def keep(name: str, workspace: Workspace) -> None:
                for _ in range(3):
                    kept[name] = await workspace.snapshot(name)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(keep, "a", first)
                tasks.start_soon(keep, "b", second)
            (files / "mine").unlink()
            (tmp_path / "other" / "theirs").unlink()
            await first.restore(kept["a"])
            await second.restore(kept["b"])

        assert (tree(files), tree(tmp_path / "other")) == ({"mine": ("file", 0o644, b"a")}, {"theirs": ("file", 0o644, b"b")})

    async def test_a_snapshot_that_does_not_exist_changes_nothing(self, context: PlainContext, files: Path) -> None:
        """Whatever its name looks like, the message is for a person, and the folder stays as it is."""
        fill(files)
        before = tree(files)
        async with self.workspace(context) as workspace:
            await workspace.snapshot("one")
            for name in ("", "nothing", "../..", "/", "0" * 32, "a\0b"):
                with pytest.raises(MassGenError):
                    await workspace.restore(name)

        assert tree(files) == before

    # Staying in the folder

    async def test_links_are_not_followed(self, context: PlainContext, files: Path, outside: Path, tmp_path: Path) -> None:
        """What links lead to is not kept, not copied and not changed; links come back as links."""
        (files / "file").symlink_to(outside / "precious")
        (files / "folder").symlink_to(outside)
        (files / "up").symlink_to("..")
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("links")
            for name in ("file", "folder", "up"):
                (files / name).unlink()
            await workspace.restore(snapshot)
            await workspace.share(snapshot, tmp_path / "copy")

        expected = {"file": os.fsencode(outside / "precious"), "folder": os.fsencode(outside), "up": b".."}
        assert {name: content for name, (kind, _, content) in tree(files).items() if kind == "link"} == expected
        assert {name: content for name, (kind, _, content) in tree(tmp_path / "copy").items() if kind == "link"} == expected
        assert tree(outside) == {"precious": ("file", 0o640, b"precious")}

    async def test_what_was_replaced_by_a_link_leads_nowhere(self, context: PlainContext, files: Path, outside: Path) -> None:
        """An agent puts links to the outside in the place of its folders and files: bringing them back neither writes nor deletes there."""
        fill(files)
        before, precious = tree(files), tree(outside)
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("one")
            (files / "empty").rmdir()
            (files / "empty").symlink_to(outside)
            (files / "src").rename(files / "moved")
            (files / "src").symlink_to(outside)
            (files / "run.sh").unlink()
            (files / "run.sh").symlink_to(outside / "precious")
            await workspace.restore(snapshot)

        assert tree(files) == before
        assert tree(outside) == precious

    async def test_other_names_of_a_file_outside_do_not_matter(self, context: PlainContext, files: Path, outside: Path) -> None:
        """A hard link in the place of a file: the file that it is outside keeps its content and its permissions."""
        for name in ("a", "b"):
            (files / name).write_text("precious" if name == "b" else "kept", encoding="utf-8")
            (files / name).chmod(0o644)
        before, precious = tree(files), tree(outside)
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("one")
            for name in ("a", "b"):
                (files / name).unlink()
                os.link(outside / "precious", files / name)
            await workspace.restore(snapshot)

        assert tree(files) == before
        assert tree(outside) == precious

    async def test_what_runs_as_somebody_else_does_not_come_back(self, context: PlainContext, files: Path) -> None:
        """A program's right to run as its owner is not given back: its owner may be another one then."""
        (files / "program").touch(0o755)
        (files / "program").chmod(0o6755)
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("one")
            (files / "program").unlink()
            await workspace.restore(snapshot)

        assert stat.S_IMODE((files / "program").stat().st_mode) == 0o755

    async def test_pipes_and_sockets_hold_nothing_up(self, context: PlainContext, files: Path) -> None:
        """What is neither file, folder nor link is left out; all else is kept, and a pipe that nobody writes to blocks nobody."""
        self.need("special files")
        fill(files)
        before = tree(files)
        os.mkfifo(files / "a-pipe")
        os.mkfifo(files / "src" / "pipe")
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("one")
            (files / "run.sh").unlink()
            os.mkfifo(files / "run.sh")
            await workspace.restore(snapshot)
            assert {name: one for name, one in tree(files).items() if one[0] != "other"} == before
            (files / "src" / "main.py").unlink()
            os.mkfifo(files / "src" / "main.py")
            await workspace.snapshot("two")

    async def test_what_may_not_be_read_costs_itself_only(self, context: PlainContext, files: Path) -> None:
        """A file and a folder without permissions are kept where that can be, and left where they are otherwise."""
        self.need("unreadable files")
        fill(files)
        before = tree(files)
        (files / "closed").touch()
        (files / "shut").mkdir(0)
        (files / "closed").chmod(0)
        try:
            async with self.workspace(context) as workspace:
                snapshot = await workspace.snapshot("one")
                (files / "run.sh").unlink()
                await workspace.restore(snapshot)
            assert (files / "closed").exists()
            assert (files / "shut").exists()
        finally:
            (files / "closed").unlink()
            (files / "shut").chmod(0o700)
            (files / "shut").rmdir()
        assert tree(files) == before

    async def test_folders_without_end_are_refused_or_kept(self, context: PlainContext, files: Path) -> None:
        """Some hundred folders in each other: no defect, and what came since a snapshot can be removed."""
        self.need("deep folders")
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("before")
            dig(files)
            with suppress(MassGenError):
                await workspace.snapshot("deep")
            await workspace.restore(snapshot)

        assert tree(files) == {}

    async def test_links_that_come_and_go_lead_nowhere(self, context: PlainContext, files: Path, outside: Path, tmp_path: Path) -> None:
        """While an agent swaps a folder for a link to the outside, again and again, nothing there is read, written or deleted."""
        self.need("races")
        precious = tree(outside)
        (files / "turn").mkdir()
        (files / "turn" / "precious").write_text("mine", encoding="utf-8")
        for number in range(50):
            (files / f"file{number}").write_text(str(number), encoding="utf-8")
        async with self.workspace(context) as workspace:
            first = await workspace.snapshot("calm")
            with swapping(files, outside):
                for number in range(ROUNDS):
                    with suppress(MassGenError):
                        await workspace.share(await workspace.snapshot(f"{number}"), tmp_path / f"copy{number}")
                    with suppress(MassGenError):
                        await workspace.restore(first)

        assert tree(outside) == precious
        # What links lead to is no part of a copy.
        assert {one.get("turn/precious", ("file", 0, b"mine"))[2] for one in trees(tmp_path, "copy*")} <= {b"mine"}

    # Sharing and comparing

    async def test_shares_a_copy_that_stays(self, context: PlainContext, files: Path, tmp_path: Path) -> None:
        """It has what the snapshot has, nobody is given permission to write to it, and later changes of the folder do not reach it."""
        fill(files)
        before = {name: (kind, content) for name, (kind, _, content) in tree(files).items()}
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("one")
            await workspace.share(snapshot, tmp_path / "some" / "copy")
            (files / "src" / "main.py").write_text("changed", encoding="utf-8")
            copy = tree(tmp_path / "some" / "copy")

        assert {name: (kind, content) for name, (kind, _, content) in copy.items()} == before
        assert [name for name, (_, mode, _) in copy.items() if mode & 0o222] == []
        assert (tmp_path / "some" / "copy").stat().st_mode & 0o222 == 0

    async def test_shares_over_nothing(self, context: PlainContext, files: Path, outside: Path) -> None:
        """A folder that holds something is not written to."""
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("one")
            with pytest.raises(MassGenError):
                await workspace.share(snapshot, outside)

        assert tree(outside) == {"precious": ("file", 0o640, b"precious")}

    async def test_shows_what_differs(self, context: PlainContext, files: Path) -> None:
        """Lines of texts with their signs, files that came and went, and nothing of what is the same."""
        fill(files)
        (files / "same.txt").write_text("the same words\n", encoding="utf-8")
        async with self.workspace(context) as workspace:
            older = await workspace.snapshot("one")
            (files / "src" / "main.py").write_text("print('two')\n", encoding="utf-8")
            (files / "new.txt").write_text("a new line\n", encoding="utf-8")
            (files / "run.sh").unlink()
            newer = await workspace.snapshot("two")
            said = (await workspace.diff(older, newer)).splitlines()
            nothing = await workspace.diff(newer, newer)

        assert {"-print('one')", "+print('two')", "+a new line", "-#!/bin/sh"} <= set(said)
        assert not any("the same words" in line for line in said)
        assert nothing == ""

    async def test_holds_nothing_open(self, context: PlainContext, files: Path, leaks: Leaks, tmp_path: Path) -> None:
        """Descriptors, threads and tasks are as before when it is done."""
        async with self.workspace(context) as workspace:
            snapshot = await workspace.snapshot("warm up")
        before = leaks.held()
        async with self.workspace(context) as workspace:
            await workspace.snapshot("one")
            await workspace.restore(snapshot)
            await workspace.share(snapshot, tmp_path / "copy")
        await leaks.none_since(before)
