"""The journal: lines that survive, and what happens when something else wrote them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import anyio
import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgen_core import codec
from massgen_core.api import (
    AnswerGiven,
    Candidate,
    Event,
    File,
    Image,
    JournalDamaged,
    MassGenError,
    Message,
    ModelAnswered,
    ProviderItem,
    Reasoning,
    Record,
    RunStarted,
    Secret,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    ToolReturned,
    TurnStarted,
    UnknownEvent,
)
from massgen_core.messages import Brief
from massgen_core.runtime.journal import FILE, Durability, Journal, is_live, read
from massgen_core.secrets import Redactor


def answer(seq: int, content: str = "42") -> Record:
    return Record(seq, 1.5, AnswerGiven(agent="a", number=1, content=content), "00f067aa0ba902b7", "", "")


def written(folder: Path, *records: Record, durability: Durability = "process") -> Path:
    journal = Journal(folder, durability)
    journal.append(records)
    journal.close()
    return folder / FILE


text = st.text()
content = st.one_of(
    text.map(lambda value: Text(text=value)),
    st.builds(Image, media_type=text, data=text),
    st.builds(File, name=text, path=text),
    text.map(lambda value: Reasoning(text=value)),
    st.builds(ProviderItem, backend=text, item=st.dictionaries(text, st.integers(-(2**40), 2**40))),
    st.builds(ToolCall, id=text, name=text, arguments=text),
    st.builds(ToolResult, call=text, content=st.lists(text.map(lambda value: Text(text=value)), max_size=2).map(tuple)),
)
message = st.builds(Message, role=st.sampled_from(["user", "assistant", "tool"]), content=st.lists(content, max_size=3).map(tuple))
event = st.one_of(
    st.builds(AnswerGiven, agent=text, number=st.integers(1, 9), content=text),
    st.builds(RunStarted, run=text, question=text, agents=st.just(("a",)), strategy=text, seed=st.integers(0, 9), version=text),
    st.builds(ModelAnswered, agent=text, turn=st.integers(1, 9), call=st.integers(1, 9), message=message, stop=st.just("stop")),
    st.builds(
        TurnStarted,
        agent=text,
        turn=st.integers(1, 9),
        purpose=st.just("vote"),
        messages=st.lists(message, max_size=2).map(tuple),
        tools=st.lists(st.builds(Tool, name=text), max_size=1).map(tuple),
        brief=st.one_of(st.none(), st.just(Brief(purpose="vote", question="q", candidates=(Candidate(label="x", content="y"),)))),
    ),
    st.builds(ToolReturned, agent=text, turn=st.integers(1, 9), tool=text, result=st.builds(ToolResult, call=text)),
)


@given(event)
def test_every_event_survives_its_line(event: Event) -> None:
    """What is decoded is what was encoded, whatever its text holds."""
    record = Record(1, 2.5, event, "00f067aa0ba902b7", "53995c3f42cd8ad8", "4bf92f3577b34da6a3ce929d0e0e4736")

    line = codec.encode([record])

    assert line.count(b"\n") == 1
    assert codec.decoder()(line) == record


@pytest.mark.parametrize("cls", codec.EVENT_TYPES.values(), ids=lambda cls: cls.type)
def test_an_event_without_its_optional_fields_can_be_read(cls: type[Event]) -> None:
    """A journal of an older version lacks fields that were added since; their defaults stand in."""
    required = {field.name: _plain(field) for field in attrs.fields(cls) if field.default is attrs.NOTHING and field.init}
    data = b'{"seq":1,"at":0,"type":"%b","data":%b}\n' % (cls.type.encode(), codec._json.encode(required))

    assert type(codec.decoder()(data).event) is cls


def _plain(field: Any) -> Any:
    # cattrs replaces the names of types by the types themselves.
    kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    if "tuple" in kind:
        return []
    plain = {"Usage": {}, "Message": {"role": "user", "content": []}, "ToolResult": {"call": "x"}, "int": 1, "float": 1.0, "bool": True}
    return {} if "Mapping" in kind else plain.get(kind, "x")


def test_unknown_events_stay_readable() -> None:
    """The event of a plugin that is gone is kept as it was read, and written as it was read."""
    line = b'{"seq":2,"at":1.0,"type":"dice.rolled","data":{"eyes":6}}\n'

    record = codec.decoder()(line)

    assert record.event == UnknownEvent(name="dice.rolled", data={"eyes": 6})
    assert codec.encode([record]) == line


def test_plugins_are_asked_once_and_only_for_unknown_events() -> None:
    """Loading plugins is dear."""
    asked = []

    def types() -> dict[str, type[Event]]:
        asked.append(1)
        return {}

    decode = codec.decoder(types)
    decode(codec.encode([answer(1)]))
    assert asked == []
    decode(b'{"seq":2,"at":1,"type":"dice.rolled","data":{}}\n')
    decode(b'{"seq":3,"at":1,"type":"dice.lost","data":{}}\n')
    assert asked == [1]


def test_a_torn_last_line_is_left_out_and_cut_before_more_is_written(tmp_path: Path) -> None:
    """What was being written when the process died was told to nobody."""
    path = written(tmp_path, answer(1), answer(2))
    whole = path.read_bytes()
    for cut in range(len(whole) - len(whole.splitlines(True)[1]) + 1, len(whole)):
        path.write_bytes(whole[:cut])
        assert [record.seq for record in read(tmp_path)] == [1]

        written(tmp_path, answer(2, "again"))

        assert [record.event.content for record in read(tmp_path)] == ["42", "again"]  # type: ignore[attr-defined]


def test_damage_before_the_end_is_an_error_with_its_place(tmp_path: Path) -> None:
    """A line that cannot be read, or is missing, is named."""
    path = written(tmp_path, answer(1), answer(2), answer(3))
    lines = path.read_bytes().splitlines(True)

    path.write_bytes(lines[0] + b"{nonsense\n" + lines[2])
    with pytest.raises(JournalDamaged, match=rf"{FILE}:2: not a record"):
        list(read(tmp_path))
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(JournalDamaged, match="found record 3 where 2 was expected"):
        list(read(tmp_path))


def test_two_processes_cannot_write_one_journal(tmp_path: Path) -> None:
    """The second one is told; the lock goes with the process."""
    journal = Journal(tmp_path)
    assert is_live(tmp_path)
    with pytest.raises(MassGenError, match="another process is working on this run"):
        Journal(tmp_path)
    journal.close()
    assert not is_live(tmp_path)
    journal.close()


@pytest.mark.parametrize("durability", ["off", "process", "power"])
def test_every_mode_keeps_everything_when_closed(tmp_path: Path, durability: Durability) -> None:
    """The modes differ in what a death takes, not in what an end keeps."""
    records = [answer(number, "x" * 100) for number in range(1, 2001)]

    written(tmp_path, *records, durability=durability)

    assert [record.seq for record in read(tmp_path)] == list(range(1, 2001))


def test_power_waits_for_the_disk_and_shares_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers that come together share one sync; what is synced already is not synced again."""
    syncs = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: (syncs.append(1), real(descriptor)))
    journal = Journal(tmp_path, "power")

    async def commit() -> None:
        journal.append([answer(1)])
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(journal.durable)
        await journal.durable()

    anyio.run(commit)
    assert len(syncs) == 1
    journal.close()


