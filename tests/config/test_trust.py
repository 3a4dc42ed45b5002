"""A project's file may be a stranger's: what it may say without being trusted, and how a person trusts it."""

from __future__ import annotations

import io
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_core.api import may_start, read_document, trust
from massgen_core.cli.app import ConsoleApp
from massgen_core.cli.trust import load_asking
from massgen_core.config.document import parse
from massgen_core.config.layers import named
from massgen_core.config.load import Loaded, load
from massgen_core.config.sections import AgentConfig, RunConfig
from massgen_core.config.tree import graft, merge
from massgen_core.config.trust import TrustStore, digest
from massgen_core.config.wants import statement, wants
from massgen_core.errors import ConfigProblem, ConfigProblems, ConfigUntrusted
from massgen_core.plugins.manager import Plugins

Loading = Callable[..., Loaded]

ONE = "version: 1\nagents:\n  - {name: one, backend: plain, model: m, system: Be brief., sampling: {temperature: 0}, limits: {calls: 3}}\n"
SERVER = (
    "toolsets:\n  - {type: mcp, servers: {x: {command: npx, args: [-y, evil], env: {TOKEN: 'env:GITHUB_TOKEN'}}, y: {url: 'https://h.example/p'}}}\n"
)


def asked(loading: Loading, text: str, **options: Any) -> str:
    with pytest.raises(ConfigUntrusted) as caught:
        loading(project=text, is_trusted=False, **options)
    return str(caught.value)


def test_who_answers_can_be_said_by_anybody(loading: Loading) -> None:
    """Names, models, texts, sampling, limits, a strategy and stricter permissions need no trust."""
    text = ONE + "strategy: {type: consensus, answers: 1}\npermissions: {deny: [rm], ask: ['*']}\nlimits: {money: 1}\ntool_seconds: 5\nseed: 7\n"

    loaded = loading(project=text, is_trusted=False)

    assert loaded.config.permissions.deny == ("rm",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("agents: [{backend: plain, permissions: {allow: [x, y]}}]", "lets agents use these tools without asking you: x, y"),
        ("permissions: {allow: ['*']}", "lets agents use these tools without asking you: *"),
        ("agents: [{backend: {type: acme, url: 'https://evil.example/v1', api_key: 'env:OPENAI_API_KEY'}}]", "contacts https://evil.example"),
        ("agents: [{backend: {type: acme, api_key: 'env:OPENAI_API_KEY'}}]", "hands over the secret env:OPENAI_API_KEY"),
        ("agents: [{backend: {type: acme, headers: {x: '${AWS_SECRET}'}}}]", "reads the environment variable AWS_SECRET"),
        ("agents: [{backend: plain, options: {user: '${HOME}'}}]", "sends further fields to the provider"),
        ("agents: [{backend: plain, model: ../evil.gguf}]", "opens the model file ../evil.gguf"),
        ("agents: [{backend: plain, toolsets: [dice]}]", "gives agents tools: agents[0].toolsets (dice)"),
        ("toolsets: [{type: python, functions: [{path: x.py, function: f}]}]", "runs the function f of x.py"),
        ("strategy: {type: judge, judge: '${PATH}'}", "reads the environment variable PATH"),
        ("strategy: {type: judge, judge: {command: rm}}", "starts rm"),
        ("strategy: {type: judge, judge: 'a text: of more words'}", "sets: strategy.judge = a text: of more words"),
        ("durability: off", "keeps less of the run's journal"),
        ("plugins: {block: []}", "changes which plugins may be used"),
        ("classifiers: []", "chooses who judges tool calls"),
        ("middlewares: []", "chooses what stands around model and tool calls"),
        ("sinks: [spy]", "chooses who reads the run's events: sinks (spy)"),
        ("display: web", "sets: display (web)"),
        ("prices: {'*': {input: 0}}", "says what models cost"),
        ("something_new: 1", "sets: something_new = 1"),
    ],
)
def test_whatever_may_do_harm_is_asked_for(loading: Loading, text: str, said: str) -> None:
    """Each with what it does, in words, and its place; a key that nobody knows counts among them."""
    message = asked(loading, f"version: 1\n{text}\n")

    assert said in message
    assert "massgen.yaml:2:" in message
    assert "massgen config trust" in message


def test_a_server_is_described_before_it_starts(loading: Loading) -> None:
    """The command as it would be run, the host, and the names of secrets."""
    message = asked(loading, ONE + SERVER)

    for said in ("starts npx -y evil", "contacts https://h.example", "hands over the secret env:GITHUB_TOKEN"):
        assert said in message


