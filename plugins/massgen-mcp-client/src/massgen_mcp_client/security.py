"""What a server's section may ask of this machine: commands, arguments, environment, addresses and names. Nothing here touches the machine.

Every refusal names its rule and says how to allow it. The levels are those of existing configurations: `strict` runs the usual launchers with plain
arguments; `moderate` runs developers' tools too and lets arguments be; `permissive` refuses only what cannot be meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import attrs

from massgen_core.api import address_refusal, clean, clean_line
from massgen_mcp_client import rules
from massgen_mcp_client.config import SecurityConfig, ServerConfig, shown

__all__ = ["Refusal", "refusals", "server_name_refusal", "tool_name_refusal", "url_refusals"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S*")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}\.?")
_SERVER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?")
_IN_COMMAND = re.compile(r"[&|;`$<>*?\"'\x00-\x1f]")
_VERSION = re.compile(r"(?:[-_.]?[0-9][0-9.]*)$")
_SUFFIX = re.compile(r"\.(?:exe|cmd|bat|ps1|com)$")


@attrs.frozen
class Refusal:
    """Something that a server's section may not ask for.

    Attributes:
        rule: The rule's name, for instance `security.args.code`.
        key: The key path below the section: `command`, `args[2]`, `env.LD_PRELOAD`, `url`.
        message: What is refused, and why.
        remedy: How to allow it, or what to write instead.
    """

    rule: str
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message} (rule {self.rule}); {self.remedy}"


def refusals(server: ServerConfig) -> tuple[Refusal, ...]:
    """Return everything that a server's section may not ask for, in the order of its keys.

    What has the wrong type is left to the transport's own class. A command that an executor runs in a sandbox is none of this machine's.
    """
    options, security = server.options, server.security
    found: list[Refusal] = []
    command, args, env = options.get("command"), options.get("args"), options.get("env")
    texts = [value for value in args if isinstance(value, str)] if isinstance(args, Sequence) and not isinstance(args, str) else []
    if isinstance(command, str) and not options.get("executor"):
        found += _command(command, security)
        found += _arguments(command, texts, security)
    if isinstance(env, Mapping) and not options.get("executor"):
        found += _environment(env, security)
    if isinstance(options.get("url"), str):
        found += url_refusals(options["url"], security)
    return tuple(found)


def _level(security: SecurityConfig, wanted: str) -> str:
    """Return the end of a remedy: the level that would do."""
    return f"or set security.level: {wanted} (it is {security.level})"


# Commands


def _name(command: str) -> str:
    """Return a program's name without folders and suffix, in small letters."""
    return _SUFFIX.sub("", re.split(r"[/\\]", command)[-1].lower())


def _command(command: str, security: SecurityConfig) -> Iterator[Refusal]:
    said = shown(command)
    if not command.strip() or len(command) > 1000:
        yield Refusal("security.command.length", "command", "the command is empty or longer than 1000 characters", "write a program's name or path")
        return
    if _IN_COMMAND.search(command) or (security.level != "permissive" and command != command.strip()):
        message = f"the command {said!r} holds characters that only a shell understands"
        yield Refusal("security.command.shell", "command", message, "no shell is used: write the program alone, and its arguments into args")
        return
    if command in security.allowed_executables or security.level == "permissive":
        return
    if rules.TRAVERSAL.search(command):
        message = f"the command {said!r} leads out of a folder with `..`"
        yield Refusal("security.command.traversal", "command", message, "write the full path, or put the command into security.allowed_executables")
    allowed = rules.LAUNCHERS if security.level == "strict" else (*rules.LAUNCHERS, *rules.TOOLS)
    name = _name(command)
    if not any(fnmatchcase(name, pattern) for pattern in allowed) and name not in {_name(other) for other in security.allowed_executables}:
        remedy = f"put {said!r} into security.allowed_executables, {_level(security, _looser(name, security))}"
        yield Refusal("security.command.executable", "command", f"{said!r} is not among the executables that may be run", remedy)


def _looser(name: str, security: SecurityConfig) -> str:
    is_tool = security.level == "strict" and any(fnmatchcase(name, pattern) for pattern in rules.TOOLS)
    return "moderate" if is_tool else "permissive"


# Arguments


