"""The way of a tool call: what is refused, what a person is asked, what the model is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core.api import (
    LEVELS,
    Event,
    NoticeGiven,
    Question,
    Text,
    Tool,
    ToolAnnotations,
    ToolCall,
    ToolFault,
    ToolResult,
    ToolReturned,
    ToolUse,
    Verdict,
    WorkspaceSnapshotted,
    join,
)
from massgen_core.config.sections import PermissionsConfig
from massgen_core.runtime.toolbox import Toolbox, permit


class Shell:
    """A toolset whose one tool does what its arguments say."""

    def __init__(self, act: Callable[[ToolUse], Awaitable[str]] | None = None, annotations: ToolAnnotations | None = None) -> None:
        self.uses: list[ToolUse] = []
        self._act, self._annotations = act, annotations

    def tools(self) -> Sequence[Tool]:
        return (Tool(name="shell", source="tests", annotations=self._annotations),)

    async def call(self, use: ToolUse) -> ToolResult:
        self.uses.append(use)
        text = await self._act(use) if self._act else "done"
        return ToolResult(call=use.call.id, content=(Text(text=text),))


class NoOpinion:
    """A classifier whose business the call is not."""

    async def judge(self, tool: Tool, call: ToolCall | None) -> Verdict | None:
        return None


class Opinion:
    """A classifier with one opinion."""

    def __init__(self, level: str = "", **more: Any) -> None:
        self._verdict = Verdict(level=level, reason=f"it is {level}", **more) if level else None  # type: ignore[arg-type]

    async def judge(self, tool: Tool, call: ToolCall | None) -> Verdict:
        if self._verdict is None:
            raise RuntimeError("broken classifier")
        return self._verdict


def called(
    folder: Path,
    *,
    toolset: Shell | None = None,
    arguments: str = "{}",
    reply: str = "deny",
    classifiers: dict[str, Any] | None = None,
    permissions: Sequence[PermissionsConfig] = (),
    middlewares: Sequence[Any] = (),
    **more: Any,
) -> tuple[ToolResult, list[Event], list[Question]]:
    """Call the tool once and return its result, what was told, and what a person was asked."""
    told: list[Event] = []
    asked: list[Question] = []

    async def ask(question: Question) -> str:
        asked.append(question)
        return reply

    async def durable() -> None:
        assert told[-1].type == "tool.called"

    toolbox = Toolbox(
        "ada",
        toolsets=[toolset or Shell()],
        permissions=permissions,
        classifiers=classifiers,
        middlewares=middlewares,
        ask=ask,
        durable=durable,
        folder=folder,
        **more,
    )

    async def run() -> None:
        with anyio.fail_after(10):
            await toolbox.call(ToolCall(id="c1", name="shell", arguments=arguments), 1, lambda event, span="": told.append(event), "00f067aa0ba902b7")

    anyio.run(run)
    last = told[-1]
    assert isinstance(last, ToolReturned)
    return last.result, told, asked


ALLOW = [PermissionsConfig(allow=("*",))]


def test_without_any_opinion_a_person_is_asked_and_silence_is_no(tmp_path: Path) -> None:
    """Deny by default: no classifier, no permission, nobody there."""
    shell = Shell()

    result, told, asked = called(tmp_path, toolset=shell)

    assert result.is_error
    assert "did not approve" in result.text
    assert shell.uses == []
    assert asked[0].default == "deny"
    assert [event.type for event in told] == ["tool.judged", "tool.approved", "tool.returned"]


def test_a_person_can_allow(tmp_path: Path) -> None:
    """The call is carried out after a yes."""
    result, told, _ = called(tmp_path, reply="allow")

    assert result.text == "done"
    assert [event.type for event in told] == ["tool.judged", "tool.approved", "tool.called", "tool.returned"]


@pytest.mark.parametrize(
    ("permissions", "classifiers", "level"),
    [
        ([PermissionsConfig(allow=("sh*",))], {}, "allow"),
        ([PermissionsConfig(allow=("*",)), PermissionsConfig(deny=("shell",))], {}, "deny"),
        ([PermissionsConfig(allow=("*",)), PermissionsConfig(ask=("sh*",))], {}, "ask"),
        ([PermissionsConfig(allow=("*",))], {"a": Opinion("ask")}, "allow"),
        ([PermissionsConfig(allow=("*",))], {"a": Opinion("deny")}, "deny"),
        ([PermissionsConfig(ask=("*",))], {"a": Opinion("allow")}, "ask"),
        ([], {"a": Opinion("allow"), "b": Opinion("warn")}, "warn"),
        ([], {"a": Opinion("allow"), "b": Opinion()}, "ask"),
        ([], {"a": Opinion("deny"), "b": Opinion()}, "deny"),
        ([], {"a": NoOpinion()}, "ask"),
        ([], {"a": NoOpinion(), "b": Opinion("allow")}, "allow"),
        ([PermissionsConfig(allow=("*",))], {"a": NoOpinion()}, "allow"),
    ],
)
def test_the_strictest_word_counts(tmp_path: Path, permissions: Any, classifiers: Any, level: str) -> None:
    """A person's own `allow` stands against doubts, not against a refusal; a classifier that fails counts as `ask`."""
    _, told, _ = called(tmp_path, permissions=permissions, classifiers=classifiers)

    assert told[0].level == level  # type: ignore[attr-defined]


