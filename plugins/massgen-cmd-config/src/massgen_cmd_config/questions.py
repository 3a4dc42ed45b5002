"""The questions of `massgen config new`, made from what is installed and from the answers so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, TypeAlias

import attrs

from massgen_cmd_config.facts import Facts, Installed, Option
from massgen_cmd_config.keys import is_secret
from massgen_cmd_config.servers import MOST_SERVERS, REFER_INSTEAD, server, server_refusal

__all__ = ["NONE", "PURPOSES", "Answers", "Question", "asked", "listed", "taken", "valued"]

Answers: TypeAlias = Mapping[str, str]
NONE = "none"
_MOST_HINTS = 6

PURPOSES = {
    "question": ("questions of any kind", ""),
    "coding": ("writing and mending programs", "You write code. Say what you assume, keep it small, and show how it was tested."),
    "research": ("finding out, with sources", "You research. Name the source of every claim, and say what is not known."),
    "data": ("figures out of data", "You analyse data. Show the steps from the data to each figure."),
    "writing": ("texts", "You write. Keep to the wanted form and tone, and cut what says nothing."),
}


@attrs.frozen(kw_only=True)
class Question:
    """One question.

    Attributes:
        key: Its name in `--set` and in files of answers.
        text: What is asked.
        help: What to know before answering.
        default: The answer of `--yes`, and of pressing Enter.
        choices: The only answers that there are, each with what to say of it; empty: any text.
        hints: Some of the answers that there are, where any text is one.
        check: Says what is wrong with an answer; an empty text where nothing is.
        is_many: Several choices may be named, separated by commas.
        is_quiet: It is only asked where its default will not do, and by `--set` or the list of changes.
    """

    key: str
    text: str
    help: str
    default: str = ""
    choices: Mapping[str, str] = attrs.field(factory=dict)
    hints: tuple[str, ...] = ()
    check: Callable[[str], str] = attrs.field(default=lambda answer: "", eq=False, repr=False)
    is_many: bool = False
    is_quiet: bool = False

    def refusal(self, answer: str) -> str:
        """Return what is wrong with an answer, and what could be said instead; empty where nothing is."""
        if is_secret(self.key.rpartition(".")[2], answer):  # first: all others show the answer
            return REFER_INSTEAD
        given = listed(answer) if self.is_many else [answer]
        if not answer.strip() or not given:
            return f"an answer is needed{'; there are: ' + ', '.join(self.choices) if self.choices else ''}"
        wrong = [one for one in given if self.choices and one not in self.choices]
        if wrong:
            return f"{', '.join(wrong)} is no answer; there are: {', '.join(self.choices)}"
        if NONE in given and len(given) > 1:
            return f"{NONE} cannot be together with others"
        return self.check(answer)

    def normal(self, answer: str) -> str:
        """Return an answer as it is kept."""
        return ", ".join(listed(answer)) if self.is_many else answer.strip()


def listed(answer: str) -> list[str]:
    """Return the parts of an answer to a question with several."""
    return list(dict.fromkeys(part.strip() for part in answer.split(",") if part.strip()))


def asked(facts: Facts, answers: Answers) -> tuple[Question, ...]:
    """Return the questions that these answers lead past, in order."""
    return tuple(_walked(facts, answers, {}))


def taken(facts: Facts, answers: Answers) -> dict[str, str]:
    """Return an answer to each of these questions, and the default where there is none that fits."""
    found: dict[str, str] = {}
    for _ in _walked(facts, answers, found):
        pass
    return found


def _walked(facts: Facts, answers: Answers, found: MutableMapping[str, str]) -> Iterator[Question]:
    # Each section looks at the answers that are found up to its next question.
    for section in (_start, _who, _how, _tools, _servers, _files, _limits, _display):
        for question in section(facts, found):
            answer = answers.get(question.key)
            found[question.key] = question.default if answer is None or question.refusal(answer) else question.normal(answer)
            yield question


def _start(facts: Facts, found: Answers) -> Iterator[Question]:
    if facts.presets:
        yield Question(
            key="preset",
            text="Start from a preset?",
            help="A preset is a whole configuration that a plugin brings. With one, only the strategy, limits and the display are asked for.",
            choices={NONE: "answer questions instead", **{name: said for name, (said, _) in facts.presets.items()}},
            default=NONE,
        )


def _who(facts: Facts, found: Answers) -> Iterator[Question]:
    if _preset(facts, found):
        return
    yield Question(
        key="purpose",
        text="What is it for?",
        help="It chooses the system message of the agents, and which tools are proposed. Both can be changed later.",
        choices={name: said for name, (said, _) in PURPOSES.items()},
        default="question",
    )
    yield Question(
        key="backends",
        text="Which providers?",
        help="Those that are installed are listed. Different providers make different mistakes, which is the point of a vote. "
        "A key is set with: massgen auth set NAME, or as a variable of the environment.",
        choices=_said(facts.backends),
        default=facts.backends[0].name if facts.backends else "",
        check=lambda answer: "" if facts.backends else "no backend is installed; install one with: pip install massgen-backend-local",
        is_many=True,
    )
    chosen = listed(found["backends"])
    for backend in facts.backends:
        if backend.name in chosen:
            yield from _options(facts, "backend", backend, found)
    yield Question(
        key="agents",
        text="How many agents?",
        help="Each costs as much as one agent alone. With one there is no vote; providers take turns.",
        default=str(max(2, len(chosen))),
        check=_whole(1, 64),
    )
    for name in chosen:
        yield Question(
            key=f"model.{name}",
            text=f"Which model of {name}?",
            help=f"default: the provider's own. To see what there is, and what it costs: massgen models {name}",
            default="default",
            hints=_known_models(facts, name, found),
        )


def _known_models(facts: Facts, backend: str, found: Answers) -> tuple[str, ...]:
    """Return the names of some models that can be used with the options that are chosen, those on this machine first."""
    fitting = [
        model for model in facts.models(backend) if all(found.get(f"backend.{backend}.{key}") == value for key, value in model.options.items())
    ]
    return tuple(model.name for model in sorted(fitting, key=lambda model: not model.is_local)[:_MOST_HINTS])


def _options(facts: Facts, kind: str, plugin: Installed, found: Answers) -> Iterator[Question]:
    """Yield the questions that a plugin's class asks."""
    earlier: dict[str, Any] = {}
    for option in plugin.options:
        key = f"{kind}.{plugin.name}.{option.key}"

        def check(answer: str, option: Option = option, earlier: Mapping[str, Any] = dict(earlier)) -> str:
            options = {**earlier, option.key: valued(option, answer)}
            said = {key: value for key, value in options.items() if value is not None}
            return _value_refusal(option, answer) or facts.refuses(kind, plugin.name, said)

        last = option is plugin.options[-1]
        # Options that belong together can only be judged together: with the last of them.
        judge = check if last else lambda answer, option=option: _value_refusal(option, answer)
        choices = dict.fromkeys(option.choices, "")
        yield Question(key=key, text=option.text, help=option.help or option.text, default=option.default, choices=choices, check=judge)
        earlier[option.key] = valued(option, found[key])


