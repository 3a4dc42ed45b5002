"""The way through the questions of `massgen config new`, without a terminal and without other plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgen_cmd_config.drafting import document, text_of
from massgen_cmd_config.facts import Facts, Installed, Option
from massgen_cmd_config.questions import Question, asked
from massgen_cmd_config.servers import server, server_refusal
from massgen_cmd_config.walk import Walk
from massgen_core.api import ModelInfo


def refuses(kind: str, name: str, options: Mapping[str, Any]) -> str:
    """Judge options as plugins would: a chat server must be one of two."""
    return "no such server" if (kind, name) == ("backend", "chat") and options.get("preset") not in ("near", "far") else ""


AMOUNT = Option(key="seconds", text="wall time", type="a number", default="none")
COUNT = Option(key="calls", text="model calls", type="a whole number", default="none")
FACTS = Facts(
    backends=(
        Installed(name="local", said="ready"),
        Installed(name="chat", options=(Option(key="preset", text="Which server?", default="near"),)),
        Installed(
            name="odd", options=(Option(key="many", text="How many?", type="a whole number"), Option(key="deep", text="?", choices=("a", "b")))
        ),
    ),
    strategies=(Installed(name="consensus"), Installed(name="single")),
    toolsets=(Installed(name="code", takes=frozenset({"executor"})), Installed(name="mcp", takes=frozenset({"servers"}))),
    executors=(Installed(name="docker"), Installed(name="local")),
    displays=(Installed(name="terminal"),),
    classifiers=(Installed(name="commands"),),
    presets={
        "closed": ("no other plugins", {"version": 1, "agents": [{"backend": "local"}], "plugins": {"allow": ["massgen-backend-local"]}}),
        "small": ("one agent", {"version": 1, "agents": [{"backend": "local"}], "limits": {"seconds": 5, "calls": 2000000}, "display": "plain"}),
    },
    limits=(AMOUNT, COUNT),
    keys=frozenset({"agents", "context_paths"}),
    refuses=refuses,
    withheld=lambda path: "" if path in (".", "data") else "there is no such folder",
)
TEXTS = ("none", "default", "1", "3", "0", "7.5", "near", "far", "data", "., data", "uvx mcp-server-time", "b=https://example.org/mcp", "b=npx b", "")

installed = st.builds(
    Facts,
    backends=st.sampled_from((FACTS.backends, FACTS.backends[:1])),
    strategies=st.sampled_from((FACTS.strategies, ())),
    toolsets=st.sampled_from((FACTS.toolsets, FACTS.toolsets[1:], ())),
    executors=st.sampled_from((FACTS.executors, ())),
    displays=st.sampled_from((FACTS.displays, ())),
    classifiers=st.sampled_from((FACTS.classifiers, ())),
    presets=st.sampled_from((FACTS.presets, {})),
    limits=st.just(FACTS.limits),
    keys=st.sampled_from((FACTS.keys, frozenset())),
    refuses=st.just(refuses),
    withheld=st.just(FACTS.withheld),
)


def an_answer(data: st.DataObject, question: Question) -> str | None:
    """Draw an answer that is taken; None where none of those drawn is."""
    if question.choices and question.is_many:
        drawn = ", ".join(data.draw(st.lists(st.sampled_from(sorted(question.choices)), max_size=3)))
    else:
        drawn = data.draw(st.sampled_from((question.default, *(sorted(question.choices) or TEXTS))))
    return None if question.refusal(drawn) else drawn


def strolled(data: st.DataObject, walk: Walk) -> tuple[Walk, dict[str, str]]:
    """Go about at random; return where that leads, and the last answer that was given to each question."""
    said: dict[str, str] = {}
    for move in data.draw(st.lists(st.sampled_from(("answer", "answer", "answer", "back", "jump")), max_size=20)):
        question = walk.question
        if move == "back":
            walk = walk.back()
        elif move == "jump":
            walk = walk.to(data.draw(st.sampled_from([one.key for one in walk.questions])))
        elif question is not None and (answer := an_answer(data, question)) is not None:
            said[question.key] = question.normal(answer)
            walk = walk.answered(answer)
    return walk, said


def to_the_end(data: st.DataObject, walk: Walk) -> Walk:
    """Answer what is left; that comes to an end."""
    for _ in range(80):
        question = walk.question
        if question is None:
            return walk
        answer = an_answer(data, question)
        if answer is None:
            answer = question.default if not question.refusal(question.default) else {"backend.odd.many": "3", "backend.odd.deep": "a"}[question.key]
        walk = walk.answered(answer)
    raise AssertionError("there is no end to the questions")


@settings(max_examples=60, deadline=None)
@given(st.data(), installed)
def test_no_answer_is_ever_lost(data: st.DataObject, facts: Facts) -> None:
    """Whatever way a person takes, what was last answered is kept, also to questions that are not asked any more."""
    walk, said = strolled(data, Walk.begin(facts, {}))

    assert {key: walk.answers.get(key) for key in said} == said


@settings(max_examples=60, deadline=None)
@given(st.data(), installed)
def test_back_and_forth_changes_nothing(data: st.DataObject, facts: Facts) -> None:
    """Going back, and taking again what was answered, leads to the same place with the same answers."""
    walk = Walk.begin(facts, {})
    for _ in range(data.draw(st.integers(1, 12))):
        question = walk.question
        if question is not None and (answer := an_answer(data, question)) is not None:
            walk = walk.answered(answer)
    before = walk.back()
    question = before.question
    assert question is not None
    if before.at == walk.at:
        assert walk.at == walk.questions[0].key
        return
    after = before.answered(before.proposal(question))

    assert (after.at, after.answers) == (walk.at, walk.answers)


@settings(max_examples=60, deadline=None)
@given(st.data(), installed)
def test_every_way_ends_in_a_configuration(data: st.DataObject, facts: Facts) -> None:
    """The answers that are told make the same file again, without a question; agents have different names."""
    walk, _ = strolled(data, Walk.begin(facts, {}))
    walk = to_the_end(data, walk)
    made = document(facts, walk.answers)
    again = Walk.begin(facts, walk.told())

    assert again.at == ""
    assert text_of(facts, again.answers) == text_of(facts, walk.answers)
    names = [agent.get("name") for agent in made["agents"]]
    assert len(set(names)) == len(names)
    assert {one.key for one in walk.questions} == set(walk.finished())


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=5) | st.dictionaries(st.sampled_from(["preset", "agents"]), st.text()))
def test_answers_of_any_origin_are_borne(answers: dict[str, str]) -> None:
    """What answers nothing is kept aside, and what is no answer is asked for again."""
    walk = Walk.begin(FACTS, answers)

    assert walk.answers == answers
    assert walk.question is not None
    assert document(FACTS, answers)["version"] == 1


def test_an_answer_that_no_longer_fits_is_asked_again_and_kept() -> None:
    """A model of a provider that is taken back waits until that provider is chosen again."""
    walk = Walk.begin(FACTS, {"preset": "none", "purpose": "data", "backends": "chat", "backend.chat.preset": "far", "agents": "1"})
    walk = walk.answered("gpt")
    chosen = walk.to("backends").answered("local")
    assert (chosen.at, chosen.answers["model.chat"]) == ("model.local", "gpt")

    assert "model.chat" not in chosen.finished()
    assert chosen.to("backends").answered("chat").finished()["model.chat"] == "gpt"


def test_one_answer_can_be_changed_at_the_end() -> None:
    """After it the end is reached again, but for questions that the change brings up."""
    walk = Walk.begin(FACTS, {"preset": "none"})
    while question := walk.question:
        walk = walk.answered(question.default)

    assert walk.to("purpose").answered("writing").at == ""
    assert walk.to("tools").answered("mcp").at == "sandbox"


def test_limits_that_are_rarely_wanted_are_not_asked_for() -> None:
    """They are answered by option."""
    quiet = [one.key for one in asked(FACTS, {}) if one.is_quiet]

    assert quiet == ["calls"]
    assert document(FACTS, {"calls": "9"})["limits"] == {"seconds": 600, "calls": 9}


def test_a_preset_that_shuts_plugins_out_is_not_given_others() -> None:
    """Then neither a strategy nor a display of theirs can be chosen."""
    questions = {one.key: one for one in asked(FACTS, {"preset": "closed"})}

    assert "strategy" not in questions
    assert list(questions["display"].choices) == ["auto", "plain"]


def test_a_preset_is_taken_as_it_is() -> None:
    """But for what is answered otherwise."""
    assert document(FACTS, {"preset": "small"}) == FACTS.presets["small"][1]
    made = document(FACTS, {"preset": "small", "seconds": "none", "calls": "none", "display": "auto"})

    assert (made["limits"], made["display"]) == ({}, None)


@pytest.mark.parametrize(
    ("text", "name", "section"),
    [
        ("uvx mcp-server-time", "time", {"command": "uvx", "args": ["mcp-server-time"]}),
        ("npx -y @modelcontextprotocol/server-filesystem .", "filesystem", {"command": "npx"}),
        ("npx -y some-mcp@1.2", "some", {"command": "npx"}),
        ("/opt/tools/own.sh", "own", {"command": "/opt/tools/own.sh"}),
        ("python -m my_server", "my-server", {"command": "python", "args": ["-m", "my_server"]}),
        ("docs=https://mcp.example.org/mcp", "docs", {"type": "http", "url": "https://mcp.example.org/mcp"}),
        ("https://mcp.example.org/mcp", "example", {"type": "http"}),
        ("TOKEN=env:TOKEN uvx x", "x", {"command": "uvx", "args": ["x"], "env": {"TOKEN": "env:TOKEN"}}),
        ("git=A=1 B=2 git-server 'a b'", "git", {"command": "git-server", "args": ["a b"], "env": {"A": "1", "B": "2"}}),
        ("none", "", {}),
    ],
)
def test_servers_are_typed_as_commands_or_addresses(text: str, name: str, section: dict[str, Any]) -> None:
    """With a name before them, or one that the command suggests."""
    made = server(text)

    assert made.name == name
    assert {key: made.section[key] for key in section} == section


@pytest.mark.parametrize("text", ["", "a=", "'open", "A=1", "x=''"])
def test_what_is_no_server_is_refused(text: str) -> None:
    """With an example of one."""
    assert "is no server" in server_refusal(FACTS, text)


def test_two_servers_have_two_names_and_secrets_stay_outside() -> None:
    """A key in a command line would stand in the file."""
    assert "already" in server_refusal(FACTS, "uvx mcp-server-time", ["time"])
    refusal = server_refusal(FACTS, "x --key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789")

    assert "env:VARIABLE" in refusal
    assert "sk-proj" not in refusal


KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (Question(key="model.local", text="?", help=""), KEY),
        (Question(key="purpose", text="?", help="", choices={"coding": ""}), KEY),
        (Question(key="tools", text="?", help="", choices={"mcp": ""}, is_many=True), f"mcp, {KEY}"),
        (Question(key="backend.odd.api_key", text="?", help=""), "hunter2-and-more"),
    ],
)
def test_a_secret_is_no_answer(question: Question, answer: str) -> None:
    """It is refused before it is kept, shown or written, whatever is asked; a reference to it is taken."""
    refusal = question.refusal(answer)

    assert "a secret does not belong into a file" in refusal
    assert answer not in refusal
    assert KEY not in refusal
    assert question.choices or not question.refusal("env:ODD_API_KEY")


@pytest.mark.parametrize("text", ["https://example.org/mcp?api_key={}", "npx search --token {}", "npx search --api-key={} -v"])
def test_a_secret_by_its_name_is_no_part_of_a_server(text: str) -> None:
    """In an address and among arguments, too; a reference is taken."""
    assert "a secret does not belong" in server_refusal(FACTS, text.format("hunter2-and-more"))
    assert not server_refusal(FACTS, text.format("${SEARCH_KEY}"))


@given(st.text(max_size=60))
def test_any_text_is_a_server_or_refused(text: str) -> None:
    """No text ends the program; a server has a name that can name one."""
    if not server_refusal(FACTS, text):
        made = server(text)

        assert text.strip() == "none" or made.name


def test_models_that_are_known_are_named() -> None:
    """Those that fit the options that are chosen, what is on this machine first, and few."""
    models = [
        *(ModelInfo(name=f"near-{number}", options={"preset": "near"}) for number in range(9)),
        ModelInfo(name="far-1", options={"preset": "far"}),
        ModelInfo(name="here", is_local=True),
    ]
    known = attrs.evolve(FACTS, models=lambda backend: models if backend == "chat" else ())
    found = {"backends": "local, chat", "backend.chat.preset": "far", "preset": "none", "purpose": "question"}
    hints = {question.key: question.hints for question in asked(known, found) if question.key.startswith("model.")}

    assert hints == {"model.local": (), "model.chat": ("here", "far-1")}
    hints = {question.key: question.hints for question in asked(known, {**found, "backend.chat.preset": "near"})}
    assert hints["model.chat"] == ("here", *(f"near-{number}" for number in range(5)))