def test_bad_arguments_never_reach_the_tool(tmp_path: Path) -> None:
    """The model is told what is wrong with them."""
    for arguments in ("{", "[]", "nonsense", '{"a":'):
        shell = Shell()

        result, told, _ = called(tmp_path, toolset=shell, arguments=arguments, permissions=ALLOW)

        assert result.is_error
        assert "not valid" in result.text
        assert shell.uses == []
        assert [event.type for event in told] == ["tool.returned"]


def test_faults_and_defects_are_results(tmp_path: Path) -> None:
    """Whatever a toolset raises, the model is told and the run goes on."""

    async def fault(use: ToolUse) -> str:
        raise ToolFault("the server is away; go on without it")

    async def defect(use: ToolUse) -> str:
        raise KeyError("surprise")

    assert called(tmp_path, toolset=Shell(fault), permissions=ALLOW)[0].text == "the server is away; go on without it"
    assert "KeyError" in called(tmp_path, toolset=Shell(defect), permissions=ALLOW)[0].text


def test_a_call_that_hangs_is_given_up(tmp_path: Path) -> None:
    """After the limit the call is cancelled and its result says so."""

    async def hang(use: ToolUse) -> str:
        await anyio.sleep_forever()
        return ""

    result, _, _ = called(tmp_path, toolset=Shell(hang), permissions=ALLOW, seconds=0.02)

    assert result.is_error
    assert "within 0.02 s" in result.text


def test_long_output_is_kept_in_full_and_shown_in_part(tmp_path: Path) -> None:
    """The model gets head, tail and the path; the file has everything."""
    text = "".join(f"line {number}\n" for number in range(5000))

    async def talk(use: ToolUse) -> str:
        return text

    result, told, _ = called(tmp_path, toolset=Shell(talk), permissions=ALLOW, output=200)

    stored = tmp_path / told[-1].stored  # type: ignore[attr-defined]
    assert stored.read_text() == text
    assert len(result.text) < 500
    assert result.text.startswith("line 0\n")
    assert result.text.endswith("line 4999\n")
    assert str(stored) in result.text


def test_middlewares_stand_around_the_call_in_order(tmp_path: Path) -> None:
    """The first one is outermost; one may answer by itself."""
    order: list[str] = []

    def named(name: str) -> Any:
        async def around(use: ToolUse, following: Any) -> ToolResult:
            order.append(name)
            result: ToolResult = await following(use)
            order.append(f"{name} after")
            return result

        return around

    result, _, _ = called(tmp_path, permissions=ALLOW, middlewares=[named("outer"), named("inner")])

    assert result.text == "done"
    assert order == ["outer", "inner", "inner after", "outer after"]


def test_only_a_claim_of_an_allowed_tool_makes_it_repeatable(tmp_path: Path) -> None:
    """A resumed run repeats a call only where its verdict says so; a server's claim counts only after the person's `allow`."""
    claims = ToolAnnotations(idempotent=True)

    _, allowed, _ = called(tmp_path, toolset=Shell(annotations=claims), permissions=ALLOW)
    _, judged, _ = called(tmp_path, toolset=Shell(annotations=claims), classifiers={"a": Opinion("allow")})

    assert allowed[0].is_idempotent  # type: ignore[attr-defined]
    assert not judged[0].is_idempotent  # type: ignore[attr-defined]


verdicts = st.lists(
    st.builds(
        Verdict, level=st.sampled_from(LEVELS), reason=st.sampled_from(["", "x", "y"]), rule=st.sampled_from(["", "r"]), is_idempotent=st.booleans()
    ),
    min_size=1,
    max_size=5,
)


@given(verdicts, st.randoms())
def test_joining_verdicts_is_a_lattice(several: list[Verdict], order: Any) -> None:
    """The order does not matter, repeating does not matter, grouping does not matter, and nothing becomes laxer."""
    shuffled = list(several)
    order.shuffle(shuffled)
    whole = join(several)

    assert join(shuffled) == whole
    assert join([*several, *several]) == whole
    assert join([join(several[:1]), *several[1:]]) == whole
    assert all(LEVELS.index(whole.level) >= LEVELS.index(one.level) for one in several)


@given(st.text(max_size=20), st.text(max_size=20))
def test_more_patterns_never_permit_more_than_denied(tool: str, pattern: str) -> None:
    """Whatever else is configured, a denied tool stays denied."""
    verdict = permit(tool, [PermissionsConfig(allow=(pattern, "*")), PermissionsConfig(deny=("*",))])

    assert verdict is not None
    assert verdict.level == "deny"


