"""What becomes of each part of the old format."""

from __future__ import annotations

from typing import Any

import pytest

from massgen_migrate_massgen.migrate import migrate

from .documents import backend, refused, warned


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "openai", "text": {"verbosity": "low"}}, {"type": "openai", "text": {"verbosity": "low"}}),
        ({"type": "claude", "enable_code_interpreter": True}, {"type": "anthropic", "enable_code_execution": True}),
        ({"type": "claude_code", "permission_mode": "plan"}, {"type": "claude-code", "permission_mode": "plan"}),
        ({"type": "grok"}, {"type": "chat", "preset": "grok"}),
        ({"type": "zai", "base_url": "https://api.z.ai/v"}, {"type": "chat", "base_url": "https://api.z.ai/v", "preset": "zai"}),
        ({"type": "chatcompletion"}, {"type": "chat", "preset": "openai"}),
        ({"type": "chatcompletion", "base_url": "http://localhost:9/v1"}, {"type": "chat", "base_url": "http://localhost:9/v1"}),
        (
            {"type": "chatcompletion", "base_url": "https://api.cerebras.ai/v1"},
            {"type": "chat", "base_url": "https://api.cerebras.ai/v1", "preset": "cerebras", "key": "CEREBRAS_API_KEY"},
        ),
        ({"type": "vllm", "top_k": 5}, {"type": "chat", "extra_body": {"top_k": 5}, "preset": "vllm"}),
        ({"type": "azure_openai"}, {"type": "openai", "azure_endpoint": "${AZURE_OPENAI_ENDPOINT}"}),
        ({"type": "azure_openai", "base_url": "https://a"}, {"type": "openai", "azure_endpoint": "https://a"}),
        ({"type": "openai", "api_key": "${MINE}"}, {"type": "openai", "key": "env:MINE"}),
        ({"type": "openai", "something_new": 1}, {"type": "openai", "extra_body": {"something_new": 1}}),
    ],
)
def test_a_backend_becomes_todays(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Its type, its address and its options."""
    assert backend(**old)["backend"] == new


def test_the_model_tells_the_type() -> None:
    """As it did then."""
    assert backend(model="gemini-2.5-flash") == {"name": "al", "backend": {"type": "gemini"}, "model": "gemini-2.5-flash"}


def test_a_key_goes_only_to_its_own_provider() -> None:
    """An address that merely looks like a provider's gets no key of that provider."""
    for address in ("https://api.cerebras.ai.evil.example/v1", "http://api.cerebras.ai/v1", "https://evil.example/api.cerebras.ai"):
        assert "key" not in backend(type="chatcompletion", base_url=address)["backend"]


def test_servers_become_a_toolset() -> None:
    """With the lists of tools, and the agent's folder where `${cwd}` stood."""
    server = {"name": "files", "command": "npx", "args": ["files", "${cwd}"]}
    agent = backend(type="gemini", mcp_servers=[server], exclude_tools=["mcp__files__delete"])

    placed = {"name": "files", "command": "npx", "args": ["files", "{workspace}"]}
    assert agent["toolsets"] == [{"type": "mcp", "mcp_servers": [placed], "exclude_tools": ["mcp__files__delete"]}]
    assert backend(type="claude_code", cwd="here", mcp_servers=[server])["toolsets"][0]["mcp_servers"][0]["args"] == ["files", "{workspace}"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("w", ".massgen/workspaces/w"), ("./w", ".massgen/workspaces/w"), (".massgen/x", ".massgen/x"), ("/srv/w", "/srv/w"), ("~/w", "~/w")],
)
def test_working_folders_are_where_they_were(old: str, new: str) -> None:
    """Relative ones lay in a folder of MassGen's own."""
    assert backend(type="gemini", cwd=old)["workspace"] == new
    assert backend(type="claude_code", cwd=old) == {"name": "al", "backend": {"type": "claude-code"}, "workspace": new}


