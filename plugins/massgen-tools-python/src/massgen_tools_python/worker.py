"""The process in which functions run. It needs the standard library alone, and is handed to the interpreter as text.

One JSON object a line comes in and one goes out. `{"load": [...]}` loads functions and tells what they take; `{"call": number, ...}` calls one. What
the functions print goes to standard error.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import json
import math
import os
import re
import sys
import types
import typing
from collections import abc
from typing import Any

LONGEST = 1_000_000  # characters of a text
LINE = 15_000_000  # characters of an answer, whose reader gives up at more
WORDS = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object", list: "array", tuple: "array", set: "array"}
SECTIONS = re.compile(r"^\s*(args|arguments|parameters|params|returns?|yields?|raises|examples?|notes?)\s*:?\s*$", re.IGNORECASE)


def load(item: Any, modules: dict[str, Any]) -> Any:
    """Return a function of a file, which is executed once."""
    path = item["path"]
    if path not in modules:
        module = types.ModuleType(re.sub(r"\W", "_", os.path.splitext(os.path.basename(path))[0]) or "functions")
        module.__file__ = path
        folder = os.path.dirname(path)
        if folder not in sys.path:
            sys.path.insert(0, folder)
        sys.modules.setdefault(module.__name__, module)
        exec(compile(item["source"], path, "exec"), module.__dict__)  # noqa: S102 - that is what this process is for
        modules[path] = module
    names = [name for name, value in vars(modules[path]).items() if callable(value) and not name.startswith("_")]
    found = getattr(modules[path], item["function"], None)
    if not callable(found):
        raise LookupError(f"it defines no function {item['function']!r} (it defines: {', '.join(sorted(names)[:20]) or 'none'})")
    return found


def described(function: Any, hidden: Any) -> dict[str, Any]:
    """Return what a function takes, as a JSON Schema, and the beginning of its docstring."""
    text = inspect.getdoc(function) or ""
    notes = arguments_of(text)
    try:
        hints = typing.get_type_hints(function)
    except Exception:
        hints = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    is_open = False
    for name, one in inspect.signature(function).parameters.items():
        if one.kind is one.VAR_KEYWORD:
            is_open = True
            continue
        if one.kind in (one.VAR_POSITIONAL, one.POSITIONAL_ONLY) or name in hidden or name in ("self", "cls"):
            continue
        made = schema(hints.get(name, typing.Any))
        if name in notes:
            made["description"] = notes[name]
        if one.default is one.empty:
            required.append(name)
        elif isinstance(one.default, (str, int)) or (isinstance(one.default, float) and math.isfinite(one.default)):
            made["default"] = one.default
        properties[name] = made
    parameters = {"type": "object", "properties": properties, "additionalProperties": is_open}
    if required:
        parameters["required"] = required
    first = re.split(r"\n\s*\n", text.strip(), maxsplit=1)[0]
    return {"description": " ".join(first.split()), "parameters": parameters}


def schema(kind: Any) -> dict[str, Any]:
    """Return the JSON Schema of an annotation; what cannot be told is anything."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return schema(inner[0])
    if origin is typing.Literal:
        return {"enum": [plain(member) for member in inner]}
    if origin is typing.Union or origin is getattr(types, "UnionType", typing.Union):
        some = [schema(part) for part in inner if part is not type(None)]
        return some[0] if len(some) == 1 else {"anyOf": some}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [plain(member) for member in kind]}
    word = WORDS.get(origin or kind)
    if word == "array" and inner and not (origin is tuple and inner[1:] != (Ellipsis,)):
        return {"type": "array", "items": schema(inner[0])}
    if word is None and isinstance(origin, type):
        word = "object" if issubclass(origin, abc.Mapping) else "array" if issubclass(origin, abc.Iterable) else None
    return {"type": word} if word else {}


def arguments_of(text: str) -> dict[str, str]:
    """Return what a docstring says of each argument, in Google's or NumPy's manner or with `:param`."""
    notes: dict[str, str] = {}
    section, name, base = "", "", 0
    for line in text.splitlines():
        match = re.match(r"\s*:param\s+(?:[\w\[\], |.]+\s+)?(\w+):\s*(.*)", line)
        if match:
            notes[match[1]], name, section = match[2], match[1], "args"
        elif heading := SECTIONS.match(line):
            section, name = heading[1].lower()[:3], ""
        elif section in ("arg", "par") and line.strip() and not set(line.strip()) <= set("-="):
            depth = len(line) - len(line.lstrip())
            match = re.match(r"\s*\*{0,2}(\w+)\s*(?:\(([^)]*)\))?\s*:\s*(.*)", line)
            if match and (not name or depth <= base):
                name, base = match[1], depth
                notes[name] = match[3] if " " in match[3] else ""  # NumPy's manner has the type there, and the text below
            elif name:
                notes[name] = f"{notes[name]} {line.strip()}".strip()
    return {key: value.strip() for key, value in notes.items() if value.strip()}


