"""`massgen config check`: every mistake at once, where it is, with what to write; and no secret is shown."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgen_cmd_config.check import Check
from massgen_cmd_config.findings import check
from massgen_cmd_config.formats import as_json, as_sarif, as_text
from massgen_core.cli.app import ConsoleApp

SECRET = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
GOOD = """\
version: 1
agents:
  - name: anna  # the first
    backend: {type: scripted, seed: 7}
    sampling:
      temperature: 0.5
  - name: ben
    backend: scripted
strategy:
  type: consensus
  early_stop: true
toolsets:
  - type: mcp
    servers:
      files: {command: npx, args: [files], env: {FILES_TOKEN: "${FILES_TOKEN:-none}"}}
permissions:
  deny: [mcp__files__delete]
limits: {seconds: 60}
"""
# What is changed in the good file, where the mistake is, what is said, and the fix that is offered.
MUTATIONS = [
    ("temperature: 0.5", "temprature: 0.5", "6:7", "did you mean `temperature`", "temperature"),
    ("temperature: 0.5", "temperature: '0.5'", "6:20", "expected a number", "0.5"),
    ("temperature: 0.5", "temperature: hot", "6:20", "expected a number, not 'hot'", ""),
    ("temperature: 0.5", "temperature: 0,5", "6:20", "expected a number", ""),
    ("seed: 7", "seed: '7'", "4:37", "expected a whole number", "7"),
    ("seed: 7", "seed: 7.0", "4:37", "it has no fraction", "7"),
    ("seed: 7", "seed: 7.5", "4:37", "expected a whole number", ""),
    ("seed: 7", "seed: 007", "4:37", "or 0o… for an octal number", ""),
    ("seed: 7", "sead: 7", "4:31", "did you mean `seed`", "seed"),
    ("type: scripted", "type: scriptd", "4:21", "did you mean 'scripted'", "scripted"),
    ("early_stop: true", "early_stop: yes", "11:15", "write true, without quotes", "true"),
    ("early_stop: true", "early_stop: 'off'", "11:15", "write false, without quotes", "false"),
    ("early_stop: true", "early_stop: 1", "11:15", "expected true or false", ""),
    ("early_stop: true", "early-stop: true", "11:3", "did you mean `early_stop`", "early_stop"),
    ("type: consensus", "type: consensu", "10:9", "did you mean 'consensus'", "consensus"),
    ("type: consensus", "type: 'os:system'", "10:9", "plugins are named, never given as code", ""),
    ("name: ben", "name: anna", "7:11", "agents[0] is named 'anna' too", ""),
    ("name: ben", "name: 5", "7:11", "put it in quotes", '"5"'),
    ("name: ben", "name: a b", "7:11", "cannot name an agent", ""),
    ("limits: {seconds: 60}", "limits: {seconds: -1}", "18:19", "must be >= 0", ""),
    ("limits: {seconds: 60}", "limits: {second: 60}", "18:10", "did you mean `seconds`", "seconds"),
    ("limits: {seconds: 60}", "limit: {seconds: 60}", "18:1", "did you mean `limits`", "limits"),
    ("limits: {seconds: 60}", "limits: 60", "18:9", "expected a mapping", ""),
    ("limits: {seconds: 60}", "limits: {seconds: 60\n", "20:1", "bracket", ""),
    ("limits: {seconds: 60}", "\tlimits: {seconds: 60}", "18:1", "tab", ""),
    ("limits: {seconds: 60}", "agents: []", "18:1", "given twice, first in line 2", ""),
    ("limits: {seconds: 60}", "durability: proces", "18:13", "did you mean 'process'", "process"),
    ("limits: {seconds: 60}", "tool_seconds: {}", "18:15", "expected a number", ""),
    ("version: 1", "version: 2", "1:10", "newer than this massgen-core", ""),
    ("version: 1", "version: '1'", "1:10", "must be a whole number", ""),
    ("${FILES_TOKEN:-none}", "${UNSET}", "15:63", "UNSET is not set", ""),
    ("${FILES_TOKEN:-none}", "${UNSET", "15:63", "begins a reference", ""),
    ("command: npx", "comand: npx", "15:14", "neither `command` nor `url`", ""),
    ("deny: [mcp__files__delete]", "deny: mcp__files__delete", "17:9", "expected a list of texts", ""),
    ("backend: scripted", "backend: {typ: scripted}", "8:14", "`type` is missing", ""),
    ("backend: scripted", "backend: docker", "8:14", "no installed plugin provides backend 'docker'", ""),
    ("  - name: ben", "  - name:ben", "", "", ""),
    ("type: consensus\n  early_stop: true", "type: judge\n  judge: ana", "11:10", "no agent is named 'ana'", "anna"),
]
FIXED = sum(1 for mutation in MUTATIONS if mutation[4])


@pytest.fixture
def found(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> Callable[..., tuple[int, list[dict[str, Any]]]]:
    """Check a text and return the exit code and the findings."""

    def run(text: str, *options: str) -> tuple[int, list[dict[str, Any]]]:
        (tmp_path / "f.yaml").write_text(text, encoding="utf-8")
        code, out, _ = call(Check(), "f.yaml", "--format", "json", *options)
        return code, json.loads(out)["files"][0]["findings"]

    return run


def test_a_good_file_has_no_findings(found: Callable[..., tuple[int, list[dict[str, Any]]]]) -> None:
    """Nothing is said where nothing is wrong."""
    assert found(GOOD) == (0, [])


@pytest.mark.parametrize(("before", "after", "place", "said", "fix"), MUTATIONS, ids=[mutation[1][:24] for mutation in MUTATIONS])
def test_each_mistake_is_found_where_it_is(
    found: Callable[..., tuple[int, list[dict[str, Any]]]], before: str, after: str, place: str, said: str, fix: str
) -> None:
    """With its line and column, what is wrong, and the fix where only one is possible."""
    assert GOOD.count(before) >= 1
    code, findings = found(GOOD.replace(before, after, 1))

    assert code == 2
    assert all(finding["line"] and finding["column"] for finding in findings)
    if place:
        assert [f"{one['line']}:{one['column']}" for one in findings if said in one["message"]] == [place], findings
        assert [one["fix"] for one in findings if said in one["message"]] == [fix]


def test_most_mistakes_that_have_a_certain_fix_get_it() -> None:
    """The number stands here, so that it does not shrink unnoticed."""
    assert (len(MUTATIONS), FIXED) >= (38, 15)


def test_all_mistakes_come_at_once(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """With the line and a caret below the very characters."""
    text = GOOD.replace("temperature: 0.5", "temprature: 0.5").replace("early_stop: true", "early_stop: yes")
    (tmp_path / "f.yaml").write_text(text)
    code, out, err = call(Check(), "f.yaml")

    lines = out.splitlines()
    assert code == 2
    assert lines[0].startswith("f.yaml:6:7: error: agents[0].sampling.temprature: unknown key 'temprature'; did you mean `temperature`?")
    assert lines[1:4] == ["    6 |       temprature: 0.5", "      |       ^^^^^^^^^^", "  fix: write temperature"]
    assert lines[5:8] == ["   11 |   early_stop: yes", "      |               ^^^", "  fix: write true"]
    assert err == "1 file checked: 2 errors, 0 warnings\n"


@pytest.mark.parametrize("style", ["text", "json", "sarif"])
@pytest.mark.parametrize(
    "line",
    [
        f"    backend: {{type: anthropic, key: {SECRET}}}",
        f"    backend: {{type: chat, preset: groq, key: '{SECRET}', sead: 1}}",
        f"    backend: {{type: scripted, seed: {SECRET}}}",
        f"    backend: {{type: chat, base_url: 'https://user:{SECRET}@example.org/v1'}}",
        f"    backend: {{type: scripted, api_key: {SECRET}",
        f"    backend: scripted\n    system: |\n      Use the key {SECRET}.\n    modell: x",
        "    backend: {type: scripted, password: hunter2hunter2}",
    ],
)
def test_a_secret_is_found_and_never_shown(call: Callable[..., tuple[int, str, str]], tmp_path: Path, style: str, line: str) -> None:
    """Neither in a message nor in the line that is shown, whatever else is wrong, even where the file is no document."""
    (tmp_path / "f.yaml").write_text(f"version: 1\nagents:\n  - name: anna\n{line}\n")
    code, out, err = call(Check(), "f.yaml", "--format", style)

    assert code == 2
    assert SECRET not in out + err
    assert SECRET[4:20] not in out + err
    assert "hunter2" not in out + err


def test_what_looks_like_a_secret_but_is_a_reference_is_none(found: Callable[..., tuple[int, list[dict[str, Any]]]]) -> None:
    """References, placeholders and ordinary words are left alone."""
    text = GOOD.replace("env: {FILES_TOKEN:", "env: {A_KEY: YOUR_KEY, B_KEY: your-key-here, C_TOKEN: '${HOME}', MAX_TOKENS: '4096', FILES_TOKEN:")

    assert found(text) == (0, [])


@pytest.mark.parametrize(
    "server",
    [
        "{command: npx, args: [srv, --api-key, hunter2hunter2]}",
        "{command: npx, args: [srv, --api-key=hunter2hunter2]}",
        "{command: npx, args: [srv, --header, 'X-Api-Key: hunter2hunter2']}",
        "{command: npx srv --password hunter2hunter2}",
        "{command: docker, args: [run, -e, API_KEY=hunter2hunter2, image]}",
        "{url: 'https://example.org/mcp?x=1&access_token=hunter2hunter2'}",
    ],
)
def test_a_secret_in_a_command_or_an_address_is_found(call: Callable[..., tuple[int, str, str]], tmp_path: Path, server: str) -> None:
    """By the name of the option or the field that it stands at, and it is not shown."""
    (tmp_path / "f.yaml").write_text(GOOD.replace("    servers:\n", f"    servers:\n      one: {server}\n"))
    _, out, err = call(Check(), "f.yaml", "--format", "json")

    (finding,) = [one for one in json.loads(out)["files"][0]["findings"] if one["rule"] == "secret"]
    assert finding["message"].startswith("by its name")
    assert "hunter2" not in out + err + "".join(call(Check(), "f.yaml")[1:])


@pytest.mark.parametrize(
    "server",
    [
        "{command: npx, args: [srv, --api-key, '${KEY:-none}', --private-key, ./me.pem, --max-token, '100000000']}",
        "{command: npx, args: [srv, --api-key, your-key-here, --token, --verbose-output, --tokenizer, abcdefghijk]}",
        "{url: 'https://example.org/mcp?api_key=${KEY:-none}&page_token_size=10000000'}",
    ],
)
def test_files_numbers_and_references_among_arguments_are_no_secrets(found: Callable[..., tuple[int, list[dict[str, Any]]]], server: str) -> None:
    """Nor what only begins like the name of one."""
    text = GOOD.replace("    servers:\n", f"    servers:\n      one: {server}\n")

    assert [one for one in found(text)[1] if one["rule"] == "secret"] == []


def test_what_has_no_effect_is_a_warning(found: Callable[..., tuple[int, list[dict[str, Any]]]]) -> None:
    """A run would begin, but not as the file reads; --strict lets it count."""
    text = GOOD.replace("type: consensus\n  early_stop: true", "type: single").replace(
        "deny: [mcp__files__delete]", "deny: [mcp__files__delete]\n  allow: [mcp__files__delete]"
    )
    code, findings = found(text)

    assert code == 0
    assert [(one["severity"], one["rule"], one["path"]) for one in findings] == [
        ("warning", "effect", "strategy.type"),
        ("warning", "effect", "permissions.allow[0]"),
    ]
    assert found(text, "--strict")[0] == 2


def test_a_server_that_is_not_there_is_named(found: Callable[..., tuple[int, list[dict[str, Any]]]]) -> None:
    """A rule for tools of a server that nobody configures does nothing."""
    code, findings = found(GOOD.replace("deny: [mcp__files__delete]", "deny: [mcp__file__delete, 'mcp__*', bash, mcp__files__a]"))

    assert code == 0
    assert [(one["line"], one["column"], one["path"]) for one in findings] == [(17, 10, "permissions.deny[0]")]
    assert "did you mean 'files'" in findings[0]["message"]


def test_what_is_referred_to_must_be_there(found: Callable[..., tuple[int, list[dict[str, Any]]]], tmp_path: Path) -> None:
    """Variables behind references, files, and functions in them, which are read and not run."""
    (tmp_path / "tools.py").write_text("import os\n\ndef price_of(city: str): ...\n\nos.abort()\n")
    functions = "[{path: tools.py, function: price_off}, {path: tools.py, function: price_of}, {path: gone.py, function: f}]"
    agent = "  - backend: {type: chat, preset: groq, key: 'env:NOT_SET_ANYWHERE'}"
    rules = "permissions: {allow: [price_of, prise_of, 'price*']}"
    text = f"version: 1\nagents:\n{agent}\ntoolsets:\n  - type: python\n    functions: {functions}\n{rules}\n"
    code, findings = found(text)

    assert code == 0
    assert [(one["rule"], one["line"], one["path"], one["fix"]) for one in findings] == [
        ("reference", 3, "agents[0].backend.key", ""),
        ("reference", 6, "toolsets[0].functions[0].function", "price_of"),
        ("reference", 6, "toolsets[0].functions[2].path", ""),
        ("reference", 7, "permissions.allow[1]", "price_of"),
    ]


def test_what_a_backend_cannot_do_is_said(found: Callable[..., tuple[int, list[dict[str, Any]]]]) -> None:
    """A setting that the backend has no place for does nothing."""
    _, findings = found("version: 1\nagents:\n  - {backend: local, reasoning_effort: high}\n")

    assert [(one["severity"], one["path"]) for one in findings] == [("warning", "agents[0].reasoning_effort")]


def test_a_mistake_in_an_included_file_is_shown_there(found: Callable[..., tuple[int, list[dict[str, Any]]]], tmp_path: Path) -> None:
    """With its own file, line and column."""
    (tmp_path / "part.yaml").write_text("limits:\n  second: 5  # not a key: sk-abcdefghijklmnopqrstuvwxyz\n")
    code, findings = found(f"include: [part.yaml]\n{GOOD}")

    assert code == 2
    assert [(one["source"], one["line"], one["column"], one["fix"]) for one in findings] == [("part.yaml", 2, 3, "seconds")]


def test_an_old_file_is_checked_as_it_is(found: Callable[..., tuple[int, list[dict[str, Any]]]]) -> None:
    """What is refused and what is left out stand at their places in the old file."""
    code, findings = found("agents:\n  - id: a\n    backend: {type: gemini, enable_rate_limit: true, custom_tools: [1]}\n")

    assert code == 2
    assert [(one["severity"], one["line"], one["path"]) for one in findings] == [
        ("warning", 3, "agents[0].backend.enable_rate_limit"),
        ("error", 3, "agents[0].backend.custom_tools[0]"),
    ]


def test_sarif_has_what_review_tools_read(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """Rules, levels, regions and replacements."""
    (tmp_path / "f.yaml").write_text(GOOD.replace("early_stop: true", "early_stop: yes"))
    _, out, _ = call(Check(), "f.yaml", "--format", "sarif")

    log = json.loads(out)
    (run,) = log["runs"]
    (result,) = run["results"]
    region = {"startLine": 11, "startColumn": 15, "endColumn": 18}
    assert (log["version"], result["level"], result["ruleId"]) == ("2.1.0", "error", "mistake")
    assert result["ruleId"] in {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert result["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "f.yaml"}, "region": region}
    assert result["fixes"][0]["artifactChanges"][0]["replacements"] == [{"deletedRegion": region, "insertedContent": {"text": "true"}}]


def test_without_files_it_checks_what_a_run_would_use(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """The project's file, here."""
    (tmp_path / "massgen.yaml").write_text(GOOD.replace("seed: 7", "seed: x"))
    code, out, _ = call(Check())

    assert code == 2
    assert "massgen.yaml:4:37" in out
    assert "    4 |     backend: {type: scripted, seed: x}\n" in out


