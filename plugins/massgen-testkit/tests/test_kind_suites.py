"""The suites of the other kinds pass what is good and find each flaw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.once  # each test runs suites in a process of their own

PLUGIN = Path(__file__).with_name("zoo_plugin.txt").read_text(encoding="utf-8")
THINGS = """
    from __future__ import annotations

    import os, sys, threading, time
    from contextlib import asynccontextmanager

    import anyio
    from massgen_core.api import *

    @asynccontextmanager
    async def Sink(config, context):
        with (context.folder / "kept.txt").open("a", encoding="utf-8", errors="backslashreplace") as file:
            yield Lines(file, config.flaw)

    class Lines:
        def __init__(self, file, flaw):
            self.file, self.flaw, self.dead = file, flaw, False
            if flaw == "async":
                self.write = self.wait
            if flaw == "leaks":
                os.dup(0)

        async def wait(self, records):
            pass

        def write(self, records):
            records = list(records)
            if self.flaw == "reverses" and len(records) > 1:
                records.reverse()
            if self.flaw == "slow" and len(records) > 500:
                sum(range(150_000_000))
            for record in records:
                if self.dead or (self.flaw == "forgets" and record.seq % 7 == 0):
                    continue
                if self.flaw == "prints":
                    print(record)
                if self.flaw == "picky" and isinstance(record.event, UnknownEvent):
                    raise ValueError("what is this")
                if self.flaw == "dies" and "surrogate" in repr(record.event):
                    self.dead = True
                    raise ValueError("cannot write that")
                self.file.write(f"{record.seq} {record.event!r}\\n")

    class Display:
        def __init__(self, config, context):
            self.flaw = config.flaw
            if self.flaw == "leaks":
                os.dup(0)

        def write(self, records):
            for record in records:
                if self.flaw == "picky" and isinstance(record.event, UnknownEvent):
                    raise ValueError("what is this")
                if isinstance(record.event, AnswerGiven):
                    text = record.event.content
                    out = sys.stdout if self.flaw == "stdout" else sys.stderr
                    print(text if self.flaw == "raw" else clean(text) * 30 if self.flaw == "floods" else clean_line(text), file=out)

        async def ask(self, question):
            if self.flaw == "asks":
                print(question.text, file=sys.stderr)
            return question.options[-1] if self.flaw == "bold" else question.default

    class Toolset:
        def __init__(self, config, context):
            self.flaw = config.flaw

        def tools(self):
            if self.flaw == "sluggish":
                sum(range(1_000_000))
            name = "say it!" if self.flaw == "misnamed" else "say"
            schema = {"type": "string"} if self.flaw == "schemaless" else {"type": "object", "properties": {"text": {}}, "required": ["text"]}
            return [Tool(name=name, description="" if self.flaw == "mute" else "Say it.", parameters=schema), Tool(name="nap", description="Sleep.")]

        async def call(self, use):
            if use.tool.name == "nap":
                with anyio.CancelScope(shield=self.flaw == "deaf"):
                    await anyio.sleep(1.5)
            if use.tool.name not in ("say", "nap"):
                if self.flaw == "raises":
                    raise KeyError(use.tool.name)
                return ToolResult(call=use.call.id, content=(Text(text="no such tool"),), is_error=self.flaw != "obliging")
            if "text" not in use.arguments and use.tool.name == "say":
                if self.flaw == "fragile":
                    raise KeyError("text")
                return ToolResult(call=use.call.id, content=(Text(text="text is missing"),), is_error=True)
            return ToolResult(call="another" if self.flaw == "mislabels" else use.call.id, content=(Text(text="said"),))

    class Middleware:
        def __init__(self, config, context):
            self.flaw, self.last = config.flaw, None

        async def __call__(self, request, following):
            if self.flaw == "twice":
                await following(request)
            try:
                with anyio.CancelScope(shield=self.flaw == "deaf"):
                    with anyio.move_on_after(1.5):
                        answer = await following(request)
            except (BackendFault, ToolFault):
                if self.flaw == "hides":
                    raise RuntimeError("something") from None
                raise
            if self.flaw == "mixes":
                self.last = self.last or answer
                return self.last
            return answer

    class Classifier:
        def __init__(self, config, context):
            self.flaw, self.count = config.flaw, 0

        async def judge(self, tool, call):
            self.count += 1
            if self.flaw == "parses" and call is not None:
                call.parsed()
            if self.flaw == "fickle":
                return Verdict(level="ask" if self.count % 2 else "deny", reason="a coin")
            if tool.annotations and tool.annotations.read_only:
                return Verdict(level="allow")
            return Verdict(level="warn" if self.flaw == "mild" else "ask", reason="" if self.flaw == "mute" else "unknown")

    HELD = {}

    class CredentialStore:
        def __init__(self, config, context):
            self.flaw = config.flaw
            self.seen = {}
            self.held = HELD.setdefault(self.flaw, {})

        def __repr__(self):
            return f"CredentialStore({self.seen})"

        def get(self, key):
            value = os.environ.get("ZOO_" + key)
            if self.flaw == "prints":
                print(key)
            if self.flaw == "remembers":
                self.seen[key] = value
            if "no-such" in key and self.flaw == "raises":
                raise KeyError(key)
            if value and self.flaw == "bare":
                return value
            value = value or self.held.get(key)
            return Secret(value) if value else None

        def set(self, key, value):
            if not key:
                raise StoreProblem(f"a secret needs a name{': ' + value.reveal() if self.flaw == 'blabs' else ''}")
            if self.flaw == "clears":
                self.held.clear()
            self.held[key] = value.reveal().strip() if self.flaw == "strips" else value.reveal()
            return f"in memory: {value.reveal()}" if self.flaw == "tells" else "in memory"

        def delete(self, key):
            return self.held.get(key) is not None if self.flaw == "hoards" else self.held.pop(key, None) is not None

        def names(self):
            return {key: "in memory" for key in self.held}

    class Good:
        def configure(self, parser):
            parser.add_argument("who", help="whom to greet")

        def run(self, arguments, app):
            if not arguments.who:
                raise UsageProblem("say whom to greet")
            app.out(f"Hello, {arguments.who}")
            return 0

    class Rude(Good):
        def run(self, arguments, app):
            return 0 if arguments.who.encode("ascii") and arguments.who[0] else 1

    class Mute(Good):
        def configure(self, parser):
            parser.add_argument("who")

        def run(self, arguments, app):
            super().run(arguments, app)

    class Slow(Good):
        def configure(self, parser):
            sum(range(6_000_000))
            super().configure(parser)