def _arguments(command: str, args: Sequence[str], security: SecurityConfig) -> Iterator[Refusal]:
    for index, text in enumerate(args):
        if "\x00" in text or len(text) > 100_000:
            yield Refusal("security.args.length", f"args[{index}]", "the argument holds a NUL, or is longer than 100000 characters", "shorten it")
    if security.level == "permissive":
        return
    for index in _code(command, args):
        remedy = f"put the code into a file and run that, {_level(security, 'permissive')}"
        yield Refusal("security.args.code", f"args[{index}]", f"{shown(args[index], 40)!r} makes {_name(command)} run code from an argument", remedy)
    if _name(command) in rules.CONTAINERS:
        for index, text in enumerate(args):
            if rules.HOST_OF_CONTAINER.search(text):
                message = f"{shown(text)!r} gives the container this machine"
                yield Refusal("security.args.container", f"args[{index}]", message, f"leave it out, {_level(security, 'permissive')}")
    for index, text in enumerate(args):
        yield from _argument(f"args[{index}]", text, security)


def _argument(key: str, text: str, security: SecurityConfig) -> Iterator[Refusal]:
    said = shown(text)
    if rules.SUBSTITUTION.search(text):
        message = f"the argument {said!r} holds a shell's substitution or a line break; no shell is used, so that it would not work"
        yield Refusal("security.args.shell", key, message, f"write the value itself, {_level(security, 'permissive')}")
    elif security.level == "strict" and rules.CHAINING.search(_ADDRESS.sub("", text)) and not rules.REQUIREMENT.fullmatch(text):
        message = f"the argument {said!r} holds characters that chain commands in a shell"
        yield Refusal("security.args.shell", key, message, f"write it without them, {_level(security, 'moderate')}")
    if security.level == "strict" and rules.TRAVERSAL.search(_ADDRESS.sub("", text)):
        message = f"the argument {said!r} leads out of a folder with `..`"
        yield Refusal("security.args.traversal", key, message, f"write the full path, {_level(security, 'moderate')}")


def _interpreter(name: str) -> rules.Interpreter | None:
    return rules.INTERPRETERS.get(name) or rules.INTERPRETERS.get(_VERSION.sub("", name))


def _code(command: str, args: Sequence[str]) -> Iterator[int]:
    """Yield the places of options that are followed by code, for the command and for a program that it starts."""
    begins = [(0, _name(command))]
    if begins[0][1] in rules.STARTERS:
        # A starter's options may have values, so that any argument may be the program; its name says whether it matters.
        begins += [(index + 1, _name(text)) for index, text in enumerate(args) if not text.startswith("-") and _interpreter(_name(text))]
    seen: set[int] = set()
    for begin, name in begins:
        interpreter = _interpreter(name)
        index = _first_code(interpreter, args, begin) if interpreter else None
        if index is not None and index not in seen:
            seen.add(index)
            yield index


def _first_code(interpreter: rules.Interpreter, args: Sequence[str], begin: int) -> int | None:
    index = begin
    while index < len(args):
        text = args[index]
        word = text.partition("=")[0].lower()
        if word in interpreter.words:
            return index
        if text in interpreter.subcommands:
            index += 1
            continue
        if text in {"-", "--"} or not text.startswith(("-", "/")):
            return None  # what follows belongs to a script
        if text.startswith("/"):
            is_option = any(other.startswith("/") for other in interpreter.words)
            if not is_option:
                return None
        elif not text.startswith("--"):
            takes_value = False
            for position, letter in enumerate(text[1:], 1):
                if letter in interpreter.code:
                    return index
                if letter in interpreter.ends:
                    return None
                if letter in interpreter.values:
                    takes_value = position == len(text) - 1
                    break
            index += takes_value
        index += 1
    return None


# Environment


def _environment(env: Mapping[Any, Any], security: SecurityConfig) -> Iterator[Refusal]:
    for name, value in env.items():
        key = f"env.{name}" if isinstance(name, str) and _VARIABLE.fullmatch(name) else "env"
        said = clean_line(str(name), 60)
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            yield Refusal("security.env.name", key, f"{said!r} is no name of an environment variable", "use letters, digits and '_'")
            continue
        if isinstance(value, str) and "\x00" in value:
            yield Refusal("security.env.value", key, f"the value of {said} holds a NUL", "no environment variable can hold one")
        if any(fnmatchcase(name, pattern) for pattern in security.env.allowed):
            continue
        for rule, why, wanted in _forbidden(name, security):
            remedy = f"put {said!r} into security.env.allowed" + (f", {_level(security, wanted)}" if wanted else "")
            yield Refusal(rule, key, f"{said} {why}", remedy)
            break


