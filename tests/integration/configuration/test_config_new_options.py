"""`massgen config new` without a terminal: by options, by files of answers, by presets; nothing is overwritten."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_cmd_config.check import Check
from massgen_cmd_config.drafting import text_of
from massgen_cmd_config.facts import Facts, facts
from massgen_cmd_config.findings import check
from massgen_cmd_config.new import New
from massgen_cmd_config.walk import Walk
from massgen_core.api import read_document
from massgen_core.cli.app import ConsoleApp

Call = Callable[..., tuple[int, str, str]]
DOCS = Path(__file__).parents[3] / "docs" / "how-to"


@pytest.fixture(autouse=True)
def project(app: ConsoleApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, beside what the program keeps for a person."""
    made = tmp_path / "project"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def known(app: ConsoleApp, project: Path) -> Facts:
    """What is installed."""
    return facts(app, project)


def test_without_a_terminal_nothing_is_asked(call: Call) -> None:
    """It names the question and the option, and fails; --yes takes the defaults and says each."""
    code, out, err = call(New(), "a.yaml")
    assert (code, out) == (2, "")
    assert "--set preset=ANSWER" in err
    code, _, err = call(New(), "a.yaml", "--yes", "--set", "backends=scripted")

    assert code == 0
    assert "agents: 2\n" in err
    assert call(Check(), "a.yaml")[0] == 0


def test_the_command_at_the_end_does_the_same_again(call: Call, project: Path) -> None:
    """Without a question and without a terminal."""
    answers = (
        "backends=scripted, local",
        "purpose=coding",
        "tools=mcp, code",
        "server1=a=npx -y a 'b c'",
        "folder=data",
        "calls=9",
        "model.local=small",
    )
    (project / "data").mkdir()
    code, _, err = call(New(), "a.yaml", "--yes", *(word for answer in answers for word in ("--set", answer)))
    assert code == 0, err
    command = re.search("the same again: massgen config new a.yaml (.*)\n", err)
    assert command
    code, _, err = call(New(), "b.yaml", *shlex.split(command[1]))

    assert code == 0, err
    assert (project / "a.yaml").read_text() == (project / "b.yaml").read_text()
    data = read_document(project / "a.yaml").data
    assert [agent.get("model") for agent in data["agents"]] == [None, "small"]
    assert data["limits"] == {"seconds": 600, "calls": 9}
    assert data["toolsets"][1]["servers"]["a"]["args"] == ["-y", "a", "b c"]


def test_no_file_is_overwritten_unasked(call: Call, project: Path) -> None:
    """--force replaces it after a copy."""
    path = project / "massgen.yaml"
    path.write_text("mine")
    assert call(New(), "--yes", "--set", "backends=scripted")[0] == 2
    assert path.read_text() == "mine"

    assert call(New(), "--yes", "--set", "backends=scripted", "--force")[0] == 0
    assert (project / "massgen.yaml.bak").read_text() == "mine"


def test_answers_come_from_a_file_too(call: Call, project: Path) -> None:
    """Options go before it; an answer that is none is refused with what there is."""
    (project / "answers.yaml").write_text("backends: [scripted]\nagents: 3\nseconds:\nmodel.openai: kept for later\n")
    code, _, err = call(New(), "a.yaml", "--answers", "answers.yaml", "--set", "agents=4", "--yes")
    assert (code, "left aside: model.openai\n" in err) == (0, True)
    data = read_document(project / "a.yaml").data
    assert (len(data["agents"]), "limits" in data) == (4, False)

    code, _, err = call(New(), "b.yaml", "--set", "purpose=nothing", "--yes")
    assert (code, "there are: question, coding" in err) == (2, True)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("nonsense=1", "there is no question 'nonsense'"),
        ("nonsense", "write KEY=ANSWER"),
        ("agents=many", "a whole number from 1 to 64"),
        ("backends=nobody", "nobody is no answer; there are:"),
        ("folder=no-such-folder", "does not exist"),
        ("folder=..", "secrets among it, and is not given to agents"),
        ("model.openai=x", "there is no question 'model.openai' with these answers"),
    ],
)
def test_what_is_no_answer_is_refused(call: Call, project: Path, option: str, said: str) -> None:
    """Before anything is written."""
    code, _, err = call(New(), "a.yaml", "--yes", "--set", "backends=scripted", "--set", option)

    assert (code, said in err, list(project.iterdir())) == (2, True, []), err


