"""What programs do with their arguments, as tables: which paths they read, write and delete, and which programs they start."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from massgen_safety_commands.facts import Access

__all__ = ["CODES", "COMMANDS", "FETCHERS", "READERS", "SHELLS", "WRAPPERS", "name_of", "operands", "paths", "saved"]

FETCHERS = frozenset({"curl", "wget", "fetch", "aria2c", "http", "https", "lynx", "ftp", "nc", "ncat", "netcat", "telnet", "gsutil"})
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "fish", "csh", "tcsh", "rbash"})
# Languages of code that an interpreter takes as an argument, with the options that it is taken after.
CODES = {
    "python": ("python", ("-c",)),
    "pypy": ("python", ("-c",)),
    "perl": ("perl", ("-e", "-E")),
    "ruby": ("ruby", ("-e",)),
    "node": ("javascript", ("-e", "-p", "--eval", "--print")),
    "deno": ("javascript", ("eval",)),
    "bun": ("javascript", ("-e", "--eval")),
    "php": ("php", ("-r",)),
    "lua": ("lua", ("-e",)),
    "osascript": ("applescript", ("-e",)),
}
# Programs that start the program which their arguments name: their options with a value of its own, and how many operands come before it.
WRAPPERS = {
    "env": (("-u", "-C", "--unset", "--chdir"), 0),
    "sudo": (("-u", "-g", "-h", "-p", "-C", "-r", "-t", "-U", "-D", "-R", "-T"), 0),
    "doas": (("-u", "-C"), 0),
    "pkexec": (("--user",), 0),
    "nohup": ((), 0),
    "setsid": ((), 0),
    "command": ((), 0),
    "builtin": ((), 0),
    "exec": (("-a",), 0),
    "time": (("-f", "-o"), 0),
    "nice": (("-n",), 0),
    "ionice": (("-c", "-n", "-p"), 0),
    "stdbuf": (("-i", "-o", "-e"), 0),
    "timeout": (("-k", "-s", "--kill-after", "--signal"), 1),
    "chrt": ((), 1),
    "taskset": (("-c",), 1),
    "flock": (("-w", "-E"), 1),
    "chroot": (("--userspec", "--groups"), 1),
    "busybox": ((), 0),
    "toybox": ((), 0),
    "strace": (("-e", "-o", "-p", "-s", "-u"), 0),
    "ltrace": (("-e", "-o", "-p", "-s", "-u"), 0),
    "setpriv": (("--reuid", "--regid", "--groups", "--inh-caps", "--bounding-set", "--ambient-caps"), 0),
    "unshare": (("-S", "-G", "-R", "-w"), 0),
    "nsenter": (("-t", "--target", "-S", "-G"), 0),
    "systemd-run": (("-p", "-u", "-M", "--unit", "--property"), 0),
    "xargs": (("-I", "-i", "-n", "-P", "-L", "-d", "-s", "-E", "-a", "--max-args", "--max-procs", "--delimiter", "--arg-file"), 0),
    "parallel": (("-j", "-a", "--jobs"), 0),
    "watch": (("-n", "--interval"), 0),
    "caffeinate": (("-t", "-w"), 0),
    "unbuffer": ((), 0),
}
# Arguments that are commands themselves: what `tar`, `ssh`, `git` and editors start.
COMMANDS = re.compile(
    r"(?:.*=exec|(?:-o)?(?:Proxy|Local)Command|--(?:to-command|use-compress-program|rsh)"
    r"|core\.(?:pager|sshCommand|editor|fsmonitor)|alias\.\w+)[= ]!?(.+)"
    r"|:?!(.+)",
    re.DOTALL,
)
# Programs that only look: with plain arguments, within the workspace, they can be run again.
READERS = frozenset(
    ["ls", "cat", "head", "tail", "wc", "grep", "pwd", "echo", "cut", "diff", "cmp", "stat", "du", "basename", "dirname", "sha256sum", "nproc"]
)

_SYSTEM = re.compile(r"(?:/usr(?:/local)?)?/s?bin/|/opt/homebrew/bin/|/snap/bin/")
_VERSIONED = re.compile(r"(python|pypy|perl|ruby|php|lua|node|pip)(?:w|js)?[0-9.]*(?:\.exe)?")
_DELETERS = frozenset({"rm", "rmdir", "unlink", "shred", "srm", "wipe", "trash", "trash-put", "rimraf"})
_WRITERS = frozenset({"tee", "touch", "truncate", "mkdir", "chattr", "mkfifo"})
_CHANGERS = frozenset({"chmod", "chown", "chgrp", "setfacl"})
_COPIERS = frozenset({"cp", "mv", "install", "ln", "scp", "rsync"})
_SEARCHERS = frozenset({"grep", "egrep", "fgrep", "zgrep", "rg", "ag", "ack", "sed", "awk", "gawk", "mawk", "jq", "yq", "perl", "tr"})
_SILENT = frozenset(
    [
        "echo",
        "printf",
        "export",
        "set",
        "unset",
        "alias",
        "true",
        "false",
        ":",
        "type",
        "which",
        "man",
        "info",
        "whatis",
        "apropos",
        "read",
        "trap",
        "cd",
        "pushd",
        "local",
        "declare",
        "return",
        "exit",
        "git",
        "docker",
        "podman",
        "gh",
        "npm",
        "pip",
        "apt",
        "apt-get",
        "kill",
        "pkill",
        "killall",
        "sleep",
        "seq",
        "expr",
        "basename",
        "dirname",
    ]
)
_SAVING = {"curl": ("-o", "--output"), "wget": ("-O", "--output-document"), "aria2c": ("-o", "--out"), "http": ("-o", "--output")}


def name_of(word: str) -> str:
    """Return a program's name: without the folder where that is one of the system's, without a version."""
    found = _SYSTEM.match(word)
    name = word[found.end() :] if found else word
    versioned = _VERSIONED.fullmatch(name)
    return versioned[1] if versioned else name


def operands(arguments: Sequence[str], valued: Sequence[str] = ()) -> Iterator[str]:
    """Yield the arguments that are no options, nor values of the options `valued`."""
    is_skipped = is_ended = False
    for argument in arguments:
        if is_skipped:
            is_skipped = False
        elif is_ended or not argument.startswith("-") or argument == "-":
            yield argument
        elif argument == "--":
            is_ended = True
        else:
            is_skipped = argument in valued


def paths(name: str, arguments: Sequence[str]) -> Iterator[tuple[str, Access]]:
    """Yield what a program's arguments say of paths."""
    if name in _SILENT:
        return
    plain = list(operands(arguments))
    if name in _DELETERS:
        yield from ((path, "delete") for path in plain)
    elif name in _WRITERS:
        yield from ((path, "write") for path in plain)
    elif name in _CHANGERS:
        yield from ((path, "write") for path in plain[1:])
    elif name in _COPIERS:
        yield from ((path, "delete" if name == "mv" else "read") for path in plain[:-1])
        is_mirror = name == "rsync" and any(option.startswith("--delete") for option in arguments)
        yield from ((path, "delete" if is_mirror else "write") for path in plain[-1:])
    elif name == "dd":
        for argument in arguments:
            if argument.startswith(("of=", "if=")):
                yield argument[3:], "write" if argument[0] == "o" else "read"
    else:
        is_search = name in _SEARCHERS and not any(option in ("-e", "-f", "--regexp") for option in arguments)
        is_in_place = name in ("sed", "perl") and any(re.match(r"-[a-z]*i|--in-place", option) for option in arguments)
        yield from ((path, "write" if is_in_place else "read") for path in plain[is_search:])
        yield from ((path, "write") for path in saved(name, arguments))
    for argument in arguments:
        # Values of options, `@file` and `name=@file`, as curl has them.
        before, sign, value = argument.partition("=")
        if sign and value.lstrip("@").startswith(("/", "~", ".")) and name != "dd":
            yield value.lstrip("@"), "read"
        elif not sign and before.startswith("@"):
            yield before[1:], "read"


def saved(name: str, arguments: Sequence[str]) -> Iterator[str]:
    """Yield the files that a program which fetches saves to."""
    if name not in _SAVING:
        return
    options = _SAVING[name]
    named = [value for option, value in pairwise(arguments) if option in options]
    for argument in arguments:
        option, sign, value = argument.partition("=")
        if sign and option in options:
            named.append(value)
        elif len(argument) > 2 and not argument.startswith("--") and argument[:2] == options[0]:
            named.append(argument[2:])
        elif re.fullmatch(rf"-[a-zA-Z]+{options[0][1]}", argument):
            named.extend(arguments[arguments.index(argument) + 1 :][:1])
    is_named_by_server = name == "wget" or any(re.fullmatch(r"-[a-zA-Z]*O[a-zA-Z]*|--remote-name", argument) for argument in arguments)
    if not named and is_named_by_server:
        named = [address.rstrip("/").rpartition("/")[2].partition("?")[0] for address in operands(arguments) if "." in address]
    yield from (path for path in named if path and path != "-")