def valued(option: Option, answer: str) -> Any:
    """Return the value that an answer stands for."""
    if answer == NONE:
        return None
    if option.type.startswith("a list of"):
        return listed(answer)
    if option.type == "true or false":
        return answer == "true"
    try:
        return int(answer) if option.type == "a whole number" else float(answer) if option.type == "a number" else answer
    except ValueError:
        return answer


def _value_refusal(option: Option, answer: str) -> str:
    wants = {"a whole number": int, "a number": (int, float)}.get(option.type)
    return f"{option.type} is needed" if wants and answer != NONE and not isinstance(valued(option, answer), wants) else ""  # type: ignore[arg-type]


def _how(facts: Facts, found: Answers) -> Iterator[Question]:
    names = [one.name for one in facts.strategies]
    if not names or "plugins" in _preset(facts, found):  # it says itself what may be used
        return
    preferred = _named(_preset(facts, found).get("strategy")) or ("single" if found.get("agents") == "1" else "consensus")
    yield Question(
        key="strategy",
        text="How do they come to one answer?",
        help="consensus: agents see each other's answers, improve them, and vote.",
        choices=_said(facts.strategies),
        default=preferred if preferred in names else names[0],
    )
    for plugin in facts.strategies:
        if plugin.name == found["strategy"] and not _preset(facts, found):
            yield from _options(facts, "strategy", plugin, found)


def _tools(facts: Facts, found: Answers) -> Iterator[Question]:
    names = [one.name for one in facts.toolsets]
    if not names or _preset(facts, found):
        return
    wanted = [name for name in ("code",) if name in names and found["purpose"] in ("coding", "data")]
    yield Question(
        key="tools",
        text="Which tools do agents get?",
        help="mcp: the tools of MCP servers, which are asked for next. Agents can also do without any.",
        choices={NONE: "agents only write", **_said(facts.toolsets)},
        default=", ".join(wanted) or NONE,
        is_many=True,
    )
    chosen = [one for one in facts.toolsets if one.name in listed(found["tools"])]
    for plugin in chosen:
        yield from _options(facts, "toolset", plugin, found)
    if facts.executors and any(one.name == "mcp" or "executor" in one.takes for one in chosen):
        executors = [one.name for one in facts.executors]
        runs_code = any("executor" in one.takes for one in chosen)
        yield Question(
            key="sandbox",
            text="Where do commands and servers run?",
            help="In a sandbox, commands and the processes of MCP servers see only what they are given. none: servers may do whatever you may.",
            choices={NONE: "as each tool does by itself; servers unconfined", **_said(facts.executors)},
            default=next((name for name in ("local", "docker") if name in executors), executors[0]) if runs_code else NONE,
        )
    if chosen:
        judged = {"judge": f"what {', '.join(one.name for one in facts.classifiers)} says"} if facts.classifiers else {}
        yield Question(
            key="permission",
            text="May agents use these tools unasked?",
            help="ask: each call is put to you. allow: none is. Patterns for single tools can be written later, under permissions."
            + (" judge: only calls are put to you that a classifier does not find harmless." if judged else ""),
            choices={"ask": "each call is put to you", "allow": "no call is", **judged},
            default="ask",
        )