class Desk(Shell):
    """A toolset whose shown tool passes calls on to one that it does not show."""

    def meant(self, tool: Tool, call: ToolCall) -> tuple[Tool, ToolCall]:
        if call.parsed().get("name") != "erase":
            raise ValueError("there is no such tool; find one first")
        return Tool(name="erase", source="tests"), ToolCall(id=call.id, name="erase", arguments='{"all": true}')


def test_a_call_that_stands_for_another_is_judged_told_and_carried_out_as_that(tmp_path: Path) -> None:
    """Permissions name the tool that is really called, not the one that passes calls on."""
    desk = Desk()
    refused, _, _ = called(tmp_path, toolset=desk, arguments='{"name": "erase"}', permissions=[PermissionsConfig(allow=("shell",), deny=("erase",))])
    result, told, _ = called(tmp_path, toolset=desk, arguments='{"name": "erase"}', permissions=[PermissionsConfig(allow=("erase",))])
    unknown, _, _ = called(tmp_path, toolset=desk, permissions=ALLOW)

    assert (refused.is_error, refused.call) == (True, "c1")
    assert result.text == "done"
    assert [event.tool for event in told if hasattr(event, "tool")] == ["erase"] * 3
    assert [(use.tool.name, use.arguments) for use in desk.uses] == [("erase", {"all": True})]
    assert "find one first" in unknown.text


class Kept:
    """A working folder that counts how often it is kept."""

    def __init__(self, path: Path, fault: Exception | None = None) -> None:
        self.path, self.labels, self._fault = path, list[str](), fault

    async def snapshot(self, label: str) -> str:
        if self._fault is not None:
            raise self._fault
        self.labels.append(label)
        return f"s{len(self.labels)}"


class Filer(Shell):
    """A toolset whose tool works on files."""

    def tools(self) -> Sequence[Tool]:
        return (Tool(name="shell", source="tests", annotations=self._annotations, uses_workspace=True),)


def kept(folder: Path, toolset: Shell, workspace: Kept, **more: Any) -> list[Event]:
    async def opened() -> Any:
        return workspace

    return called(folder, toolset=toolset, workspace=opened, **more)[1]


def test_files_are_kept_before_a_call_that_may_change_them(tmp_path: Path) -> None:
    """After everybody agreed, and before the call: what was kept can be found by the call's id."""
    workspace = Kept(tmp_path)
    told = kept(tmp_path, Filer(), workspace, reply="allow")

    assert [event.type for event in told] == ["tool.judged", "tool.approved", "workspace.snapshotted", "tool.called", "tool.returned"]
    assert isinstance(told[2], WorkspaceSnapshotted)
    assert (told[2].call, told[2].snapshot, told[2].path) == ("c1", "s1", str(tmp_path))
    assert workspace.labels == ["before shell, turn 1"]


@pytest.mark.parametrize(
    ("toolset", "classifier", "is_kept"),
    [
        (Shell(), Opinion("allow"), False),  # it has nothing to do with files
        (Filer(), Opinion("allow", is_idempotent=True), False),  # known to be harmless
        (Filer(), Opinion("allow"), True),
        (Filer(), Opinion("warn", is_idempotent=True), True),
        (Filer(), Opinion("deny"), False),  # not called
        (Filer(annotations=ToolAnnotations(read_only=True)), Opinion("allow", is_idempotent=True), False),
        (Filer(annotations=ToolAnnotations(read_only=True)), Opinion("allow"), True),  # the claim alone is not enough
        (Filer(annotations=ToolAnnotations(idempotent=True)), Opinion("allow", is_idempotent=True), True),  # so is deleting
    ],
)
def test_only_what_may_change_files_is_worth_a_copy(tmp_path: Path, toolset: Shell, classifier: Opinion, is_kept: bool) -> None:
    """Reading keeps nothing, and neither do tools that are elsewhere."""
    workspace = Kept(tmp_path)
    kept(tmp_path, toolset, workspace, classifiers={"one": classifier})

    assert bool(workspace.labels) is is_kept


def test_a_copy_that_fails_is_told_and_the_call_goes_on(tmp_path: Path) -> None:
    """A full disk costs the way back, and a person reads so."""
    told = kept(tmp_path, Filer(), Kept(tmp_path, OSError("disk full")), permissions=ALLOW)

    assert [event.type for event in told] == ["tool.judged", "notice.given", "tool.called", "tool.returned"]
    assert isinstance(told[1], NoticeGiven)
    assert "was not kept before shell, which cannot be rolled back: disk full" in told[1].text


def test_without_anything_that_keeps_files_calls_go_on(tmp_path: Path) -> None:
    """No plugin is needed for it."""

    async def nothing() -> None:
        return None

    assert [event.type for event in called(tmp_path, toolset=Filer(), permissions=ALLOW, workspace=nothing)[1]] == [
        "tool.judged",
        "tool.called",
        "tool.returned",
    ]
