"""What one command means: the programs that start others are followed, the others tell what they do with paths."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

import attrs

from massgen_safety_commands import programs
from massgen_safety_commands.facts import DEPTH, Tangled
from massgen_safety_commands.shell import Item, Shell, Stage
from massgen_safety_commands.words import unescape

__all__ = ["read_command"]

_ASSIGNING = frozenset({"export", "declare", "local", "readonly", "typeset"})
_STARTING = frozenset({"tar", "ssh", "scp", "sftp", "rsync", "git", "vi", "vim", "nvim", "ex", "less", "man"})
_WORDS = 5000  # of one command
_SHORT = re.compile(r"-[A-Za-z]+")


def read_command(shell: Shell, items: Sequence[Item], fed: Stage, depth: int) -> Stage:
    """Tell what a command calls and uses, and return what it puts out.

    Raises:
        Tangled: Programs start programs too deeply.
    """
    if depth > DEPTH:
        raise Tangled("it is nested too deeply to be judged")
    if len(items) > _WORDS:
        raise Tangled("it has too many words to be judged")
    shell.facts.spend(len(items))
    name = programs.name_of(items[0].text)
    arguments = [item.text for item in items[1:]]
    _tell(shell, name, items, arguments, fed)
    out = Stage(frozenset({name}) | fed.programs | _fetched(shell, items[1:]))
    if name in programs.SHELLS:
        _shell(shell, name, items, fed, depth)
    elif name in programs.CODES:
        _interpreter(shell, name, items, fed, depth)
    elif name in programs.WRAPPERS:
        out = _wrapper(shell, name, items, fed, depth) or out
    elif name in ("find", "fd"):
        out = _find(shell, items, depth, out)
    elif name in ("source", "."):
        _file(shell, name, items[1:2], fed, depth)
    else:
        _settle(shell, name, items, fed, depth)
    for script in _scripts(shell, name, items):
        _run(shell, script, name, depth)
    return attrs.evolve(out, text=_output(shell, name, items, fed), roots=out.roots or _listed(shell, name, arguments))


def _scripts(shell: Shell, name: str, items: Sequence[Item]) -> Iterator[Item]:
    """Yield what of a command is a script itself."""
    arguments = [item.text for item in items[1:]]
    if "/" in items[0].text and (written := shell.written.get(shell.facts.place(items[0].text, shell.folder))):
        yield Item(written)
    if name == "eval":
        yield Item(" ".join(arguments), frozenset().union(*(item.fed for item in items[1:])))
    elif name in ("su", "script"):
        yield from _after(items, ("-c", "--command"))
    elif name == "trap":
        yield from items[1:2]
    elif name == "alias":
        yield from (Item(argument.partition("=")[2]) for argument in arguments)
    elif name in _STARTING:
        for found in filter(None, map(programs.COMMANDS.fullmatch, arguments[:200])):
            yield Item(found[1] or found[2])


def _settle(shell: Shell, name: str, items: Sequence[Item], fed: Stage, depth: int) -> None:
    """Change what a shell knows, its folder and its variables; read programs that are no scripts of a shell."""
    if name == "read" and fed.text is not None and len(items) > 1:
        shell.variables[items[-1].text] = Item(fed.text.strip(), fed.programs)
    elif name == "read" and fed.roots and len(items) > 1:
        shell.variables[items[-1].text] = Item(f"{fed.roots[0].rstrip('/')}/{{}}", fed.programs)
    elif name in ("awk", "gawk", "mawk"):
        for text in list(programs.operands([item.text for item in items[1:]], ("-F", "-v", "-f")))[:1]:
            shell.code(shell, "awk", text, depth + 1)
    elif name in ("cd", "pushd"):
        target = next(programs.operands([item.text for item in items[1:]]), "~")
        place = shell.facts.place(target, shell.folder)
        shell.folder = place if len(place) < 1000 and target != "-" else "?"
    elif name in _ASSIGNING:
        for item in items[1:]:
            key, sign, value = item.text.partition("=")
            if sign:
                shell.variables[key] = Item(value, item.fed)


def _tell(shell: Shell, name: str, items: Sequence[Item], arguments: Sequence[str], fed: Stage) -> None:
    facts = shell.facts
    facts.call(name, arguments, fed.programs)
    if items[0].fed:
        facts.call(":output", (), items[0].fed)  # what programs put out is a command
    if "/" in items[0].text and facts.place(items[0].text, shell.folder) in shell.fetched:
        facts.call(":output", (), frozenset({"curl"}))
    for path, access in programs.paths(name, arguments):
        if len(path) < 4096 and not (access == "read" and any(char.isspace() for char in path)):
            facts.use(path, access, shell.folder)
    if name in programs.FETCHERS:
        shell.fetched.update(facts.place(path, shell.folder) for path in programs.saved(name, arguments))


def _fetched(shell: Shell, items: Sequence[Item]) -> frozenset[str]:
    """Return `curl` where a file is read that came from the network."""
    if not shell.fetched:
        return frozenset()
    return frozenset({"curl"} if any(shell.facts.place(item.text, shell.folder) in shell.fetched for item in items) else ())


def _output(shell: Shell, name: str, items: Sequence[Item], fed: Stage) -> str | None:
    """Return what a command puts out, where that is plain."""
    arguments = [item.text for item in items[1:]]
    if name == "pwd":
        return None if shell.folder == "?" else shell.folder
    if any("$" in argument for argument in arguments):
        return None
    if name == "dirname" and arguments:
        return f"{arguments[-1]}/.."
    if name == "echo":
        plain = [argument for argument in arguments if not re.fullmatch("-[neE]+", argument)]
        text = " ".join(plain) + "\n"
        return unescape(text) if any(re.fullmatch("-[nE]*e[neE]*", argument) for argument in arguments) else text
    if name == "printf" and arguments:
        pattern, *values = [argument for argument in arguments if argument != "--"] or [""]
        count = max(1, -(-len(values) // max(1, pattern.count("%s") + pattern.count("%b"))))
        text = unescape(pattern) * min(count, 100)
        for value in values[:100]:
            text = text.replace("%s", value, 1).replace("%b", unescape(value), 1)
        return text[:10_000]
    if name in ("cat", "tee") and (not arguments or arguments == ["-"] or name == "tee"):
        return fed.text
    if name == "base64" and fed.text is not None and any(argument in ("-d", "-D", "--decode") for argument in arguments):
        return _decoded(fed.text)
    return None


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=False).decode("utf-8", "replace")
    except ValueError:
        return None


def _listed(shell: Shell, name: str, arguments: Sequence[str]) -> tuple[str, ...]:
    """Return whose names a program lists."""
    if name == "ls":
        return tuple(shell.facts.place(path, shell.folder) for path in list(programs.operands(arguments))[:20])
    return ()


def _run(shell: Shell, item: Item, name: str, depth: int) -> None:
    """Read an argument that is a script."""
    if item.fed:
        shell.facts.call(name, (), item.fed)
    shell.script(item.text, depth + 1)


def _after(items: Sequence[Item], options: Sequence[str]) -> list[Item]:
    return [value for option, value in pairwise(items) if option.text in options]


def _file(shell: Shell, name: str, operand: Sequence[Item], fed: Stage, depth: int) -> None:
    """Read what a shell executes: a file, or its standard input."""
    facts = shell.facts
    if operand and operand[0].text not in ("-", "/dev/stdin", "/proc/self/fd/0"):
        origin = operand[0].fed | (_fetched(shell, operand))
        if origin:
            facts.call(name, (), origin)
        if text := shell.written.get(facts.place(operand[0].text, shell.folder)):
            shell.script(text, depth + 1)
        return
    if fed.programs:
        facts.call(name, (), fed.programs)
        facts.call(":stdin", (name,), fed.programs)
    if fed.text is not None:
        shell.script(fed.text, depth + 1)


def _shell(shell: Shell, name: str, items: Sequence[Item], fed: Stage, depth: int) -> None:
    at, is_stdin = 1, False
    while at < len(items) and items[at].text[:1] in ("-", "+") and items[at].text not in ("-", "--"):
        option = items[at].text
        is_short = _SHORT.fullmatch(option) is not None
        if is_short and "c" in option:
            for item in items[at + 1 : at + 2]:
                _run(shell, item, name, depth)
            return
        is_stdin |= is_short and "s" in option
        at += 2 if option in ("-o", "+o", "-O", "--rcfile", "--init-file") else 1
    rest = items[at + 1 :] if at < len(items) and items[at].text == "--" else items[at:]
    _file(shell, name, () if is_stdin else rest[:1], fed, depth)


def _interpreter(shell: Shell, name: str, items: Sequence[Item], fed: Stage, depth: int) -> None:
    language, options = programs.CODES[name]
    for at, item in enumerate(items[1:], 1):
        text = item.text
        is_joined = _SHORT.fullmatch(text) is not None and len(options[0]) == 2 and any(text.endswith(option[1]) for option in options)
        if text in options or is_joined:
            for following in items[at + 1 : at + 2]:
                if following.fed:
                    shell.facts.call(":stdin", (name,), following.fed)
                shell.code(shell, language, following.text, depth + 1)
            return
        if text == "-m" or (text.startswith("-m") and name == "python"):
            return
        if not text.startswith("-") or text == "-":
            break
    else:
        at, text = len(items), "-"
    if text not in ("-", "/dev/stdin"):
        origin = items[at].fed | _fetched(shell, items[at : at + 1])
        if origin:
            shell.facts.call(":stdin", (name,), origin)
        if written := shell.written.get(shell.facts.place(text, shell.folder)):
            shell.code(shell, language, written, depth + 1)
        return
    if fed.programs:
        shell.facts.call(":stdin", (name,), fed.programs)
    if fed.text is not None:
        shell.code(shell, language, fed.text, depth + 1)


def _wrapper(shell: Shell, name: str, items: Sequence[Item], fed: Stage, depth: int) -> Stage | None:
    """Read the command that a program starts."""
    valued, before = programs.WRAPPERS[name]
    at = 1
    while at < len(items):
        text = items[at].text
        if name == "env" and text in ("-S", "--split-string"):
            return shell.script(" ".join(item.text for item in items[at + 1 :]), depth + 1, fed)
        if text == "--":
            at += 1
            break
        if text.startswith("-") and len(text) > 1:
            at += 2 if text in valued else 1
        elif name in ("env", "sudo", "doas") and re.match(r"[A-Za-z_]\w*=", text):
            at += 1
        elif before:
            at, before = at + 1, before - 1
        else:
            break
    inner = list(items[at:])
    if name == "command" and items[1:2] and items[1].text in ("-v", "-V"):
        return None  # it only says where a program is
    if name == "flock" and inner and inner[0].text == "-c":
        inner = [Item("sh"), *inner]
    if not inner:
        return None
    if name in ("watch", "parallel") and len(inner) == 1:
        return shell.script(inner[0].text, depth + 1)
    if name in ("xargs", "parallel"):
        inner = _filled(shell, inner, items, fed)
    return read_command(shell, inner, fed if name not in ("xargs", "parallel") else Stage(fed.programs), depth + 1)


def _filled(shell: Shell, inner: list[Item], items: Sequence[Item], fed: Stage) -> list[Item]:
    """Return the command of `xargs` with what it is given: names of files, as far as they are known."""
    given = [f"{root.rstrip('/')}/{{}}" for root in fed.roots]
    if fed.text is not None:
        given += fed.text.split()[:1000]
    marks = [value.text for value in _after(items, ("-I", "--replace"))]
    marks += [item.text[2:] for item in items if re.match("-I.", item.text)]
    if not marks:
        return [*inner, *(Item(text) for text in given or ["$()"])]
    mark = marks[0] or "{}"
    # The name of a file in a folder that is listed, not its path.
    filler = given[0] if given and not any(item.text.startswith("/" + mark) for item in inner) else "{}"
    return [Item(item.text.replace(mark, filler)[:4096], item.fed) if mark in item.text else item for item in inner]


def _find(shell: Shell, items: Sequence[Item], depth: int, out: Stage) -> Stage:
    words = [item.text for item in items[1:]]
    roots = []
    for word in words:
        if word.startswith(("-", "(", "!")) and word not in ("-H", "-L", "-P"):
            break
        roots.append(word)
    roots = [root for root in roots if root not in ("-H", "-L", "-P")] or ["."]
    places = [shell.facts.place(root, shell.folder) for root in roots[:20]]
    inside = [f"{place.rstrip('/')}/{{}}" if place != "?" else "$()" for place in places]
    if "-delete" in words:
        for path in inside:
            shell.facts.use(path, "delete")
    for at, word in enumerate(words):
        if word not in ("-exec", "-execdir", "-ok", "-okdir") or at > 1000:
            continue
        shell.facts.is_plain = False
        inner = []
        for item in items[at + 2 :]:
            if item.text in (";", "+"):
                break
            inner.append(item)
        folder, shell.folder = shell.folder, "."
        for path in inside:
            if inner:
                read_command(shell, [Item(item.text.replace("{}", path)[:4096], item.fed) for item in inner], Stage(), depth + 1)
        shell.folder = folder
    return attrs.evolve(out, roots=tuple(places))