def plain(value: Any, depth: int = 0, seen: list[None] | None = None) -> Any:
    """Return plain data that says what a value does; of objects that hold each other, as much as is shown of anything."""
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    seen = [] if seen is None else seen
    seen.append(None)
    if depth > 20 or len(seen) > LONGEST // 10:  # a row has ten characters at least
        return f"[{type(value).__name__}]"
    if isinstance(value, enum.Enum):
        return plain(value.value, depth + 1, seen)
    if isinstance(value, dict):
        return {str(key): plain(item, depth + 1, seen) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1, seen) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return f"[{len(value)} bytes]"
    for method in ("model_dump", "to_dict", "dict", "_asdict"):
        if callable(getattr(value, method, None)) and not isinstance(value, type):
            try:
                return plain(getattr(value, method)(), depth + 1, seen)
            except Exception:  # noqa: S112 - another method, or its attributes, may say it
                continue
    inner = getattr(value, "__dict__", None)
    return {key: plain(item, depth + 1, seen) for key, item in inner.items() if not key.startswith("_")} if inner else str(value)


def part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else getattr(value, name, None)


def texts(value: Any) -> list[str]:
    """Return the texts of a result; one with `output_blocks`, as MassGen's functions return, holds several."""
    if value is None:
        return []
    blocks = part(value, "output_blocks")
    if isinstance(blocks, (list, tuple)):
        return [text for block in blocks for text in texts_of(block)]
    return texts_of(value)


def texts_of(block: Any) -> list[str]:
    if isinstance(block, str):
        return [block]
    kind = str(part(block, "block_type") or part(block, "type") or "")
    content = next((found for found in (part(block, name) for name in ("data", "text", "content")) if isinstance(found, str)), "")
    is_block = any(isinstance(part(block, name), str) for name in ("data", "text", "content")) and (kind or not isinstance(block, dict))
    if is_block and kind.lower() in ("", "text", "string"):
        return [content]
    if is_block:
        return [f"[{kind}, {len(content)} characters, is not shown]"]
    made = plain(block)
    return [made if isinstance(made, str) else json.dumps(made, ensure_ascii=False)]


async def result_of(value: Any) -> tuple[list[str], Any]:
    """Return the texts and the plain data of whatever a function returned: a value, an awaitable, or what yields values."""
    if inspect.isawaitable(value):
        value = await value
    if hasattr(value, "__aiter__"):
        said = [text async for item in value for text in texts(item)]
        return said, None
    if inspect.isgenerator(value):
        return [text for item in value for text in texts(item)], None
    is_data = isinstance(value, (dict, list)) and part(value, "output_blocks") is None
    return texts(value), plain(value) if is_data else None


class Worker:
    def __init__(self) -> None:
        self.functions: dict[str, tuple[Any, dict[str, Any]]] = {}
        self.modules: dict[str, Any] = {}
        self.folder = os.getcwd()
        self.loop = asyncio.new_event_loop()

    def load(self, items: Any) -> dict[str, Any]:
        made = []
        for item in items:
            try:
                function = load(item, self.modules)
                taken = inspect.signature(function).parameters
                # Functions that were written for MassGen 0.1 may take the agent's folder under this name, as this process sees it.
                folder = {"agent_cwd": self.folder if item["has_folder"] else None} if "agent_cwd" in taken else {}
                given = {**folder, **item["arguments"]}
                self.functions[item["tool"]] = function, given
                made.append({"tool": item["tool"], **described(function, given)})
            except BaseException as error:
                made.append({"tool": item["tool"], "error": said(error)})
        return {"loaded": made}

    def call(self, message: Any) -> dict[str, Any]:
        if message["tool"] not in self.functions:
            return {"text": "its file could not be loaded again after the process had ended; call another tool", "is_error": True}
        function, given = self.functions[message["tool"]]
        arguments = {**message["arguments"], **given}
        try:
            inspect.signature(function).bind(**arguments)
        except TypeError as error:
            return {"text": f"the arguments do not fit: {error}", "is_error": True}
        if self.loop.is_closed():  # by a function
            self.loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)  # `asyncio.run` takes it away
        try:
            found, data = self.loop.run_until_complete(result_of(function(**arguments)))
            text = "\n".join(found)
            if len(text) > LONGEST:
                text = f"{text[:LONGEST]}\n[{len(text) - LONGEST} characters more]"
            return {"text": text, "is_error": False, "structured": data if len(text) < LONGEST else None}
        except BaseException as error:
            return {"text": said(error), "is_error": True}


def said(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text[:4000]}" if text else type(error).__name__


def main() -> None:
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    # What functions read and print must not meet what is said here.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    worker, own = Worker(), os.getpid()
    for line in requests:
        message = json.loads(line)
        answer = worker.load(message["load"]) if "load" in message else worker.call(message)
        if os.getpid() != own:  # a function forked, and this is the copy, which has come back, too
            os._exit(0)
        try:
            text = json.dumps({**answer, "number": message["number"]})
            if len(text) > LINE:
                text = json.dumps({**answer, "structured": None, "number": message["number"]})
        except (TypeError, ValueError, RecursionError) as error:
            text = json.dumps({"number": message["number"], "text": said(error), "is_error": True})
        answers.write(text.encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