"""
README = (
    "# A zoo\n"
    + "Words " * 30
    + """
```yaml
version: 1
agents:
  - {name: ann, backend: scripted}
sinks: [zoo]
display: zoo
toolsets: [zoo]
middlewares: [zoo, zoo-tool, zoo-mcp]
classifiers: [{type: zoo, flaw: none}]
```
"""
)
TESTS = """
    from __future__ import annotations

    from massgen_testkit import *

    class Sink(SinkSuite):
        name = "zoo"
        def read(self, context):
            return (context.folder / "kept.txt").read_text(encoding="utf-8")

    class Display(DisplaySuite):
        name = "zoo"

    class Toolset(ToolsetSuite):
        name, example, slow = "zoo", ("say", {"text": "hello"}), ("nap", {})

    class Middleware(MiddlewareSuite):
        name = "zoo"

    class ToolMiddleware(MiddlewareSuite):
        name = "zoo-tool"

    class McpMiddleware(MiddlewareSuite):
        name = "zoo-mcp"

    class Classifier(ClassifierSuite):
        name = "zoo"

    class Credentials(CredentialStoreSuite):
        name = "zoo"
        def plant(self, key, value, context, monkeypatch):
            monkeypatch.setenv("ZOO_" + key, value)

    class Command(CommandSuite):
        example, mistakes = ("Ann",), (("",),)

    class Preset(PresetSuite):
        pass

    class Test_Grouped(Command):
        name = "zoo.grouped"