def test_context_paths_are_taken_over() -> None:
    """Those of all agents and those of one; what was protected in them makes the whole of it read-only."""
    one, two = {"path": "a", "permission": "write"}, {"path": "b", "permission": "write", "protected_paths": ["c"]}
    old = {"agent": {"id": "a", "backend": {"type": "gemini", "context_paths": [{"path": "d"}]}}, "orchestrator": {"context_paths": [one, two]}}
    made = migrate(old)

    assert made["context_paths"] == [one, {"path": "b", "permission": "read"}]
    assert made["agents"][0]["context_paths"] == [{"path": "d"}]
    assert warned(old) == ["orchestrator.context_paths[0]", "orchestrator.context_paths[1].protected_paths"]


@pytest.mark.parametrize(("path", "is_apart"), [(".", True), (".massgen", True), ("./.massgen/workspaces/w/", True), ("src", False), ("/srv", False)])
def test_a_folder_that_others_may_write_to_is_nobodys_working_folder(path: str, is_apart: bool) -> None:
    """The agent works in one of the run's own then, and a note stands where the folder stood."""
    agents = [{"id": "a", "backend": {"type": "gemini", "cwd": "w"}}, {"id": "b", "backend": {"type": "gemini"}}]
    old = {"agents": agents, "orchestrator": {"context_paths": [{"path": path, "permission": "write"}]}}

    assert ("workspace" not in migrate(old)["agents"][0]) is is_apart
    assert ("agents[0].backend.cwd" in warned(old)) is is_apart


def test_tools_of_claude_code_stay_with_it() -> None:
    """Its lists name its own tools and those of servers; each goes to whoever has them."""
    agent = backend(type="claude_code", allowed_tools=["Read", "mcp__a__b"], exclude_tools=["Bash", "post"], mcp_servers={"a": {"command": "x"}})

    assert agent["backend"] == {"type": "claude-code", "allowed_tools": ["Read"], "disallowed_tools": ["Bash"]}
    assert agent["toolsets"] == [
        {"type": "mcp", "mcp_servers": {"a": {"command": "x"}}, "allowed_tools": ["mcp__a__b"], "exclude_tools": ["post"]},
    ]


def test_the_orchestrator_becomes_the_strategy() -> None:
    """And its time-out the limit of the run."""
    agents = [{"id": name, "backend": {"type": "grok"}} for name in "ab"]
    made = migrate(
        {
            "agents": agents,
            "orchestrator": {"voting_sensitivity": "strict", "max_new_answers_per_agent": 2, "disable_injection": True},
            "timeout_settings": {"orchestrator_timeout_seconds": 30},
            "ui": {"display_type": "simple"},
        }
    )

    assert made["strategy"] == {"type": "consensus", "voting_sensitivity": "strict", "max_answers_per_agent": 2, "on_new_answer": "restart"}
    assert (made["limits"], made["display"]) == ({"seconds": 30}, "plain")


def test_planning_mode_never_acts_unasked() -> None:
    """What agents were kept from doing while they planned is put to a person."""
    document = {"agent": {"backend": {"type": "grok"}}, "orchestrator": {"coordination": {"enable_planning_mode": True}}}

    assert migrate(document)["permissions"] == {"ask": ["mcp__*"]}
    assert warned(document) == ["orchestrator.coordination.enable_planning_mode"]


def test_names_are_made_fit_and_stay_different() -> None:
    """A name that cannot stand today gets a neighbour of it."""
    agents = [{"id": name, "backend": {"type": "grok"}} for name in ("gemini2.5", "gemini2-5", "gemini2 5", "ä")]

    assert [agent["name"] for agent in migrate({"agents": agents})["agents"]] == ["gemini2-5", "gemini2-5-2", "gemini2-5-3", "agent"]


def test_what_is_switched_off_is_no_mistake() -> None:
    """A feature that no plugin provides, and that is not used, does no harm."""
    section = {"type": "gemini", "enable_mcp_command_line": False, "custom_tools": [], "enable_audio_generation": False}

    assert backend(**section) == {"name": "al", "backend": {"type": "gemini"}}