def test_what_a_person_set_is_not_loosened(loading: Loading) -> None:
    """A list or a limit that replaces a stricter one of the user's is asked for; one that is stricter still is not."""
    user = "version: 1\nlimits: {money: 1, calls: 5}\npermissions: {deny: [rm], ask: [git]}\ndurability: power\n"

    for text, said in (
        ("limits: {money: 2}", "raises your limit of money from 1 to 2"),
        ("limits: {calls: null}", "raises your limit of calls from 5 to none"),
        ("permissions: {deny: [other]}", "takes away what you set under deny: rm"),
        ("permissions: {ask: []}", "takes away what you set under ask: git"),
        ("durability: process", "keeps less"),
    ):
        assert said in asked(loading, f"{ONE}{text}\n", user=user)
    loading(project=ONE + "limits: {money: 0.5}\npermissions: {deny: [rm, more]}\n", user=user, is_trusted=False)
    assert "replaces your agents" in asked(loading, ONE, user="version: 1\nagents: [{backend: plain, permissions: {deny: [rm]}}]\n")


def test_text_of_a_stranger_stays_on_its_line(loading: Loading) -> None:
    """It can neither command the terminal nor pretend to be another line of the question."""
    text = 'toolsets: [{type: mcp, servers: {x: {command: "a\\e[2J\\n  - nothing\\u202e"}}}]\n'

    message = asked(loading, ONE + text)

    assert "starts a - nothing  (" in message
    assert "\x1b" not in message


def test_trust_is_for_one_file_as_it_is(loading: Loading, tmp_path: Path) -> None:
    """Once it is given nothing is asked; a changed file, and a file elsewhere, are asked about again."""
    with pytest.raises(ConfigUntrusted) as caught:
        loading(project=ONE + "toolsets: [dice]\n", is_trusted=False)
    store = TrustStore(tmp_path / "home" / ".config" / "massgen" / "trust.json")
    store.add(caught.value.file, caught.value.digest)

    assert loading(project=ONE + "toolsets: [dice]\n", is_trusted=False).config.toolsets
    assert asked(loading, ONE + "toolsets: [dice, dice]\n")
    assert stat.S_IMODE(os.stat(store.file).st_mode) == 0o600
    assert store.files() == {str(caught.value.file): caught.value.digest}
    assert store.remove(caught.value.file)
    assert not store.remove(caught.value.file)
    assert asked(loading, ONE + "toolsets: [dice]\n")


def test_trust_for_once_is_for_what_was_seen(loading: Loading) -> None:
    """A file that changes between the question and the run is not run."""
    with pytest.raises(ConfigUntrusted) as caught:
        loading(project=ONE + "toolsets: [dice]\n", is_trusted=False)

    assert loading(project=ONE + "toolsets: [dice]\n", is_trusted=caught.value.digest).config.toolsets
    with pytest.raises(ConfigUntrusted):
        loading(project=ONE + "toolsets: [dice, dice]\n", is_trusted=caught.value.digest)


def test_a_named_file_is_a_persons_own_word(loading: Loading) -> None:
    """`--config` says that the file is wanted; so does the variable, which a project cannot set."""
    assert loading(config=ONE + "toolsets: [dice]\n", is_trusted=False).config.toolsets


