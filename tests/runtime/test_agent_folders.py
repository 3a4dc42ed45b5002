"""The folders of agents: made when they are first needed, and never what a person did not mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgen_core.config.sections import AgentConfig, ContextPath, PluginConfig, RunConfig
from massgen_core.contracts import Folders, GrantedPath
from massgen_core.errors import MassGenError
from massgen_core.runtime.folders import AgentFolders, told


def folders(run: Path, *, context_paths: tuple[ContextPath, ...] = (), **agent: object) -> AgentFolders:
    section = AgentConfig(name="ann", backend=PluginConfig(type="scripted"), **agent)  # type: ignore[arg-type]
    return AgentFolders(RunConfig(agents=(section,), context_paths=context_paths), run)


def test_an_agent_has_a_folder_in_the_run(tmp_path: Path) -> None:
    """It is made on first use, found again when the run is resumed, and nobody's else."""
    (run := tmp_path / "run").mkdir()
    one = folders(run)
    assert list(run.iterdir()) == []

    found = one.of("ann")

    assert found == Folders(workspace=run / "workspaces" / "ann")
    assert found is one.of("ann")
    assert folders(run).of("ann") == found
    assert one.of("bob") is None


def test_a_configured_folder_is_used_and_what_it_holds_stays(tmp_path: Path) -> None:
    """Nothing is emptied; one that is missing is made."""
    (tmp_path / "run").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "notes.txt").write_text("mine", encoding="utf-8")
    found = folders(tmp_path / "run", workspace=str(tmp_path / "work")).of("ann")

    assert found is not None
    assert (found.workspace / "notes.txt").read_text(encoding="utf-8") == "mine"
    made = folders(tmp_path / "run", workspace=str(tmp_path / "new" / "deep")).of("ann")
    assert made is not None
    assert made.workspace.is_dir()


def test_context_paths_are_those_of_all_agents_and_its_own(tmp_path: Path) -> None:
    """Links are resolved; of two permissions for one folder the wider counts."""
    for name in ("run", "data", "code"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    shared = (ContextPath(path=str(tmp_path / "link")), ContextPath(path=str(tmp_path / "code")))
    section = AgentConfig(
        name="ann", backend=PluginConfig(type="scripted"), context_paths=(ContextPath(path=str(tmp_path / "code"), permission="write"),)
    )
    found = AgentFolders(RunConfig(agents=(section,), context_paths=shared), tmp_path / "run").of("ann")

    assert found is not None
    assert found.context_paths == (GrantedPath(path=tmp_path / "data"), GrantedPath(path=tmp_path / "code", is_writable=True))
    text = told(found)
    assert f"You may read {tmp_path / 'data'}." in text
    assert f"You may read and change {tmp_path / 'code'}." in text


def test_what_became_something_else_is_not_given(tmp_path: Path) -> None:
    """The run's own folders, a link that an agent put in its folder's place, what is gone, what belongs to the machine."""
    (run := tmp_path / "run").mkdir()
    (run / "workspaces").mkdir()
    (run / "workspaces" / "ann").symlink_to(tmp_path)
    with pytest.raises(MassGenError, match="has become a link"):
        folders(run).of("ann")
    with pytest.raises(MassGenError, match="holds this run's own folder"):
        folders(run, workspace=str(tmp_path)).of("ann")
    with pytest.raises(MassGenError, match="does not exist any more"):
        folders(run, workspace=str(tmp_path / "work"), context_paths=(ContextPath(path=str(tmp_path / "gone")),)).of("ann")
    with pytest.raises(MassGenError, match="belongs to the system"):
        folders(run, workspace=str(tmp_path / "work"), context_paths=(ContextPath(path="/etc/ssl"),)).of("ann")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(MassGenError, match="cannot be made"):
        folders(run, workspace=str(tmp_path / "file")).of("ann")
