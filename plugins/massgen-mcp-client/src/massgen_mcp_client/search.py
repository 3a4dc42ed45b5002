"""Finding tools by what they do: two tools stand for hundreds, whose definitions would not fit into a conversation.

The ranking is BM25 over the fields of a definition (Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009), with
word stems, and with a few groups of words that mean the same in the names of tools.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import attrs

from massgen_core.api import Tool, ToolAnnotations, ToolCall

__all__ = ["CALL", "SEARCH", "Index", "shown", "unwrapped", "words"]

MAX_RESULTS = 20
# What a search shows at most, in characters; schemas are shortened first.
MAX_SHOWN = 24_000
MAX_DESCRIPTION = 700

SEARCH = Tool(
    name="mcp_search_tools",
    description="Find tools by what they do. Returns the names, descriptions and parameters of the best matches; call one with mcp_call_tool. "
    "Describe one action and, where you know it, the product: 'send a Slack message', 'list files in a folder'.",
    parameters={
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "what the tool should do, in a few words"},
            "limit": {"type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "description": "how many tools to show; 5 if left out"},
        },
        "required": ["query"],
    },
    annotations=ToolAnnotations(read_only=True, destructive=False, idempotent=True, open_world=False),
    source="mcp",
)
CALL = Tool(
    name="mcp_call_tool",
    description="Call a tool that mcp_search_tools found, by its name and with arguments that fit its parameters.",
    parameters={
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "the tool's name, exactly as it was shown"},
            "arguments": {"type": "object", "description": "the tool's arguments"},
        },
        "required": ["name"],
    },
    source="mcp",
)

_WORD = re.compile(r"[0-9]+|[^\W\d_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Written without blanks between words: every two characters are taken for one.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_NOTHING = """
a an and any are as at be by can do does for from has have how i if in into is it its me my of on one or our out please so some such that the their
them then there these this to up use used uses using want was we what when where which who will with would you your tool tools mcp api
"""
_STOP = frozenset(_NOTHING.split())
# Words that mean the same where tools are named; any of them finds the others, for less than a word of its own.
_GROUPS = (
    "delete remove erase drop destroy uninstall unregister clear",
    "create add new make insert generate register",
    "list show enumerate all browse display",
    "find search lookup look query discover locate",
    "get fetch read retrieve view load obtain inspect details",
    "update edit modify change set alter patch adjust",
    "send post publish submit",
    "run execute start launch trigger invoke perform",
    "stop cancel terminate kill abort halt pause",
    "copy duplicate clone",
    "comment reply annotate note",
    "image picture photo screenshot",
    "email mail gmail message",
    "directory folder",
    "repository repo",
    "issue ticket bug task",
    "paper article publication preprint",
    "event meeting appointment calendar",
    "spreadsheet sheet excel workbook xlsx",
    "database db sql",
    "weather forecast temperature",
    "route direction navigation travel",
    "stock share equity ticker",
    "log logs trace",
    "audio sound voice speech speak music song",
    "video movie clip film",
    "user person people member contact",
    "phone call telephone dial",
    "text sms message",
    "webpage website page site url web",
    "translate convert transform",
    "permission access grant sharing",
    "price cost quote",
    "container docker image",
    "open navigate visit goto",
    "click press tap",
    "write save put store",
    "join merge combine",
    "explain documentation docs help guide",
    "invite attendee participant",
    "restart reboot reset",
    "server machine instance vm host",
)
_K1 = 1.2
_B = 0.6
_SYNONYM = 0.45
# What a field's words count.
_WEIGHTS = {"name": 3.2, "server": 1.6, "title": 1.6, "description": 1.0, "parameters": 0.7, "more": 0.25}


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    """Return a word without the endings that number, tense and derivation give it."""
    if len(word) > 4 and word.endswith("ies"):
        word = f"{word[:-3]}y"
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    if len(word) > 7 and word.endswith("ation"):
        word = word[:-5]
    elif len(word) > 6 and word.endswith(("tion", "sion")):
        word = word[:-3]
    return word[:-1] if len(word) > 4 and word.endswith(("e", "y")) else word


def words(text: str) -> list[str]:
    """Return the stems of a text's words; `camelCase` and `snake_case` are several words, and words that say nothing are left out."""
    return [_stem(word) for run in _WORD.findall(text) for word in _split(run) if word not in _STOP]


def _split(run: str) -> list[str]:
    if run.isascii():
        return _HUMP.sub(" ", run).lower().split()
    if _UNSPACED.search(run):
        return [run[at : at + 2] for at in range(max(1, len(run) - 1))]
    return [run.lower()]


_SAME: Mapping[str, frozenset[str]] = {}


def _synonyms() -> Mapping[str, frozenset[str]]:
    global _SAME  # noqa: PLW0603 - made once, on first use
    if not _SAME:
        same: dict[str, set[str]] = defaultdict(set)
        for group in _GROUPS:
            stems = {_stem(word) for word in group.split()}
            for one in stems:
                same[one] |= stems - {one}
        _SAME = {word: frozenset(others) for word, others in same.items()}
    return _SAME