def test_a_preset_becomes_a_file(call: Call, project: Path) -> None:
    """But for what is answered otherwise; and nothing is written where only printing is asked for."""
    code, out, _ = call(New(), "a.yaml", "--preset", "quick-local", "--print", "--yes")
    assert (code, "version: 1" in out, (project / "a.yaml").exists()) == (0, True, False)
    code, _, err = call(New(), "a.yaml", "--preset", "quick-local", "--set", "seconds=60", "--set", "strategy=judge", "--yes")
    assert code == 0, err
    data = read_document(project / "a.yaml").data
    assert ([agent["model"] for agent in data["agents"]], data["limits"], data["strategy"]) == (["small"] * 3, {"seconds": 60}, "judge")

    assert call(New(), "b.yaml", "--preset", "nobody", "--yes")[0] == 2


def test_every_preset_passes(call: Call, known: Facts) -> None:
    """As it is, and with every question answered by its default."""
    for name in known.presets:
        code, _, err = call(New(), f"{name}.yaml", "--preset", name, "--yes")

        assert code == 0, err


def test_keys_are_found_and_never_shown(known: Facts, app: ConsoleApp, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Providers whose keys are set come first; a server of many is proposed by the key that is there."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-proj-abcdefghijklmnop")
    monkeypatch.setenv("GROQ_API_KEY", "gsk_abcdefghijklmnopqrst")
    found = facts(app, project)
    openai = next(one for one in found.backends if one.name == "openai")
    chat = next(one for one in found.backends if one.name == "chat")
    ready = [one.name for one in found.backends if one.is_ready]

    assert (openai.is_ready, openai.said) == (True, "ready: OPENAI_API_KEY is set")
    assert "abcdefghijklmnop" not in repr(found)
    assert found.backends[0].name in ready
    assert next(option.default for option in chat.options if option.key == "preset") in ("groq", "openai")


def test_the_questions_are_listed(call: Call, project: Path) -> None:
    """With their keys and answers, as the page on configurations tells them, and nothing is written."""
    (project / "data").mkdir()
    answers = ("tools=mcp, code", "backends=scripted", "folder=data", "server1=uvx mcp-server-time")
    code, out, _ = call(New(), "--list-questions", *(word for answer in answers for word in ("--set", answer)))
    keys = [line.partition("=")[0].replace("model.scripted", "model.provider") for line in out.splitlines()]
    told = re.findall(r"^\| `([a-z0-9.]+)`", (DOCS / "make-a-configuration.md").read_text(), re.MULTILINE)

    assert (code, [path.name for path in project.iterdir()]) == (0, ["data"])
    assert told == keys


def test_the_options_are_told(app: ConsoleApp) -> None:
    """The page on configurations has a row for each option, with what --help says."""
    parser = argparse.ArgumentParser(add_help=False)
    New().configure(parser)
    page = (DOCS / "make-a-configuration.md").read_text()
    for action in parser._actions:
        name = f"{action.option_strings[0]} {action.metavar or ''}".strip() if action.option_strings else str(action.metavar)

        assert f"| `{name}` | {action.help} |" in page


def pieces(question_default: str, choices: dict[str, str], is_many: bool) -> st.SearchStrategy[str]:
    names = sorted(choices)
    if not names:
        return st.sampled_from((question_default, "none", "2", ".", "gpt-5: #x", '"', "yes", "npx -y a", "b=https://example.org/mcp")) | st.text(
            max_size=8
        )
    return st.lists(st.sampled_from(names), min_size=1, max_size=3).map(", ".join) if is_many else st.sampled_from(names)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_way_ends_in_a_file_that_is_sound(known: Facts, app: ConsoleApp, project: Path, data: st.DataObject) -> None:
    """Whatever is answered to the questions of the installed plugins, `config check` finds no mistake in what comes of it."""
    walk = Walk.begin(known, {"model.replay": "recorded"})
    while question := walk.question:
        answer = data.draw(pieces(question.default, dict(question.choices), question.is_many))
        walk = walk.answered(answer if not question.refusal(answer) else question.default)
    text = text_of(known, walk.answers)
    path = project / "made.yaml"
    path.write_text(text, encoding="utf-8")
    checked = check(app.plugins, path)

    assert [finding for finding in checked.findings if finding.severity == "error"] == [], text


def test_answers_survive_what_goes_wrong(call: Call, project: Path) -> None:
    """Where the file cannot be written, the command that goes on has them."""
    code, _, err = call(New(), "not-there/a.yaml", "--yes", "--set", "backends=scripted", "--set", "agents=7")

    assert (code, list(project.iterdir())) == (1, [])
    assert "--set agents=7" in err
