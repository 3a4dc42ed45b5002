"""The questions of `massgen config new`, as data, and the configuration that the answers come to."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import attrs

from massgen_core.api import BackendSpec, MassGenError, UsageProblem

if TYPE_CHECKING:
    from massgen_core.plugins.manager import Plugins

__all__ = ["QUESTIONS", "Answers", "Question", "Setting", "document", "questions"]

Answers: TypeAlias = Mapping[str, str]

_PURPOSES = {
    "question": "",
    "coding": "You write code. Say what you assume, keep it small, and show how it was tested.",
    "research": "You research. Name the source of every claim, and say what is not known.",
    "data": "You analyse data. Show the steps from the data to each figure.",
    "writing": "You write. Keep to the wanted form and tone, and cut what says nothing.",
}
# Backends that play answers are for trying out, and come last.
_PLAYED = ("scripted", "replay")
_FOLDED = str.maketrans("", "", " \t")


@attrs.frozen(kw_only=True)
class Setting:
    """What questions may look at.

    Attributes:
        plugins: The installed plugins.
        answers: Those given so far.
    """

    plugins: Plugins
    answers: Answers

    def backends(self) -> list[str]:
        """Return the installed backends: those whose keys are set first, those that only play answers last."""
        return sorted(self.plugins.names("backend"), key=lambda name: (name in _PLAYED, not self.has_key(name), name != "local", name))

    def keys(self, backend: str) -> tuple[str, ...]:
        """Return the names of the variables in which a backend looks for its key."""
        try:
            spec = self.plugins.get("backend", backend)
        except MassGenError:
            return ()
        return tuple(name.removeprefix("env:") for name in spec.keys) if isinstance(spec, BackendSpec) else ()

    def has_key(self, backend: str) -> bool:
        """Say whether a backend needs no key, or finds one in the environment."""
        keys = self.keys(backend)
        return backend == "local" or any(os.environ.get(key) for key in keys)

    def chosen(self) -> list[str]:
        """Return the backends that were chosen."""
        return _list(self.answers.get("backends", ""))


@attrs.frozen(kw_only=True)
class Question:
    """One question.

    Attributes:
        key: Its name in `--set` and in files of answers.
        text: What is asked.
        help: What to know before answering.
        choices: The only answers that there are, each with what to say of it; empty: any.
        default: The answer of `--yes`, and of pressing Enter.
        check: Says what is wrong with an answer; an empty text where nothing is.
        is_many: Several choices may be named, separated by commas.
    """

    key: str
    text: str
    help: str
    default: Callable[[Setting], str]
    choices: Callable[[Setting], Mapping[str, str]] = lambda setting: {}
    check: Callable[[str], str] = lambda answer: ""
    is_many: bool = False
    is_asked: Callable[[Setting], bool] = lambda setting: True

    def refusal(self, answer: str, setting: Setting) -> str:
        """Return what is wrong with an answer, and what could be said instead; empty where nothing is."""
        choices = self.choices(setting)
        given = _list(answer) if self.is_many else [answer]
        if self.is_many and not given:
            return f"at least one is needed; there are: {', '.join(choices) or 'none, install one with: pip install massgen-backend-local'}"
        wrong = [one for one in given if choices and one not in choices]
        if wrong:
            return f"{', '.join(wrong)} is no answer; there are: {', '.join(choices)}"
        return self.check(answer)


def _backends(setting: Setting) -> Mapping[str, str]:
    said = {}
    for name in setting.backends():
        keys = setting.keys(name)
        missing = f"{' or '.join(keys[:2])} is not set" if keys else "needs no key"
        said[name] = "plays answers, for trying out" if name in _PLAYED else "ready" if setting.has_key(name) else missing
    return said


def _whole(least: int, most: int) -> Callable[[str], str]:
    def check(answer: str) -> str:
        is_fine = answer.isascii() and answer.isdigit() and least <= int(answer) <= most
        return "" if is_fine else f"a whole number from {least} to {most} is needed"

    return check


def _amount(answer: str) -> str:
    if answer == "none":
        return ""
    try:
        return "" if 0 < float(answer) < 1e9 else "a number above 0 is needed, or none"
    except ValueError:
        return "a number is needed, or none"


def _commands(answer: str) -> str:
    try:
        _servers(answer)
    except UsageProblem as error:
        return str(error)
    return ""


QUESTIONS: tuple[Question, ...] = (
    Question(
        key="purpose",
        text="What is it for?",
        help="This writes the agents' system message, which you can change later.",
        choices=lambda setting: {name: text or "no system message" for name, text in _PURPOSES.items()},
        default=lambda setting: "question",
    ),
    Question(
        key="backends",
        text="Which providers? Several are separated by commas.",
        help="Only what is installed is listed. Different providers make different mistakes, which is the point of a vote.",
        choices=_backends,
        default=lambda setting: next(iter(setting.backends()), ""),
        is_many=True,
    ),
    Question(
        key="agents",
        text="How many agents?",
        help="Each costs as much as one agent alone. With one there is no vote.",
        default=lambda setting: str(max(2, len(setting.chosen()))),
        check=_whole(1, 64),
    ),
    Question(
        key="models",
        text="Which models? One for each provider, separated by commas; default: the provider's own.",
        help="`massgen models` lists them.",
        default=lambda setting: ", ".join("default" for _ in setting.chosen()),
    ),
    Question(
        key="strategy",
        text="How do they come to one answer?",
        help="consensus: agents see each other's answers, improve, and vote.",
        choices=lambda setting: dict.fromkeys(setting.plugins.names("strategy"), ""),
        default=lambda setting: "single" if setting.answers.get("agents") == "1" else "consensus",
    ),
    Question(
        key="servers",
        text="Which MCP servers? NAME=COMMAND, separated by `;`, or none.",
        help="For instance: files=npx -y @modelcontextprotocol/server-filesystem . ; `massgen mcp doctor` then says whether they work.",
        default=lambda setting: "none",
        check=_commands,
        is_asked=lambda setting: "mcp" in setting.plugins.names("toolset"),
    ),
    Question(
        key="tools",
        text="May agents call these tools unasked?",
        help="ask: each call is put to you. allow: none is.",
        choices=lambda setting: {"ask": "each call is put to you", "allow": "no call is"},
        default=lambda setting: "ask",
        is_asked=lambda setting: setting.answers.get("servers", "none") != "none",
    ),
    Question(
        key="seconds",
        text="How many seconds may a run take? none: no limit.",
        help="Then the best answer so far is given.",
        default=lambda setting: "600",
        check=_amount,
    ),
    Question(
        key="money",
        text="How many US dollars may a run cost? none: no limit.",
        help="Of calls whose price is known.",
        default=lambda setting: "none",
        check=_amount,
    ),
    Question(
        key="display",
        text="How is a run shown?",
        help="auto: the terminal display where it is installed and there is a terminal, else plain lines.",
        choices=lambda setting: {"auto": "what fits", **dict.fromkeys([*setting.plugins.names("display"), "plain"], "")},
        default=lambda setting: "auto",
    ),
)


def questions(setting: Setting) -> tuple[Question, ...]:
    """Return the questions that are asked, given the answers so far."""
    return tuple(question for question in QUESTIONS if question.is_asked(setting))


def document(answers: Answers) -> dict[str, Any]:
    """Return the configuration that the answers come to."""
    backends, models = _list(answers["backends"]), _list(answers["models"])
    chosen = {backend: models[index] if index < len(models) else "default" for index, backend in enumerate(backends)}
    made: dict[str, Any] = {"version": 1, "agents": [_agent(number, backends, chosen, answers) for number in range(int(answers["agents"]))]}
    made["strategy"] = {"type": answers["strategy"]}
    if servers := _servers(answers.get("servers", "none")):
        made["toolsets"] = [{"type": "mcp", "servers": servers}]
        made["permissions"] = {answers.get("tools", "ask"): ["mcp__*"]}
    limits = {key: float(answers[key]) for key in ("seconds", "money") if answers[key] != "none"}
    if limits:
        made["limits"] = limits
    if answers["display"] != "auto":
        made["display"] = {"type": answers["display"]}
    return made


def _agent(number: int, backends: Sequence[str], models: Mapping[str, str], answers: Answers) -> dict[str, Any]:
    backend = backends[number % len(backends)]
    again = f"-{number // len(backends) + 1}" if int(answers["agents"]) > len(backends) else ""
    # Chat servers are many; which one is told by its preset or address.
    section = {"type": backend, "preset": "openai"} if backend == "chat" else {"type": backend}
    agent: dict[str, Any] = {"name": f"{backend}{again}", "backend": section}
    if models[backend] not in ("", "default"):
        agent["model"] = models[backend]
    if system := _PURPOSES[answers["purpose"]]:
        agent["system"] = system
    return agent


def _servers(answer: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for part in [] if answer in ("", "none") else answer.split(";"):
        name, separator, command = part.strip().partition("=")
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise UsageProblem(f"{part.strip()!r} cannot be taken apart: {error}") from None
        if not separator or not name or not words:
            raise UsageProblem(f"{part.strip()!r} is no server; write NAME=COMMAND, or none")
        made[name] = {"command": words[0], **({"args": words[1:]} if words[1:] else {})}
    return made


def _list(answer: str) -> list[str]:
    return [part.translate(_FOLDED) for part in answer.split(",") if part.strip()]