def test_included_files_are_a_part_of_what_is_trusted(loading: Loading, tmp_path: Path) -> None:
    """What they want counts, a change of theirs is a change, and they lie in the project's folder."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "tools.yaml").write_text("toolsets: [dice]\n")
    text = "version: 1\ninclude: [tools.yaml]\nagents: [{backend: plain}]\n"
    with pytest.raises(ConfigUntrusted) as caught:
        loading(project=text, is_trusted=False)

    assert "tools.yaml:1:11" in str(caught.value)
    assert loading(project=text, is_trusted=caught.value.digest).config.toolsets
    (folder / "tools.yaml").write_text("toolsets: [dice, dice]\n")
    with pytest.raises(ConfigUntrusted):
        loading(project=text, is_trusted=caught.value.digest)
    (tmp_path / "outside.yaml").write_text("limits: {calls: 1}\n")
    for way in ("../outside.yaml", "link.yaml"):
        if not (folder / "link.yaml").exists():
            (folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
        with pytest.raises(ConfigProblems, match="of its own folder only"):
            loading(project=text.replace("tools.yaml", way), is_trusted=True)


def test_a_link_to_a_trusted_file_is_not_trusted(plugins: Plugins, loading: Loading, tmp_path: Path) -> None:
    """What a file names is looked for where it lies: a stranger's folder with such a link would have its own programs started."""
    text = ONE + "toolsets: [dice]\n"
    with pytest.raises(ConfigUntrusted) as caught:
        loading(project=text, is_trusted=False)
    store = TrustStore(tmp_path / "home" / ".config" / "massgen" / "trust.json")
    store.add(caught.value.file, caught.value.digest)
    (stranger := tmp_path / "stranger").mkdir()
    (stranger / "massgen.yaml").symlink_to(caught.value.file)

    loading(project=text, is_trusted=False)
    with pytest.raises(ConfigUntrusted) as again:
        load(plugins, folder=stranger, environment={"HOME": str(tmp_path / "home")})

    store.add(again.value.file, again.value.digest)
    assert load(plugins, folder=stranger, environment={"HOME": str(tmp_path / "home")}).config.toolsets
    assert len(store.files()) == 2


def test_trust_by_the_option_is_for_what_was_there(plugins: Plugins, loading: Loading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a conversation agents may have changed the file before the next question, whether or not it wanted something at first."""
    for name in ("XDG_CONFIG_HOME", "MASSGEN_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    for first in (ONE, ONE + "toolsets: [dice]\n"):
        app = ConsoleApp(plugins)
        loading(project=first)
        monkeypatch.chdir(tmp_path / "project")
        for _ in range(2):
            load_asking(app, is_trusted=True)
        (tmp_path / "project" / "massgen.yaml").write_text(ONE + "toolsets: [dice, dice]\n")
        with pytest.raises(ConfigUntrusted):
            load_asking(app, is_trusted=True)


def test_what_was_read_is_what_is_trusted(loading: Loading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is the trusted one again after another one was read makes that one no better."""
    loading(project=ONE)
    monkeypatch.chdir(tmp_path / "project")
    file, environment = Path("massgen.yaml"), {"HOME": str(tmp_path / "home")}
    trust(file, environment)
    good = read_document(file, includes=True)
    file.write_text(ONE + "toolsets: [dice]\n")
    bad = read_document(file, includes=True)
    file.write_text(ONE)

    assert may_start(file, environment, good)
    assert not may_start(file, environment, bad)
    assert may_start(tmp_path / "config.yaml", environment, bad)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"files": 5}', '{"files": {"a": 5}}'])
def test_a_damaged_list_trusts_nothing(tmp_path: Path, content: str) -> None:
    """And can be written anew."""
    store = TrustStore(tmp_path / "trust.json")
    store.file.write_text(content)
    store.file.chmod(0o600)

    assert not store.files()
    store.add(tmp_path / "x", "1")
    assert json.loads(store.file.read_text())["files"] == {str(tmp_path / "x"): "1"}


def test_a_list_that_others_can_write_trusts_nothing(tmp_path: Path) -> None:
    """Whoever could write it could trust in the user's name."""
    store = TrustStore(tmp_path / "trust.json")
    store.add(tmp_path / "x", "1")
    assert store.files()
    store.file.chmod(0o620)

    assert not store.files()


@given(
    st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=6)), max_size=3),
    st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=6)), max_size=3),
)
def test_a_digest_stands_for_every_byte(one: list[tuple[bytes, bytes]], other: list[tuple[bytes, bytes]]) -> None:
    """No shift of bytes between paths and contents gives the same digest."""
    first, second = ([(Path(os.fsdecode(b"/" + path.replace(b"\0", b"0"))), content) for path, content in files] for files in (one, other))

    same = [(os.fsencode(path), content) for path, content in first] == [(os.fsencode(path), content) for path, content in second]
    assert (digest(first) == digest(second)) == same


# Laws

