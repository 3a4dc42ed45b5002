"""What becomes of keys of other versions, of other places and of nobody."""

from __future__ import annotations

import attrs
import pytest

from massgen_core.config.sections import AgentConfig, RunConfig
from massgen_migrate_massgen.migrate import migrate
from massgen_migrate_massgen.sections import AGENT, AGENT_TODAY, TOP, TOP_TODAY

from .documents import backend, refused, warned


@pytest.mark.parametrize(
    ("expression", "glob"),
    [("rm.*", "rm*"), ("git push", "git push*"), ("^ls$", "ls"), ("pip3? install", None), (r"a\.b", "a.b*"), ("dd .+", "dd ?*"), ("x[yz]", None)],
)
def test_lists_of_commands_sort_those_of_a_container(expression: str, glob: str | None) -> None:
    """As patterns of the toolset, where an expression says no more than one; what cannot be said is refused where it stands."""
    section = {"type": "gemini", "enable_mcp_command_line": True, "command_line_execution_mode": "docker"}
    section |= {"command_line_allowed_commands": ["echo"], "command_line_blocked_commands": [expression]}

    if glob is None:
        assert [path for path, _ in refused({"agent": {"backend": section}})] == ["agent.backend.command_line_blocked_commands[0]"]
    else:
        assert backend(**section)["toolsets"] == [
            {"type": "code", "executor": {"type": "docker"}, "permissions": {"allow": ["echo*"], "deny": [glob]}},
        ]


def test_a_key_that_was_passed_over_still_is() -> None:
    """With a warning at its place; MassGen 0.1 ran such files."""
    agent = {"id": "a", "backend": {"type": "grok"}, "mood": "good", "append_system_message": "Be kind."}
    old = {
        "agent": agent,
        "orchestrator": {"rounds": 5, "coordination": {"whim": 1}},
        "ui": {"show_hats": True},
        "title": "Mine",
        "session": {"x": 1},
    }

    assert migrate(old)["agents"] == [{"name": "a", "backend": {"type": "chat", "preset": "grok"}}]
    assert sorted(warned(old)) == [
        *("agent.append_system_message", "agent.mood", "orchestrator.coordination.whim", "orchestrator.rounds"),
        *("session", "title", "ui.show_hats"),
    ]


def test_what_was_read_at_one_place_and_restricts_is_not_passed_over_at_another() -> None:
    """The person who wrote it meant the agent to have fewer tools."""
    assert [path for path, _ in refused({"agent": {"backend": {"type": "grok"}, "exclude_tools": ["post"]}})] == ["agent.exclude_tools"]


def test_a_file_of_today_without_its_first_line_is_told_so() -> None:
    """And not that its keys are unknown."""
    found = refused(
        {"strategy": "judge", "agents": [{"name": "a", "backend": "openai", "toolsets": []}, {"backend": {"type": "grok"}, "model": "x"}]}
    )

    assert [path for path, message in found if "begins with `version: 1`" in message] == ["strategy", "agents[0].toolsets", "agents[1].model"]
    assert ("agents[0].backend", "expected a mapping with `type` and `model`; write `backend: {type: openai}`") in found


def test_todays_keys_are_those_of_its_classes() -> None:
    """The tables of today's keys name each key that only today's format has."""
    assert set(TOP_TODAY) == {field.name for field in attrs.fields(RunConfig)} - set(TOP)
    assert set(AGENT_TODAY) == {field.name for field in attrs.fields(AgentConfig)} - set(AGENT)


@pytest.mark.parametrize(
    ("name", "today"), [("Claude_Code", "claude-code"), ("claude-code-cli", "claude-code"), ("gemini_interactions", "gemini"), ("OpenAI", "openai")]
)
def test_names_that_a_backend_had_for_a_while_are_known(name: str, today: str) -> None:
    """In capitals, too."""
    assert backend(type=name)["backend"]["type"] == today


def test_what_is_meant_for_the_strategy_goes_to_no_provider() -> None:
    """A provider refuses a request with a key that it does not know."""
    section = {"type": "openai", "voting_sensitivity": "strict", "checkpoint_mode": "task", "write_mode": "auto", "enable_x_search": True}

    assert backend(**section)["backend"] == {"type": "openai"}
    assert len(warned({"agent": {"backend": section}})) == 4


def test_agents_that_name_one_folder_get_one_each() -> None:
    """Nobody works in another's folder unasked."""
    folders = (("a", "w"), ("b", "./w"), ("c", "v"))
    old = {"agents": [{"id": name, "backend": {"type": "gemini", "cwd": folder}} for name, folder in folders]}

    assert [agent.get("workspace") for agent in migrate(old)["agents"]] == [None, None, ".massgen/workspaces/v"]
    assert warned(old) == ["agents[0].backend.cwd", "agents[1].backend.cwd"]


def test_a_permission_of_no_kind_is_read() -> None:
    """As it was then, and with a warning."""
    old = {"agent": {"backend": {"type": "grok"}}, "orchestrator": {"context_paths": [{"path": "a", "permission": "read_write"}]}}

    assert migrate(old)["context_paths"] == [{"path": "a", "permission": "read"}]
    assert warned(old) == ["orchestrator.context_paths[0].permission"]


def test_tools_of_images_and_sound_are_left_out() -> None:
    """The agents work without them."""
    old = {"agent": {"backend": {"type": "grok", "enable_multimodal_tools": True}}, "orchestrator": {"enable_multimodal_tools": True}}

    assert migrate(old)["agents"] == [{"backend": {"type": "chat", "preset": "grok"}}]
    assert warned(old) == ["agent.backend.enable_multimodal_tools", "orchestrator.enable_multimodal_tools"]


def test_tools_behind_a_checkpoint_are_put_to_a_person() -> None:
    """Beside what planning mode kept back."""
    settings = {"enable_planning_mode": True, "checkpoint_gated_patterns": ["deploy*"]}
    old = {"agent": {"backend": {"type": "grok"}}, "orchestrator": {"coordination": settings}}

    assert migrate(old)["permissions"] == {"ask": ["mcp__*", "deploy*"]}


def test_names_of_own_functions_are_left_out() -> None:
    """A bare name was a function of MassGen itself."""
    section = {"type": "openai", "custom_tools": ["add_two"]}

    assert "toolsets" not in backend(**section)
    assert warned({"agent": {"backend": section}}) == ["agent.backend.custom_tools[0]"]