class Index:
    """An index of tools.

    Args:
        tools: The tools; their names are unique.
    """

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = tuple(tools)
        documents = [_fields(tool) for tool in self._tools]
        count = max(1, len(documents))
        average = {field: max(1.0, sum(len(one[field]) for one in documents) / count) for field in _WEIGHTS}
        postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, fields in enumerate(documents):
            weights: dict[str, float] = defaultdict(float)
            for field, stems in fields.items():
                scale = _WEIGHTS[field] / (1 - _B + _B * len(stems) / average[field])
                for stem, times in Counter(stems).items():
                    weights[stem] += times * scale
            for stem, weight in weights.items():
                postings[stem].append((number, weight / (_K1 + weight)))
        self._postings = dict(postings)
        self._rarity = {stem: math.log(1 + (count - len(found) + 0.5) / (len(found) + 0.5)) for stem, found in postings.items()}

    def __len__(self) -> int:
        return len(self._tools)

    def search(self, query: str, limit: int = 5) -> tuple[Tool, ...]:
        """Return the tools that fit a query best, the best one first; a tool whose exact name is the query comes before all others."""
        asked = list(dict.fromkeys(words(query[:2000])))
        scores: dict[int, float] = defaultdict(float)
        hits: dict[int, float] = defaultdict(float)
        total = sum(self._rarity.get(stem, 4.0) for stem in asked) or 1.0
        for stem in asked:
            best: dict[int, float] = {}
            # A synonym that was asked for itself counts for itself alone.
            for other, share in ((stem, 1.0), *((one, _SYNONYM) for one in _synonyms().get(stem, ()) if one not in asked)):
                rarity = self._rarity.get(other, 0.0) * share
                for number, weight in self._postings.get(other, ()):
                    best[number] = max(best.get(number, 0.0), rarity * weight)
            importance = self._rarity.get(stem, 4.0)
            for number, score in best.items():
                scores[number] += score
                hits[number] += importance
        exact = {number for number, tool in enumerate(self._tools) if query.strip() in (tool.name, tool.name.rpartition("__")[2])}
        for number in exact:
            scores[number] += 1000.0
        # A tool that has all that was asked for is worth more than one that repeats a part of it.
        ranked = sorted(scores, key=lambda number: (-scores[number] * (0.4 + 0.6 * min(1.0, hits[number] / total)), number))
        return tuple(self._tools[number] for number in ranked[: max(0, limit)])


def _fields(tool: Tool) -> dict[str, list[str]]:
    name = tool.name.removeprefix("mcp__")
    server, _, own = name.partition("__") if "__" in name else ("", "", name)
    properties = tool.parameters.get("properties")
    parameters = " ".join(properties) if isinstance(properties, Mapping) else ""
    more = " ".join(_descriptions(properties)) if isinstance(properties, Mapping) else ""
    first, _, rest = tool.description[:3000].partition("\n")
    return {
        "name": words(own),
        "server": words(server),
        "title": words(first[:200]),
        "description": words(f"{first[200:]} {rest}"),
        "parameters": words(parameters),
        "more": words(more[:1500]),
    }


def _descriptions(properties: Mapping[str, Any]) -> Iterable[str]:
    for schema in properties.values():
        if isinstance(schema, Mapping) and isinstance(schema.get("description"), str):
            yield schema["description"][:200]


# What agents see


def shown(tools: Sequence[Tool], *, total: int) -> str:
    """Return found tools as text for a model: one JSON object a line, of a bounded size in all.

    Args:
        tools: What was found.
        total: How many tools there are.
    """
    if not tools:
        return f"None of the {total} tools fits; describe the action in other words."
    room = MAX_SHOWN // len(tools)
    lines = [_line(tool, room) for tool in tools]
    return "\n".join([f"{len(tools)} of {total} tools, the best match first. Call one with {CALL.name}.", *lines])


def _line(tool: Tool, room: int) -> str:
    description = tool.description if len(tool.description) <= MAX_DESCRIPTION else f"{tool.description[: MAX_DESCRIPTION - 1]}…"
    for parameters in (tool.parameters, _bare(tool.parameters), _outline(tool.parameters)):
        text = json.dumps({"name": tool.name, "description": description, "parameters": parameters}, ensure_ascii=False)
        if len(text) <= room:
            return text
    return text


def _bare(node: Any) -> Any:
    """Return a schema without its prose."""
    if isinstance(node, Mapping):
        return {
            key: _bare(value)
            for key, value in node.items()
            if key not in ("description", "title", "examples", "$schema") or isinstance(value, Mapping)
        }
    return [_bare(value) for value in node] if isinstance(node, (list, tuple)) else node


def _outline(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names and types of the parameters alone."""
    properties = schema.get("properties")
    kinds = {
        str(name): {"type": inner["type"]} if isinstance(inner, Mapping) and "type" in inner else {} for name, inner in (properties or {}).items()
    }
    return {"type": "object", "properties": dict(list(kinds.items())[:100]), "required": list(schema.get("required", ()))[:100]}


def unwrapped(call: ToolCall) -> ToolCall:
    """Return the call that a call of `mcp_call_tool` stands for, so that permissions are those of the tool that is really called.

    Raises:
        ValueError: The arguments name no tool; the message can be shown to the model.
    """
    given = call.parsed()
    name, arguments = given.get("name"), given.get("arguments", {})
    if not isinstance(name, str) or not name:
        raise ValueError(f"`name` must be the name of a tool that {SEARCH.name} found")
    if isinstance(arguments, str):  # some models write JSON into JSON
        try:
            arguments = json.loads(arguments or "{}")
        except ValueError as error:
            raise ValueError(f"`arguments` must be an object: {error}") from None
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise ValueError("`arguments` must be an object")
    return attrs.evolve(call, name=name, arguments=json.dumps(arguments, ensure_ascii=False))