"""
# By kind and flaw: the tests that must fail, no others.
FLAWS: Mapping[str, Mapping[str, set[str]]] = {
    "Sink": {
        "": set(),
        "reverses": {"test_keeps_order_and_everything"},
        "forgets": {"test_keeps_order_and_everything"},
        "prints": {"test_prints_nothing_on_standard_output"},
        "picky": {"test_takes_events_that_it_does_not_know", "test_prints_nothing_on_standard_output"},
        "dies": {"test_goes_on_after_a_record_that_it_cannot_take"},
        "slow": {"test_write_is_synchronous_and_quick"},
        "leaks": {"test_closes_what_it_opened"},
    },
    "Display": {
        "": set(),
        "stdout": {
            "test_standard_output_stays_free",
            "test_many_agents_fit",
            "test_closes_what_it_opened",
            "test_huge_text_is_bounded",
            "test_control_sequences_do_not_reach_the_terminal",
        },
        "raw": {"test_control_sequences_do_not_reach_the_terminal"},
        "picky": {"test_unknown_event_is_passed_over"},
        "floods": {"test_huge_text_is_bounded"},
        "asks": {"test_ask_returns_the_default_when_nobody_is_there"},
        "bold": {"test_ask_returns_the_default_when_nobody_is_there"},
        "leaks": {"test_closes_what_it_opened"},
    },
    "Toolset": {
        "": set(),
        "misnamed": {"test_tools_are_well_formed", "test_call_returns_a_result"},
        "schemaless": {"test_tools_are_well_formed"},
        "mute": {"test_tools_are_well_formed"},
        "sluggish": {"test_tools_are_quick"},
        "raises": {"test_unknown_tool_is_an_error_result"},
        "obliging": {"test_unknown_tool_is_an_error_result"},
        "fragile": {"test_wrong_arguments_are_an_error_result"},
        "mislabels": {"test_call_returns_a_result"},
        "deaf": {"test_cancellation_stops_a_call"},
    },
    "Middleware": {
        "": set(),
        "twice": {"test_ordinary_call_passes"},
        "hides": {"test_fault_stays_typed"},
        "deaf": {"test_cancellation_goes_through"},
        "mixes": {"test_calls_at_once_stay_apart"},
    },
    "ToolMiddleware": {"": set(), "hides": {"test_fault_stays_typed"}, "mixes": {"test_calls_at_once_stay_apart"}},
    "McpMiddleware": {"": set(), "hides": {"test_fault_stays_typed"}, "mixes": {"test_calls_at_once_stay_apart"}},
    "Classifier": {
        "": set(),
        "parses": {"test_verdicts_are_well_formed_and_steady", "test_join_obeys_its_laws"},
        "fickle": {"test_verdicts_are_well_formed_and_steady"},
        "mild": {"test_unknown_tool_is_asked_about"},
        "mute": {"test_verdicts_are_well_formed_and_steady"},
    },
    "Credentials": {
        "": set(),
        "prints": {"test_prints_nothing"},
        "raises": {"test_what_is_not_there_is_none", "test_prints_nothing"},
        "bare": {"test_value_comes_whole_and_hidden"},
        "remembers": {"test_value_comes_whole_and_hidden"},
        "strips": {"test_what_is_set_is_there_until_it_is_deleted"},
        "clears": {"test_writing_leaves_other_secrets_alone"},
        "tells": {"test_names_are_listed_without_values"},
        "hoards": {
            "test_what_is_set_is_there_until_it_is_deleted",
            "test_writing_leaves_other_secrets_alone",
            "test_names_are_listed_without_values",
        },
        "blabs": {"test_a_refusal_does_not_show_the_secret"},
    },
    "Command": {
        "good": set(),
        "rude": {"test_mistakes_get_a_message"},
        "mute": {"test_options_are_explained", "test_exit_code_is_a_number"},
        "slow": {"test_configure_is_quick"},
    },
    "Preset": {"good": set(), "odd": {"test_document_is_a_valid_configuration", "test_options_of_installed_plugins_are_valid"}},
}
NAMED = ("Command", "Preset")
POINTS = [f"{kind}.zoo" for kind in ("sink", "display", "toolset", "middleware", "classifier", "credentials")]
POINTS += ["middleware.zoo-tool", "middleware.zoo-mcp", "command.zoo.grouped"]
POINTS += [f"{kind.lower()}.zoo-{flaw}" for kind in NAMED for flaw in FLAWS[kind]]


@pytest.fixture(scope="module")
def results(site: Any) -> Mapping[str, str]:
    """All flaws of all kinds, examined in one go."""
    site.install("zoo", POINTS, {"plugin.py": PLUGIN, "things.py": THINGS}, readme=README)
    classes = ""
    for kind, flaws in FLAWS.items():
        for flaw in flaws:
            chosen = f"name = 'zoo-{flaw}'" if kind in NAMED else f"options = {{'flaw': '{flaw}'}}"
            classes += f"\n    class Test_{kind}_{flaw}({kind}):\n        {chosen}\n"
    found: Mapping[str, str] = site.run(TESTS + classes)
    return found


@pytest.mark.parametrize(("kind", "flaw"), [(kind, flaw) for kind, flaws in FLAWS.items() for flaw in flaws])
def test_each_flaw_is_found(kind: str, flaw: str, results: Mapping[str, str], failures: Callable[[Mapping[str, str], str], set[str]]) -> None:
    """What is good passes; what has one flaw fails the tests about it and no others."""
    assert failures(results, f"Test_{kind}_{flaw}") == FLAWS[kind][flaw]


def test_a_command_in_a_group_is_typed_in_two_words(results: Mapping[str, str], failures: Callable[[Mapping[str, str], str], set[str]]) -> None:
    """The command `zoo.grouped` is run as `massgen zoo grouped`."""
    assert failures(results, "Test_Grouped") == set()


def test_a_suite_alone_is_not_collected(results: Mapping[str, str]) -> None:
    """Importing a suite into a test module runs nothing: only classes of one's own do."""
    assert [name for name in results if not name.startswith("Test_")] == []