def test_known_secrets_do_not_reach_the_file(tmp_path: Path) -> None:
    """A secret that a run handed out is taken out of every line, also where JSON escapes it."""
    redactor = Redactor()
    redactor.add([Secret('pass"word\\123')])
    journal = Journal(tmp_path, redact=redactor.line)
    journal.append([answer(1, 'it is pass"word\\123 indeed')])
    journal.close()

    assert "word" not in (tmp_path / FILE).read_text()
    assert next(read(tmp_path)).event.content == "it is *** indeed"  # type: ignore[attr-defined]


def test_a_missing_journal_is_a_message(tmp_path: Path) -> None:
    """No traceback for a person's mistake."""
    with pytest.raises(MassGenError, match="cannot be read: No such file"):
        list(read(tmp_path))


@pytest.mark.parametrize(
    ("content", "kept"),
    [("\ud83e\udd9c", "\U0001f99c"), ("half \ud83e of it", "half \ufffd of it"), (object, "<class 'object'>"), (2**70, str(2**70))],
    ids=["pair", "half", "object", "huge"],
)
def test_a_value_that_json_cannot_say_costs_no_record(tmp_path: Path, content: Any, kept: str) -> None:
    """Models send halves of surrogate pairs, and plugins send anything: what comes nearest is written, and so are its neighbours."""
    path = written(tmp_path, answer(1), answer(2, content), answer(3))

    assert [record.event.content for record in read(path)] == ["42", kept, "42"]  # type: ignore[attr-defined]


def test_nothing_is_written_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full cuts a line off; writing on when there is space again would leave that line in the middle."""
    journal = Journal(tmp_path)
    journal.append([answer(1)])
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) > 20:
            return real(descriptor, data[:20])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(MassGenError, match="No space left"):
        journal.append([answer(2)])
    monkeypatch.setattr(os, "write", real)
    with pytest.raises(MassGenError, match="No space left"):
        journal.append([answer(3)])
    journal.close()

    assert [record.seq for record in read(tmp_path)] == [1]
    assert list(read(written(tmp_path, answer(2))))[-1].seq == 2
