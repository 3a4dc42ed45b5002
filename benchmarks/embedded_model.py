"""How often the embedded model answers and votes right, and what that costs.

    python benchmarks/embedded_model.py [MODEL ...]

Each of 20 easy questions is answered once, put to the vote once among three answers of one form (the right one at each place in turn), and
presented once, the way an agent of the consensus strategy is asked. Five tools of servers are offered with ten questions that need one of them, and
with ten that need none; right is the right tool, or none. Figures of 20 questions are uncertain by two. Times are CPU seconds, and seconds on the
clock; on a busy machine only the former mean something.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import attrs

from massgen_backend_local.backend import LocalBackend
from massgen_backend_local.config import LocalConfig
from massgen_core.api import Brief, Candidate, Message, ModelRequest, Sampling, TextChunk, Tool, ToolCallChunk, UsageChunk

QUESTIONS = Path(__file__).parent.parent / "plugins/massgen-backend-local/tests/questions.json"
STYLES = ("Answer correctly and briefly.", "Be precise. Answer in few words.", "Think first, then answer briefly.")
LABELS = ("agent1", "agent2", "agent3")


def tool(name: str, **properties: Any) -> Tool:
    return Tool(name=name, parameters={"type": "object", "properties": properties, "required": list(properties)})


ANSWER = tool("new_answer", content={"type": "string"})
VOTE = tool("vote", agent={"type": "string", "enum": list(LABELS)}, reason={"type": "string"})


TOOLS = tuple(
    attrs.evolve(tool(name, **{key: {"type": "string"} for key in keys}), description=description, source="mcp.bench")
    for name, description, keys in (
        ("get_weather", "Current weather of a city.", ("city",)),
        ("read_file", "Read a text file.", ("path",)),
        ("list_folder", "List the files of a folder.", ("path",)),
        ("search_web", "Search the web for recent information.", ("query",)),
        ("convert_currency", "Convert an amount of money at the current rate.", ("amount", "source", "target")),
    )
)
NEEDS = {
    "What is the weather in Oslo right now?": "get_weather",
    "Is it raining in Lima at the moment?": "get_weather",
    "What does the file notes.txt say?": "read_file",
    "Show me the content of config.ini.": "read_file",
    "Which files are in the folder src?": "list_folder",
    "What is in the directory data?": "list_folder",
    "Who won the football match yesterday?": "search_web",
    "Find the latest news about missions to Mars.": "search_web",
    "How many euros are 50 US dollars today?": "convert_currency",
    "Convert 200 yen to pounds.": "convert_currency",
}


@attrs.define
class Tally:
    """What one purpose came to."""

    right: int = 0
    cpu: float = 0.0
    seconds: float = 0.0
    tokens: int = 0
    wrong: list[str] = attrs.field(factory=list)


def cpu_of(backend: LocalBackend) -> float:
    """Return the CPU seconds so far of this process and of those that hold models."""
    total = time.process_time()
    for engine in backend._engines.values():
        if engine._process is not None:
            fields = Path(f"/proc/{engine._process.id}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


async def ask(backend: LocalBackend, request: ModelRequest, tally: Tally) -> tuple[str, dict[str, str], str]:
    """Return the text, and the arguments and the name of the call."""
    text, arguments, name, cpu, began = "", "", "", cpu_of(backend), time.perf_counter()
    async with backend.respond(request) as stream:
        async for chunk in stream:
            if isinstance(chunk, TextChunk):
                text += chunk.text
            elif isinstance(chunk, ToolCallChunk):
                arguments, name = arguments + chunk.arguments, name or chunk.name
            elif isinstance(chunk, UsageChunk):
                used = chunk.usage.output
    tally.tokens += used
    tally.cpu += cpu_of(backend) - cpu
    tally.seconds += time.perf_counter() - began
    return text, json.loads(arguments or "{}"), name


def is_right(item: dict[str, Any], text: str) -> bool:
    return any(word.casefold() in text.casefold() for word in (item["right"], *item.get("also", ())))


def request(model: str, number: int, brief: Brief, *tools: Tool) -> ModelRequest:
    messages = (Message.of("system", STYLES[number % 3]), Message.of("user", f"{brief.question}\n\n---\n\nThe strategy's instructions stand here."))
    return ModelRequest(model=model, messages=messages, tools=tools, brief=brief, sampling=Sampling(temperature=0.0, max_tokens=64))


async def measure(model: str, items: list[dict[str, Any]]) -> dict[str, Tally]:
    """Ask everything once."""
    tallies = {"answers": Tally(), "votes": Tally(), "presentations": Tally()}
    backend = LocalBackend(LocalConfig())
    try:
        for number, item in enumerate(items):
            question, tally = item["question"], tallies["answers"]
            brief = Brief(purpose="answer", question=question)
            text, *_ = await ask(backend, request(model, number, brief, ANSWER), tally)
            tally.right += is_right(item, text)
            tally.wrong += [] if is_right(item, text) else [f"{question} {text!r}"]

            said = [item["says"].format(word) for word in item["wrong"]]
            said.insert(number % 3, item["says"].format(item["right"]))
            candidates = tuple(Candidate(label=label, content=content) for label, content in zip(LABELS, said, strict=True))
            brief, tally = Brief(purpose="vote", question=question, candidates=candidates), tallies["votes"]
            _, vote, _ = await ask(backend, request(model, number, brief, VOTE, ANSWER), tally)
            tally.right += vote["agent"] == LABELS[number % 3]
            tally.wrong += [] if vote["agent"] == LABELS[number % 3] else [f"{question} {vote['reason']}"]

            chosen = (candidates[number % 3], *(each for each in candidates if each != candidates[number % 3]))
            brief, tally = Brief(purpose="present", question=question, candidates=chosen), tallies["presentations"]
            text, *_ = await ask(backend, request(model, number, brief), tally)
            tally.right += is_right(item, text)
            tally.wrong += [] if is_right(item, text) else [f"{question} {text!r}"]
        tally = tallies["tools"] = Tally()
        for number, (question, need) in enumerate([*NEEDS.items(), *((item["question"], ANSWER.name) for item in items[:10])]):
            brief = Brief(purpose="answer", question=question)
            _, arguments, name = await ask(backend, request(model, number, brief, ANSWER, *TOOLS), tally)
            tally.right += name == need
            tally.wrong += [] if name == need else [f"{question} {name or 'nothing'} {arguments}"]
    finally:
        await backend.aclose()
    return tallies


def main(models: list[str]) -> None:
    items = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    for model in models:
        for purpose, tally in anyio.run(measure, model, items).items():
            cost = f"{tally.cpu:.1f} s CPU, {tally.seconds:.1f} s, {tally.tokens} tokens written"
            print(f"{model}: {purpose} right {tally.right} of {len(items)}; {cost}", flush=True)
            for line in tally.wrong:
                print(f"    {line}", flush=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        print(f"{model}: peak memory of the model's process {peak:.2f} GB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or ["smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"])