def test_a_folder_is_all_its_files(call: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """Each is checked for itself; a folder without any is a mistake."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one.yaml").write_text(GOOD)
    (tmp_path / "a" / "b" / "two.yml").write_text(GOOD.replace("seed: 7", "seed: x"))
    (tmp_path / "empty").mkdir()

    assert call(Check(), "a")[2] == "2 files checked: 1 error, 0 warnings\n"
    assert call(Check(), "empty")[0] == 2


FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "configs"
FILES = sorted(path for suffix in ("*.yaml", "*.yml", "*.json") for path in FOLDER.rglob(suffix))


@pytest.mark.skipif(not FILES, reason="the folder of real configurations (../shared/data/configs) is not here")
def test_real_files_are_checked_by_the_thousand(app: ConsoleApp) -> None:
    """Every finding in a file of somebody's own has its line; a thousand files take less than a minute."""
    began = time.process_time()
    checked = [check(app.plugins, path) for path in FILES]
    seconds = time.process_time() - began

    # That a file has an older format is said of the whole of it.
    placeless = {one.message for file in checked for one in file.findings if not one.line}
    assert all("has an older format" in message for message in placeless), placeless
    assert len(FILES) / seconds * 60 > 1_000
    # What is written in these files by the names of keys are placeholders and references; nothing in them is taken for a secret.
    assert [one for file in checked for one in file.findings if one.rule == "secret"] == []


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), st.text("ab:{}[]-'\"\\n #&*|>\\t5é$~\u2028", max_size=4)), max_size=3))
def test_no_damage_breaks_it(app: ConsoleApp, tmp_path: Path, edits: list[tuple[int, int, str]]) -> None:
    """Whatever is cut out of a file or put into it, findings have places in it, in every format, and the key in it is not shown."""
    text = GOOD.replace("name: ben", f"name: ben\n    system: {SECRET}")
    for start, length, inserted in edits:
        text = text[:start] + inserted + text[start + length :]
    path = tmp_path / "f.yaml"
    path.write_text(text, encoding="utf-8", newline="")
    one = check(app.plugins, path)

    for finding in one.findings:
        lines = one.lines[finding.source]
        assert finding.line <= len(lines)
        assert finding.column <= len(lines[finding.line - 1]) + 1 or not finding.line
    shown = "\n".join(as_text([one])) + as_json([one]) + as_sarif([one])
    if SECRET in text:
        assert SECRET not in shown