def test_all_refusals_come_at_once() -> None:
    """Each with its path in the old document."""
    found = refused(
        {
            "agents": [
                {"id": "a", "backend": {"type": "ag2"}},
                {"id": "b", "backend": {"type": "gemni"}},
                {"id": "c", "backend": {"type": "openai", "custom_tools": [{"path": "x.py"}], "hooks": {"PreToolUse": []}, "temprature": 1}},
                {"id": "d"},
            ],
            "orchestrator": {"context_paths": [{"permission": "read"}]},
            "num_agents": 3,
        }
    )

    assert [path for path, _ in found] == [
        "agents[0].backend.type",
        "agents[1].backend.type",
        "agents[2].backend.hooks",
        "agents[2].backend.temprature",
        "agents[2].backend.custom_tools[0]",
        "agents[3]",
        "orchestrator.context_paths[0]",
        "num_agents",
    ]
    assert "did you mean 'gemini'" in found[1][1]
    assert "did you mean `temperature`" in found[3][1]


def test_a_key_in_the_file_is_refused_and_not_shown() -> None:
    """Neither the message nor the path holds it."""
    ((path, message),) = refused({"agent": {"id": "a", "backend": {"type": "openai", "api_key": "sk-verysecret"}}})

    assert path == "agent.backend.api_key"
    assert "verysecret" not in message


def test_commands_become_the_toolset_code() -> None:
    """With the sandbox that the file asks for; what ran unasked then, runs unasked now."""
    local = backend(type="gemini", enable_mcp_command_line=True, command_line_allowed_commands=["python.*"], command_line_blocked_commands=["pip"])
    docker = backend(
        type="gemini",
        enable_mcp_command_line=True,
        command_line_execution_mode="docker",
        command_line_docker_image="me/mine:1",
        command_line_docker_memory_limit="2g",
        command_line_docker_cpu_limit=4.0,
        command_line_docker_network_mode="bridge",
        command_line_docker_credentials={"env_vars": ["TOKEN"]},
    )

    sandbox = {"type": "local", "allowed_commands": ["python.*"], "blocked_commands": ["pip"]}
    assert local["toolsets"] == [{"type": "code", "executor": sandbox}]
    assert "execute_command" in local["permissions"]["allow"]
    assert docker["toolsets"][0]["executor"] == {
        "type": "docker",
        "image": "me/mine:1",
        "limits": {"memory": 2 << 30, "cpus": 4.0},
        "network": "full",
        "env": {"TOKEN": "env:TOKEN"},
    }


def test_commands_come_after_servers() -> None:
    """An agent keeps both."""
    agent = backend(type="gemini", enable_mcp_command_line=True, mcp_servers={"a": {"command": "x"}})

    assert [toolset["type"] for toolset in agent["toolsets"]] == ["mcp", "code"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("docker_image", "ghcr.io/massgen/mcp-runtime-sudo:latest"),
        ("docker_enable_sudo", True),
        ("docker_packages", {"preinstall": {"npm": ["x"]}}),
        ("docker_network_mode", "host"),
    ],
)
def test_what_a_container_no_longer_does_is_told(option: str, value: Any) -> None:
    """The walls are no lower than they were, and the file runs."""
    section = {"type": "gemini", "enable_mcp_command_line": True, "command_line_execution_mode": "docker", f"command_line_{option}": value}

    assert warned({"agent": {"backend": section}}) == [f"agent.backend.command_line_{option}"]
    assert set(backend(**section)["toolsets"][0]["executor"]) <= {"type", "network"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("execution_mode", "cloud"),
        ("docker_memory_limit", "much"),
        ("docker_network_mode", "container:x"),
        ("blocked_commands", "rm.*"),
    ],
)
def test_a_restriction_of_commands_is_never_dropped(option: str, value: Any) -> None:
    """What cannot be taken over is refused, where leaving it out would allow more."""
    section = {"type": "gemini", "enable_mcp_command_line": True, "command_line_execution_mode": "docker", f"command_line_{option}": value}

    assert [path for path, _ in refused({"agent": {"backend": section}})] == [f"agent.backend.command_line_{option}"]