SCALARS: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.sampled_from(
        [
            "x",
            "plain",
            "acme",
            "dice",
            "off",
            "power",
            "${HOME}",
            "env:KEY",
            "https://evil.example",
            "~/.ssh",
            "npx",
            "terminal",
            "plain",
            "consensus",
        ]
    )
)
KEYS = st.sampled_from(["type", "command", "args", "url", "key", "env", "name", "path", "model", "allow", "ask", "deny", "calls", "tie", "judge"])
ANYTHING: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)
TOP = [field.name for field in attrs.fields(RunConfig)]
AGENT = [field.name for field in attrs.fields(AgentConfig)]
PLUGIN = st.sampled_from(["plain", "acme", "dice", "consensus", "judge"]) | st.builds(
    lambda name, more: {**more, "type": name}, st.sampled_from(["plain", "acme", "consensus"]), st.dictionaries(KEYS, ANYTHING, max_size=2)
)
PERMISSIONS = st.fixed_dictionaries({}, optional={key: st.lists(st.sampled_from(["a", "b", "*"]), max_size=2) for key in ("allow", "ask", "deny")})
LIMITS = st.dictionaries(st.sampled_from(["calls", "money"]), st.none() | st.integers(0, 9), max_size=2)
ONE_AGENT = st.builds(
    lambda agent, more: {**more, **agent},
    st.fixed_dictionaries({"backend": PLUGIN}, optional={"permissions": PERMISSIONS, "limits": LIMITS, "model": st.sampled_from(["m", "/m", "a/b"])}),
    st.dictionaries(st.sampled_from(AGENT), ANYTHING, max_size=1),
)
DOCUMENTS = st.builds(
    lambda document, more: {"version": 1, **more, **document},
    st.fixed_dictionaries(
        {},
        optional={
            "agents": st.lists(ONE_AGENT, min_size=1, max_size=2),
            "permissions": PERMISSIONS,
            "limits": LIMITS,
            "strategy": PLUGIN,
            "toolsets": st.lists(PLUGIN, max_size=1),
            "durability": st.sampled_from(["off", "process", "power"]),
        },
    ),
    st.dictionaries(st.sampled_from([name for name in TOP if name not in ("version", "include")]) | st.text("ab", min_size=1), ANYTHING, max_size=2),
)


# Mostly sound, and mostly near what the user has, so that much of it gets as far as to a run.
MILD = st.builds(
    lambda document: {"version": 1, **document},
    st.fixed_dictionaries(
        {},
        optional={
            "agents": st.lists(
                st.fixed_dictionaries({"backend": st.sampled_from(["plain", "acme"])}, optional={"limits": LIMITS}), min_size=1, max_size=2
            ),
            "permissions": PERMISSIONS,
            "limits": LIMITS,
            "durability": st.sampled_from(["off", "process", "power"]),
            "strategy": st.sampled_from(["consensus", {"type": "consensus", "answers": 2}]),
            "toolsets": st.just(["dice"]),
        },
    ),
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MILD | DOCUMENTS, MILD | DOCUMENTS)
def test_no_untrusted_document_starts_or_loosens_anything(loading: Loading, user: dict[str, Any], project: dict[str, Any]) -> None:
    """Whatever a stranger writes over whatever the user has: it is refused, or the run has no more than the user gave it."""
    base = {"version": 1, "agents": [{"backend": "plain"}]}
    try:
        own = loading(user=yaml.safe_dump({**base, **user}), is_trusted=False).config
        both = loading(user=yaml.safe_dump({**base, **user}), project=yaml.safe_dump(project), is_trusted=False).config
    except (ConfigProblem, ConfigProblems):
        return

    for part in ("toolsets", "classifiers", "middlewares", "sinks", "plugins", "prices", "context_paths", "workspaces"):
        assert getattr(both, part, None) == getattr(own, part, None)
    assert set(both.permissions.allow) <= set(own.permissions.allow)
    assert set(both.permissions.ask) >= set(own.permissions.ask)
    assert set(both.permissions.deny) >= set(own.permissions.deny)
    for key in ("calls", "money"):
        before, now = getattr(own.limits, key), getattr(both.limits, key)
        assert before is None or (now is not None and now <= before)
    order = ("off", "process", "power")
    assert order.index(both.durability) >= min(order.index(own.durability), 1 if "durability" not in user else 2)
    for agent in both.agents if "agents" in project else ():
        assert (agent.toolsets, agent.permissions.allow, dict(agent.options), dict(agent.backend.options)) == ((), (), {}, {})


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS)
def test_a_statement_names_every_want_with_its_place(document: dict[str, Any]) -> None:
    """It is a line each, fit for a terminal, and the same for the same document."""
    root = parse(yaml.safe_dump(document), "massgen.yaml")
    named(root)
    empty = graft({}, root.place)

    found = wants(root, empty)

    assert found == wants(root, merge(empty, empty))
    lines = statement(found).splitlines()
    assert len(lines) == len(found)
    assert all("massgen.yaml" in line and line.isprintable() for line in lines)
