"""The folders of a run's agents: where each works, and what else it was given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from massgen_core.config.sections import AgentConfig, RunConfig
from massgen_core.contracts import Folders, GrantedPath
from massgen_core.errors import MassGenError
from massgen_core.folders import folder_refusal, is_beneath, resolved

__all__ = ["AgentFolders", "told"]


@attrs.define
class AgentFolders:
    """Folders by agent. They are made, and looked at, when they are first asked for: agents without tools for files need none.

    Args:
        config: Names them.
        run: The run's folder.
    """

    _config: RunConfig
    _run: Path
    _found: dict[str, Folders] = attrs.field(factory=dict)
    _agents: Mapping[str, AgentConfig] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._agents = {agent.name: agent for agent in self._config.agents}

    def of(self, agent: str) -> Folders | None:
        """Return an agent's folders; None where there is no such agent.

        Raises:
            MassGenError: A folder cannot be made, is gone, or must not be given to agents.
        """
        if agent not in self._found:
            section = self._agents.get(agent)
            if section is None:
                return None
            self._found[agent] = self._open(section)
        return self._found[agent]

    def _open(self, agent: AgentConfig) -> Folders:
        folder = Path(agent.workspace) if agent.workspace else self._run / "workspaces" / agent.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MassGenError(f"the working folder of {agent.name}, {str(folder)!r}, cannot be made: {error.strerror}") from None
        # Where the run's own folder lies is not the agent's doing; but it may have put a link in the place of the last part since.
        own = f"{resolved(str(folder.parent))}/{folder.name}" if not agent.workspace else resolved(str(folder))
        if own != resolved(str(folder)):
            raise MassGenError(f"the working folder of {agent.name}, {str(folder)!r}, has become a link; put a folder in its place")
        granted: dict[str, bool] = {}
        for one in (*self._config.context_paths, *agent.context_paths):
            place = resolved(one.path)
            granted[place] = granted.get(place, False) or one.permission == "write"
        for each in (*([own] if agent.workspace else []), *granted):
            self._check(agent.name, each)
        paths = tuple(GrantedPath(path=Path(path), is_writable=is_writable) for path, is_writable in granted.items())
        return Folders(workspace=Path(own), context_paths=paths)

    def _check(self, agent: str, path: str) -> None:
        reason = folder_refusal(path)
        if not reason and not Path(path).exists():
            reason = "does not exist any more"
        if not reason and is_beneath(resolved(str(self._run)), path):
            reason = "holds this run's own folder, with what other agents say; keep runs elsewhere (MASSGEN_RUNS)"
        if reason:
            raise MassGenError(f"{path!r}, which {agent} is given, {reason}")


def told(folders: Folders) -> str:
    """Return what an agent with tools for files is told of its folders."""
    lines = [f"Your working folder is {folders.workspace}. Files that you make belong there."]
    lines += [f"You may read{' and change' if one.is_writable else ''} {one.path}." for one in folders.context_paths]
    return "\n".join(lines)