def test_claude_code_runs_commands_in_its_container() -> None:
    """A file that ran its commands in a container does not run them on the machine itself."""
    agent = backend(type="claude_code", enable_mcp_command_line=True, command_line_execution_mode="docker", exclude_tools=["WebFetch"])
    own = {"agent": {"backend": {"type": "claude_code", "enable_mcp_command_line": True}}}

    assert agent["backend"] == {"type": "claude-code", "disallowed_tools": ["WebFetch", "Bash"]}
    assert agent["toolsets"] == [{"type": "code", "executor": {"type": "docker"}}]
    assert "toolsets" not in migrate(own)["agents"][0]
    assert warned(own) == ["agent.backend.enable_mcp_command_line"]


def test_commands_are_not_run_unasked_while_planning() -> None:
    """Planning mode kept them back, too."""
    section = {"type": "gemini", "enable_mcp_command_line": True}
    document = {"agent": {"backend": section}, "orchestrator": {"coordination": {"enable_planning_mode": True}}}

    assert {"mcp__*", "execute_command"} <= set(migrate(document)["permissions"]["ask"])


def test_functions_become_the_toolset_python() -> None:
    """Lists run side by side; arguments that agents do not see are kept; they run unasked, as then."""
    tools = [
        {
            "name": ["a", "b"],
            "function": ["f", "g"],
            "path": "tools/x.py",
            "category": "math",
            "description": ["A.", "B."],
            "preset_args": [{"n": 1}, {}],
        },
        {"name": "c d", "function": "h", "path": "y.py", "description": "C.", "default_params": {"k": [1]}, "defer_loading": True},
        {"function": "i", "path": "y.py"},
    ]
    agent = backend(type="gemini", custom_tools=tools, mcp_servers={"s": {"command": "x"}})

    functions = [
        {"path": "tools/x.py", "function": "f", "name": "a", "description": "A.", "arguments": {"n": 1}},
        {"path": "tools/x.py", "function": "g", "name": "b", "description": "B."},
        {"path": "y.py", "function": "h", "name": "c_d", "description": "C.", "arguments": {"k": [1]}},
        {"path": "y.py", "function": "i", "name": "i"},
    ]
    assert agent["toolsets"][1] == {"type": "python", "functions": functions, "pass_env": ["*"]}
    assert agent["permissions"] == {"allow": ["a", "b", "c_d", "i"]}


def test_functions_of_massgen_itself_are_named() -> None:
    """Those without a file are left out, those with one are there where MassGen is."""
    tools = [
        {"name": "two_num_tool", "function": "two_num_tool"},
        {"name": ["z"], "path": "massgen/tool/z.py", "function": ["z"]},
        {"function": "z", "path": "z.py"},
    ]
    document = {"agent": {"backend": {"type": "grok", "custom_tools": tools}}}

    (toolset,) = migrate(document)["agents"][0]["toolsets"]

    assert [one["path"] for one in toolset["functions"]] == ["massgen/tool/z.py"]
    assert warned(document) == [f"agent.backend.custom_tools{place}" for place in ("[0]", "[1].path", "[2]")]


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (5, "expected a list of functions"),
        ([5], "expected a mapping with"),
        ([{"path": "x.py", "function": "os.system"}], "`function` is the name of a function"),
        ([{"path": "x.py", "functon": "f"}], "did you mean `function`?"),
        ([{"path": "x.py", "function": "f", "preset_args": 5}], "expected a mapping of arguments"),
    ],
)
def test_what_is_no_function_is_refused(tools: Any, said: str) -> None:
    """With its place."""
    found = refused({"agent": {"backend": {"type": "grok", "custom_tools": tools}}})

    assert any(said in message for _, message in found)
    assert all(path.startswith("agent.backend.custom_tools") for path, _ in found)


def test_servers_whose_arguments_lead_out_of_a_folder_still_start() -> None:
    """MassGen 0.1 did not look at arguments; a level that the file sets itself counts."""
    server = {"name": "a", "command": "python", "args": ["../server.py"]}
    document = {"agent": {"backend": {"type": "grok", "mcp_servers": [server, {**server, "name": "b", "security": {"level": "strict"}}]}}}

    first, second = migrate(document)["agents"][0]["toolsets"][0]["mcp_servers"]

    assert first["security"] == {"level": "moderate"}
    assert second["security"] == {"level": "strict"}
    assert warned(document) == ["agent.backend.mcp_servers[0]"]
