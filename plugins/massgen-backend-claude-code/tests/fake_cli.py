"""Stands in for the program where the real one cannot be made to fail: it greets, and then does what FAKE_PLAY says.

The word is one of those in `play`; arguments and prompts are written to the files FAKE_ARGUMENTS and FAKE_PROMPTS, where they are named.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

SESSION = "0b9f6a52-1111-4222-8333-444455556666"


def tell(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def streamed(**event: Any) -> None:
    tell(type="stream_event", uuid="u", session_id=SESSION, parent_tool_use_id=None, event=event)


def begin() -> None:
    tell(type="system", subtype="init", session_id=SESSION, tools=[], claude_code_version="2.1.327")
    streamed(type="message_start", message={"model": "m", "usage": {"input_tokens": 3}})


def say(text: str) -> None:
    streamed(type="content_block_start", index=0, content_block={"type": "text", "text": ""})
    streamed(type="content_block_delta", index=0, delta={"type": "text_delta", "text": text})
    streamed(type="content_block_stop", index=0)


def stop(reason: str) -> None:
    streamed(type="message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 2})
    streamed(type="message_stop")


def result(**more: Any) -> None:
    counts: dict[str, Any] = {"duration_ms": 1, "duration_api_ms": 1, "num_turns": 1, "is_error": False, "subtype": "success"}
    tell(type="result", session_id=SESSION, **{**counts, **more})


def call() -> None:
    block = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}
    streamed(type="content_block_start", index=0, content_block=block)
    streamed(type="content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '{"city": "Paris"}'})
    streamed(type="content_block_stop", index=0)


def subagent() -> None:
    """Call one of our tools from a subagent, whose answers are not streamed."""
    task = {"type": "tool_use", "id": "s1", "name": "Task", "input": {"prompt": "look"}}
    inner = {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}}
    for parent, content in ((None, task), ("s1", inner)):
        message = {"role": "assistant", "model": "m", "content": [content]}
        tell(type="assistant", uuid="u", session_id=SESSION, parent_tool_use_id=parent, message=message)


def play(word: str) -> None:  # noqa: PLR0912 - a list of words
    """Answer a prompt."""
    if word == "dies_at_once":
        print("cannot find my configuration, key sk-test-0a1b2c3d4e5f6071", file=sys.stderr)
        sys.exit(3)
    begin()
    if word == "dies_in_the_middle":
        say("Half of")
        sys.exit(1)
    elif word == "ends_in_the_middle":
        say("Half of")
        sys.exit(0)
    elif word == "broken_line":
        say("Half of")
        print('{"type": "stream_event", ', flush=True)
        time.sleep(300)
    elif word == "other_lines":
        print("[SandboxDebug] hello\n\n", flush=True)
        tell(type="mystery", of="tomorrow")
        say("Whole.")
        stop("end_turn")
        result()
    elif word == "huge_line":
        say("x" * 3_000_000)
        stop("end_turn")
        result()
    elif word == "silent":
        say("Half of")
        time.sleep(300)
    elif word == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        say("Half of")
        time.sleep(300)
    elif word == "dies_while_waiting":
        call()
        stop("tool_use")
        while not Path(os.environ["FAKE_PROMPTS"] + ".end").exists():
            time.sleep(0.01)
        sys.exit(1)
    elif word == "cut_call":
        call()
        streamed(type="message_stop")
        sys.exit(1)
    elif word == "too_many_turns":
        say("So far.")
        stop("tool_use")
        result(subtype="error_max_turns", is_error=True)
    elif word == "broke_off":
        result(subtype="error_during_execution", is_error=True, errors=["disk full"])
    elif word == "subagent":
        subagent()


def main() -> None:
    if "FAKE_ARGUMENTS" in os.environ:
        Path(os.environ["FAKE_ARGUMENTS"]).write_text(json.dumps(sys.argv[1:]), encoding="utf-8")
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "control_request" and os.environ["FAKE_PLAY"] != "never_greets":
            tell(type="control_response", response={"subtype": "success", "request_id": message["request_id"], "response": {}})
        elif message["type"] == "user":
            if "FAKE_PROMPTS" in os.environ:
                with Path(os.environ["FAKE_PROMPTS"]).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(message) + "\n")
            play(os.environ["FAKE_PLAY"])


if __name__ == "__main__":
    main()
