"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CommandSpec, WorkspaceSpec, hookimpl
from massgen_workspace_files.config import FilesConfig

__all__ = ["massgen_commands", "massgen_workspaces"]


@hookimpl
def massgen_workspaces() -> list[WorkspaceSpec]:
    """Provide the workspace `files`."""
    return [
        WorkspaceSpec(
            name="files",
            summary="copies of agents' folders in the run's folder, each file once",
            factory="massgen_workspace_files.workspace:open_workspace",
            config=FilesConfig,
        )
    ]


@hookimpl
def massgen_commands() -> list[CommandSpec]:
    """Provide the command `rollback`."""
    return [
        CommandSpec(
            name="rollback", summary="bring an agent's folder back to what it was before a step", factory="massgen_workspace_files.rollback:Rollback"
        )
    ]
