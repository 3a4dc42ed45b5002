"""The verdicts of the classifier, and what options do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from massgen_core.api import ConfigProblem, Tool, ToolCall, Verdict
from massgen_safety_commands.classifier import Commands
from massgen_safety_commands.config import CommandsConfig
from massgen_testkit import PlainContext

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def judged(folder: Path, tool: str, arguments: Any, **options: Any) -> Verdict | None:
    classifier = Commands(CommandsConfig(**options), PlainContext(folder=folder))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return await classifier.judge(Tool(name=tool), ToolCall(id="1", name=tool, arguments=text))


def level(verdict: Verdict | None) -> str:
    return verdict.level if verdict else "none"


@pytest.mark.parametrize(
    ("tool", "arguments", "expected"),
    [
        ("execute_command", {"command": "sudo ls"}, "deny"),
        ("execute_command", {"command": "git push -f"}, "ask"),
        ("execute_command", {"command": "make"}, "ask"),
        ("execute_command", {"command": "ls"}, "allow"),
        ("execute_command", {"command": "cat x | wc -l", "seconds": 3}, "allow"),
        ("execute_code", {"language": "python", "code": "import os; os.system('sudo ls')"}, "deny"),
        ("execute_code", {"language": "Python3", "code": "print(1)"}, "ask"),
        ("execute_code", {"language": "shell", "code": "sudo ls"}, "deny"),
        ("execute_code", {"code": "sudo ls"}, "deny"),
        ("execute_code", {"code": "import os; os.system('sudo ls')"}, "deny"),
        ("start_job", {"command": "reboot"}, "deny"),
        ("write_job", {"job": "job-1", "text": "sudo ls\n"}, "deny"),
        ("write_job", {"job": "job-1", "close": True}, "none"),
        ("mcp__box__run_command", {"cmd": "sudo ls"}, "deny"),
        ("bash", {"command": ["sudo", "ls"]}, "deny"),
        ("bash", {"command": ["bash", "-c", "sudo ls"]}, "deny"),
        ("bash", {"commands": ["ls", "sudo ls"]}, "deny"),
        ("shell", {"command": "rm", "args": ["-rf", "/"]}, "deny"),
        ("bash", {"command": "echo $((`sudo ls`))"}, "deny"),
        ("bash", {"command": "echo $((1 + $(sudo ls)))"}, "deny"),
        ("bash", {"command": "echo $((sudo ls); true)"}, "deny"),
        ("bash", {"command": "echo $((sudo ls) | (cat))"}, "deny"),
        ("bash", {"command": 'echo "${x:-$(sudo ls)}" ${y#`sudo ls`}'}, "deny"),
        ("bash", {"command": "cat <<E\n$(sudo ls)\nE\n"}, "deny"),
        ("bash", {"command": "cat <<'E'\n$(sudo ls)\nE\n"}, "ask"),
        ("bash", {"command": "echo $((1 + (2 * 3)))"}, "allow"),
        ("bash", {"command": "sudo ls", "language": "text"}, "deny"),
        ("bash", {"command": "sudo ls", "args": ["x"]}, "deny"),
        ("bash", {"command": ["sudo ls"]}, "deny"),
        ("bash", {"commands": ["ls"] * 1000 + ["sudo ls"]}, "deny"),
        ("run_python", {"script": "import shutil; shutil.rmtree('/')"}, "deny"),
        ("execute_command", "{oops", "ask"),
        ("execute_command", {"line": "sudo ls"}, "none"),
        ("read_file", {"command": "sudo ls"}, "none"),
        ("execute_command", {"command": 7}, "none"),
    ],
)
async def test_calls_are_judged_by_what_they_carry(tmp_path: Path, tool: str, arguments: Any, expected: str) -> None:
    """Commands, code, vectors of words and lists of commands; of everything else there is no opinion."""
    assert level(await judged(tmp_path, tool, arguments)) == expected


async def test_a_tool_without_a_call_is_not_judged(tmp_path: Path) -> None:
    """It is what a call carries that matters."""
    assert await Commands(CommandsConfig(), PlainContext(folder=tmp_path)).judge(Tool(name="execute_command"), None) is None


async def test_reason_and_rule_are_told(tmp_path: Path) -> None:
    """Why, by what, and which rule; all rules of the strictest level are named."""
    verdict = await judged(tmp_path, "execute_command", {"command": "sudo true; cat ~/.ssh/id_rsa; git push -f"})

    assert verdict
    assert verdict.rule == "commands.credentials, commands.privileges"
    assert verdict.reason == (
        "it reads or changes where keys and passwords are kept: ~/.ssh/id_rsa (rule credentials); "
        "it takes the rights of another user: sudo true (rule privileges)"
    )


async def test_control_sequences_do_not_get_into_reasons(tmp_path: Path) -> None:
    """What a model writes is cleaned before a person reads it."""
    verdict = await judged(tmp_path, "execute_command", {"command": "sudo '\x1b]52;c;eA==\x07' x; \u202e"})

    assert verdict
    assert verdict.reason.isprintable()


async def test_only_plain_looking_is_repeatable(tmp_path: Path) -> None:
    """A resumed run may repeat what only looks, nothing else."""
    looking = await judged(tmp_path, "execute_command", {"command": "ls"}, otherwise="allow")
    making = await judged(tmp_path, "execute_command", {"command": "make"}, otherwise="allow")

    assert looking == Verdict(level="allow", reason="it only looks at files of the workspace", rule="commands.read-only", is_idempotent=True)
    assert making == Verdict(level="allow", rule="commands.otherwise")


@pytest.mark.parametrize(
    ("otherwise", "command", "expected"), [("allow", "make", "allow"), ("warn", "make", "warn"), ("allow", "git push -f", "ask")]
)
async def test_otherwise_is_for_what_no_rule_matches(tmp_path: Path, otherwise: str, command: str, expected: str) -> None:
    """And rules stay what they are."""
    assert level(await judged(tmp_path, "execute_command", {"command": command}, otherwise=otherwise)) == expected


async def test_a_mild_rule_does_not_open_what_is_asked(tmp_path: Path) -> None:
    """A warning is no approval: where a person is asked about what nobody knows, they are asked about this, too."""
    command = {"command": "npm install -g x"}

    assert level(await judged(tmp_path, "execute_command", command)) == "ask"
    assert level(await judged(tmp_path, "execute_command", command, otherwise="allow")) == "warn"


async def test_rules_can_be_switched_off_raised_and_lowered(tmp_path: Path) -> None:
    """By name, one by one."""
    sudo, push = {"command": "sudo ls"}, {"command": "git push -f"}

    assert level(await judged(tmp_path, "execute_command", sudo, disable=("privileges",), otherwise="allow")) == "allow"
    assert level(await judged(tmp_path, "execute_command", sudo, levels={"privileges": "ask"})) == "ask"
    assert level(await judged(tmp_path, "execute_command", push, levels={"git-force-push": "deny"})) == "deny"


@pytest.mark.parametrize("options", [{"disable": ("priviledges",)}, {"levels": {"priviledges": "ask"}}])
async def test_unknown_rule_is_a_mistake(tmp_path: Path, options: Any) -> None:
    """The nearest name is offered."""
    with pytest.raises(ConfigProblem, match="did you mean 'privileges'"):
        await judged(tmp_path, "execute_command", {"command": "ls"}, **options)


async def test_workspaces_are_inside(tmp_path: Path) -> None:
    """The folder of the run's workspaces, and the folders that the configuration names."""
    for path in (f"{tmp_path}/workspaces/agent/x", "/workspace/x"):
        assert level(await judged(tmp_path, "execute_command", {"command": f"rm -r {path}"})) == "ask"
    assert level(await judged(tmp_path, "execute_command", {"command": "rm -r /data/x"})) == "deny"
    assert level(await judged(tmp_path, "execute_command", {"command": "rm -r /data/x"}, inside=("/data",))) == "ask"


@pytest.mark.parametrize(
    ("language", "code", "expected"),
    [
        ("shell", f"rm {'a ' * 5100}/etc/passwd", "ask"),
        ("shell", f"docker run -e A={'x' * 21_000} --privileged y", "ask"),
        ("javascript", f"//{'x' * 21_000}\neval(atob('eA=='))", "deny"),
        ("javascript", f"//{'x' * 21_000}\nf(1)", "allow"),
    ],
    ids=["words", "arguments", "text", "harmless"],
)
async def test_nothing_is_hidden_behind_its_length(tmp_path: Path, language: str, code: str, expected: str) -> None:
    """What rules do not look at to the end is not let through."""
    assert level(await judged(tmp_path, "execute_code", {"language": language, "code": code}, otherwise="allow")) == expected


async def test_too_long_to_be_judged_is_asked(tmp_path: Path) -> None:
    """Nothing gets through because it is long; what is dangerous at its beginning is refused all the same."""
    assert level(await judged(tmp_path, "execute_command", {"command": "make;" * 50_000}, otherwise="allow")) == "ask"
    assert level(await judged(tmp_path, "execute_command", {"command": "sudo ls;" + "make;" * 20_000}, otherwise="allow")) == "deny"
