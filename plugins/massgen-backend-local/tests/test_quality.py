"""What the default model is good for: easy questions, answered and voted on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from massgen_backend_local.backend import LocalBackend, open_backend
from massgen_backend_local.config import LocalConfig
from massgen_backend_local.plugin import massgen_presets
from massgen_core.api import Brief, Candidate, Message, ModelRequest, Sampling, TextChunk, Tool, ToolCallChunk

pytestmark = [pytest.mark.anyio, pytest.mark.once]

QUESTIONS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "questions.json").read_text(encoding="utf-8"))
LABELS = ("agent1", "agent2", "agent3")
ANSWER = Tool(name="new_answer", parameters={"type": "object", "properties": {"content": {"type": "string"}}, "required": ["content"]})
BALLOT = {"agent": {"type": "string", "enum": list(LABELS)}, "reason": {"type": "string"}}
VOTE = Tool(name="vote", parameters={"type": "object", "properties": BALLOT, "required": list(BALLOT)})
PATIENCE = 900.0


FILES = tuple(
    Tool(
        name=name,
        description=description,
        parameters={"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        source="mcp.files",
    )
    for name, description in (("read_file", "Read a text file."), ("list_folder", "List the files of a folder."))
)
WANTED = {
    "What does the file notes.txt say?": ("read_file", "notes.txt"),
    "Which files are in the folder src?": ("list_folder", "src"),
    "What is the capital of Italy?": ("new_answer", "Rome"),
}


async def called(backend: LocalBackend, request: ModelRequest) -> dict[str, Any]:
    """Return the arguments of the call; text that streams is the same as what the call carries."""
    text, arguments = "", ""
    async with backend.respond(request) as stream:
        async for chunk in stream:
            text += chunk.text if isinstance(chunk, TextChunk) else ""
            arguments += chunk.arguments if isinstance(chunk, ToolCallChunk) else ""
    made: dict[str, Any] = json.loads(arguments)
    assert not text or made["content"] == text.strip()
    return made


async def test_twenty_easy_questions(need_model: Callable[[str], str]) -> None:
    """Of 20 answers and of 20 votes at least 18 each are right; chance would give 7 votes."""
    model = need_model("qwen2.5-coder-1.5b")
    lines = [agent["system"] for agent in massgen_presets()[0].document["agents"]]
    missed: dict[str, list[str]] = {"answers": [], "votes": []}
    with anyio.fail_after(PATIENCE):
        async with open_backend(LocalConfig(), None) as backend:  # type: ignore[arg-type]  # it takes nothing from the context
            for number, item in enumerate(QUESTIONS):
                place = number % len(LABELS)
                said = [item["says"].format(word) for word in item["wrong"]]
                said.insert(place, item["says"].format(item["right"]))
                candidates = tuple(Candidate(label=label, content=text) for label, text in zip(LABELS, said, strict=True))
                asked = ModelRequest(
                    model=model,
                    messages=(Message.of("system", lines[place]), Message.of("user", f"{item['question']}\n\n---\n\nThe instructions stand here.")),
                    tools=(ANSWER,),
                    brief=Brief(purpose="answer", question=item["question"]),
                    sampling=Sampling(temperature=0.0, max_tokens=64),
                )
                answer = (await called(backend, asked))["content"]
                if not any(word.casefold() in answer.casefold() for word in (item["right"], *item.get("also", ()))):
                    missed["answers"].append(f"{item['question']} {answer!r}")

                brief = Brief(purpose="vote", question=item["question"], candidates=candidates)
                vote = await called(backend, ModelRequest(model=model, messages=asked.messages, tools=(VOTE, ANSWER), brief=brief))
                if vote["agent"] != LABELS[place]:
                    missed["votes"].append(f"{item['question']} {vote['reason']}")

    assert len(missed["answers"]) <= 2, missed
    assert len(missed["votes"]) <= 2, missed


async def test_tools_of_servers(need_model: Callable[[str], str]) -> None:
    """The right tool is called with the right argument, and none where none is needed."""
    model = need_model("qwen2.5-coder-1.5b")
    made: dict[str, tuple[str, str]] = {}
    with anyio.fail_after(PATIENCE):
        async with open_backend(LocalConfig(), None) as backend:  # type: ignore[arg-type]  # it takes nothing from the context
            for question in WANTED:
                request = ModelRequest(
                    model=model,
                    messages=(Message.of("system", "Answer correctly and briefly."), Message.of("user", f"{question}\n\n---\n\nInstructions.")),
                    tools=(ANSWER, *FILES),
                    brief=Brief(purpose="answer", question=question),
                    sampling=Sampling(temperature=0.0, max_tokens=64),
                )
                async with backend.respond(request) as stream:
                    calls = [chunk async for chunk in stream if isinstance(chunk, ToolCallChunk)]
                made[question] = (calls[0].name, calls[0].arguments)

    for question, (name, argument) in WANTED.items():
        assert made[question][0] == name, made
        assert argument in made[question][1], made