def _servers(facts: Facts, found: Answers) -> Iterator[Question]:
    if "mcp" not in listed(found.get("tools", "")):
        return
    for number in range(1, MOST_SERVERS + 1):
        earlier = [found[f"server{before}"] for before in range(1, number)]
        names = [server(text).name for text in earlier]
        text = "Another MCP server? Its command or address:" if number > 1 else "Which MCP server? Its command or address:"
        yield Question(
            key=f"server{number}",
            text=text,
            help="For instance: uvx mcp-server-time; or docs=https://example.org/mcp; or files=npx -y @modelcontextprotocol/server-filesystem . "
            "NAME= before it names it, VARIABLE=env:VARIABLE hands a key on. It is started once to see its tools. none: no more.",
            default=NONE,
            check=lambda answer, names=tuple(names): server_refusal(facts, answer, names),  # type: ignore[misc]
        )
        if found[f"server{number}"] == NONE:
            return


def _files(facts: Facts, found: Answers) -> Iterator[Question]:
    if "context_paths" not in facts.keys or _preset(facts, found):
        return
    yield Question(
        key="folder",
        text="Which folder may agents look into?",
        help="A folder or file that is there, as a path from the configuration file, for instance . or data; several are separated by commas. "
        "none: agents see no files of yours.",
        default=NONE,
        check=lambda answer: _withheld(facts, answer),
    )
    if found["folder"] != NONE:
        yield Question(
            key="access",
            text="What may they do there?",
            help="read: each agent sees it, and nothing in it changes. write: the agent that wins may change it.",
            choices={"read": "look", "write": "look and change"},
            default="read",
        )


def _limits(facts: Facts, found: Answers) -> Iterator[Question]:
    texts = {
        "seconds": ("How many seconds may a run take?", "Then the best answer so far is given. none: no limit.", "600"),
        "money": ("How many US dollars may a run cost?", "Of calls whose price is known. none: no limit.", NONE),
    }
    section = _preset(facts, found).get("limits") or {}
    for option in facts.limits:
        text, said, usual = texts.get(option.key, (f"How many {option.key} may a run use?", f"Counted are {option.help}. none: no limit.", NONE))
        default = _shown(section.get(option.key)) if _preset(facts, found) else usual
        check = _amount(is_whole=option.type.startswith("a whole"))
        yield Question(key=option.key, text=text, help=said, default=default, check=check, is_quiet=option.key not in texts)


def _display(facts: Facts, found: Answers) -> Iterator[Question]:
    before = _named(_preset(facts, found).get("display"))
    usable = tuple(one for one in facts.displays if "plugins" not in _preset(facts, found) or one.name == before)
    choices = {"auto": "what fits", **_said(usable), "plain": "lines"}
    yield Question(
        key="display",
        text="How is a run shown?",
        help="auto: the terminal display where it is installed and there is a terminal, else plain lines.",
        choices=choices,
        default=before if before in choices else "auto",
    )


def _preset(facts: Facts, found: Answers) -> Mapping[str, Any]:
    """Return the document of the chosen preset, empty without one."""
    name = found.get("preset", NONE)
    return {} if name == NONE else facts.presets[name][1]


def _named(section: Any) -> str:
    return str(section.get("type", "")) if isinstance(section, Mapping) else section or ""


def _said(plugins: tuple[Installed, ...]) -> dict[str, str]:
    return {one.name: one.said for one in plugins}


def _shown(value: Any) -> str:
    return NONE if value is None else str(int(value)) if float(value).is_integer() else str(value)


def _whole(least: int, most: int) -> Callable[[str], str]:
    def check(answer: str) -> str:
        is_fine = answer.isascii() and answer.isdigit() and len(answer) < 9 and str(int(answer)) == answer and least <= int(answer) <= most
        return "" if is_fine else f"a whole number from {least} to {most} is needed"

    return check


def _amount(*, is_whole: bool) -> Callable[[str], str]:
    def check(answer: str) -> str:
        if answer == NONE:
            return ""
        try:
            is_fine = 0 < float(answer) < 1e9 and (not is_whole or answer.isdigit())
        except ValueError:
            is_fine = False
        return "" if is_fine else f"a {'whole ' if is_whole else ''}number above 0 is needed, or none"

    return check


def _withheld(facts: Facts, answer: str) -> str:
    reasons = [facts.withheld(path) for path in listed(answer) if path != NONE]
    return next(filter(None, reasons), "")