def _forbidden(name: str, security: SecurityConfig) -> Iterator[tuple[str, str, str]]:
    upper = name.upper()

    def among(patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(upper, pattern) for pattern in patterns)

    if any(fnmatchcase(name, pattern) for pattern in security.env.denied):
        yield "security.env.denied", "is denied by security.env.denied", ""
    if security.level != "permissive":
        if among(rules.LOADERS) and upper not in rules.HARMLESS:
            yield "security.env.loader", "changes which code programs run, load or trust", "permissive"
        if among(rules.MACHINE):
            yield "security.env.path", "changes which programs are found", "permissive"
    if security.level == "strict" and among(rules.PERSON):
        yield "security.env.person", "changes whose files programs use", "moderate"


# Addresses


def url_refusals(url: str, security: SecurityConfig) -> Iterator[Refusal]:
    """Yield what is wrong with a server's address, as far as its text tells; a name's addresses are judged when it is resolved."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - hook modules reach this file's importers

    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        yield Refusal("security.url.form", "url", f"{shown(url)!r} is no address", "write it like https://example.com/mcp")
        return
    if len(url) > 2048 or not url.isprintable() or " " in url or "\\" in url:
        yield Refusal(
            "security.url.form", "url", "the address holds blanks, backslashes or invisible characters, or is longer than 2048", "correct it"
        )
        return
    if parts.scheme not in ("http", "https"):
        yield Refusal(
            "security.url.scheme", "url", f"addresses begin with http:// or https://, not with {clean_line(parts.scheme, 20)!r}", "correct it"
        )
        return
    if parts.username is not None or parts.password is not None:
        yield Refusal(
            "security.url.credentials", "url", "the address holds a user's name or password, which end up in logs", "put them into headers or auth"
        )
    if port is not None and (port == 0 or port in rules.PORTS) and security.level != "permissive":
        remedy = f"use another port, {_level(security, 'permissive')}"
        yield Refusal("security.url.port", "url", f"port {port} belongs to a service that speaks no HTTP", remedy)
    yield from _host(host, security)


def _host(host: str, security: SecurityConfig) -> Iterator[Refusal]:
    said = clean_line(host, 60)
    numeric = host.rstrip(".").rpartition(".")[2]
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        why = address_refusal(host, allow_localhost=security.allow_localhost, allow_private=security.allow_private)
    elif not _HOST.fullmatch(host) or re.fullmatch(r"[0-9]+|0[xX][0-9A-Fa-f]*", numeric):
        why = "it is neither a host's name nor an address in its usual form"
    elif re.fullmatch(r"(?:.*\.)?localhost\.?", host, re.IGNORECASE) and not security.allow_localhost:
        why = "it is this machine"
    else:
        why = ""
    if why:
        key = "allow_localhost" if "this machine" in why else "allow_private" if "private" in why or "link-local" in why else ""
        yield Refusal("security.url.address", "url", f"{said!r} may not be used: {why}", f"set security.{key}: true" if key else "correct it")
    elif security.allowed_hosts and not any(fnmatchcase(host.lower(), pattern.lower()) for pattern in security.allowed_hosts):
        hosts = ", ".join(security.allowed_hosts)
        yield Refusal("security.url.host", "url", f"{said!r} is not among security.allowed_hosts ({hosts})", "add it there")


# Names


def server_name_refusal(name: str) -> str:
    """Return why a server cannot have this name; empty where it can."""
    if _SERVER.fullmatch(name) and "__" not in name:
        return ""
    return (
        f"{clean_line(name, 60)!r} cannot name a server; use letters, digits, '.', '-' and single '_', at most 64, first and last a letter or digit"
    )


def tool_name_refusal(name: str) -> str:
    """Return why a tool with this name on the wire is not offered; empty where it is."""
    if not name or len(name) > 256:
        return "its name is empty or longer than 256 characters"
    if clean(name) != name or not name.isprintable() or name != name.strip():
        return f"its name holds invisible characters or blanks at its ends: {clean_line(name, 60)!r}"
    return ""
