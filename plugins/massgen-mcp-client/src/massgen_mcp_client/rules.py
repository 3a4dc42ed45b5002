"""The tables behind `security`: which programs, options, variables and ports the levels of security are about."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

__all__ = [
    "CHAINING",
    "CONTAINERS",
    "HARMLESS",
    "HOST_OF_CONTAINER",
    "INTERPRETERS",
    "LAUNCHERS",
    "LOADERS",
    "MACHINE",
    "PERSON",
    "PORTS",
    "REQUIREMENT",
    "STARTERS",
    "SUBSTITUTION",
    "TOOLS",
    "TRAVERSAL",
    "Interpreter",
]

# Executables, as globs of names without `.exe` and the like.
LAUNCHERS = (
    *("npx", "npm", "pnpm", "pnpx", "yarn", "node", "nodejs", "bun", "bunx", "deno", "tsx"),
    *("uv", "uvx", "pipx", "python", "python[0-9]*", "pypy*", "py", "fastmcp"),
    *("java", "dotnet", "go", "ruby", "php", "perl", "docker", "podman"),
    # Servers that are programs of their own.
    *("mcp", "mcp[-_]*", "*[-_]mcp", "*[-_]mcp[-_]*", "*mcpserver*"),
)
TOOLS = (
    *("git", "gh", "pip", "pip[0-9]*", "cargo", "make", "curl", "wget", "env"),
    *("sh", "bash", "zsh", "dash", "fish", "powershell", "pwsh", "cmd"),
)


@attrs.frozen(kw_only=True)
class Interpreter:
    """How a program takes code as an argument.

    Attributes:
        code: Letters of short options that are followed by code.
        values: Letters of other short options that are followed by a value.
        ends: Letters of short options after which everything belongs to the script.
        words: Long options, and subcommands, that are followed by code; compared without case.
        subcommands: Words that may stand before its options.
    """

    code: str = ""
    values: str = ""
    ends: str = ""
    words: tuple[str, ...] = ()
    subcommands: tuple[str, ...] = ()


_PYTHON = Interpreter(code="c", values="WXQ", ends="m")
_SHELL = Interpreter(code="c", values="oO", words=("--command",))
_NODE = Interpreter(code="ep", values="rC", words=("--eval", "--print"))
# Any beginning of these two words is the option.
_POWERSHELL = Interpreter(words=("-ec", *(f"-{word[:size]}" for word in ("command", "encodedcommand") for size in range(1, len(word) + 1))))

# By name without version and suffix.
INTERPRETERS: Mapping[str, Interpreter] = {
    **dict.fromkeys(("python", "pythonw", "pypy", "py", "ipython"), _PYTHON),
    **dict.fromkeys(("sh", "bash", "zsh", "dash", "ksh", "ash", "fish", "csh", "tcsh"), _SHELL),
    **dict.fromkeys(("node", "nodejs", "tsx", "electron"), _NODE),
    **dict.fromkeys(("powershell", "pwsh"), _POWERSHELL),
    "bun": Interpreter(code="ep", words=("--eval", "--print", "exec")),
    "deno": Interpreter(words=("eval", "repl")),
    "ruby": Interpreter(code="e", values="rIEKCF"),
    "perl": Interpreter(code="eE", values="IMm"),
    "php": Interpreter(code="rBRE", values="dcz", words=("--run", "--process-code")),
    "lua": Interpreter(code="e", values="l"),
    "osascript": Interpreter(code="e", values="l"),
    "cmd": Interpreter(words=("/c", "/k", "/r")),
    "npx": Interpreter(code="c", values="p", words=("--call",)),
    "npm": Interpreter(code="c", words=("--call",), subcommands=("exec", "x")),
}
# Programs that start another one, which stands among their own arguments.
STARTERS = frozenset(
    {"npx", "npm", "pnpm", "pnpx", "yarn", "bun", "bunx", "uv", "uvx", "pipx", "poetry", "env", "cmd", "nice", "timeout", "xargs", "sudo"}
)

CONTAINERS = frozenset({"docker", "podman", "nerdctl"})
# Options that give a container the machine.
HOST_OF_CONTAINER = re.compile(
    r"^--privileged(?:=|$)|^--(?:pid|ipc|uts|userns|cgroupns)=host$|^--(?:cap-add|device)(?:=|$)|^--security-opt=.{0,40}unconfined"
    r"|^(?:(?:-v|--volume)=?)?(?:/|/etc|/root|/home|/var/run|/proc|/sys|/dev|[A-Za-z]:[\\/]?)/?:"
    r"|\bdocker\.sock\b|\b(?:source|src)=/(?:,|$)"
)

SUBSTITUTION = re.compile(r"`|\$\(|[\r\n]")
CHAINING = re.compile(r"&&|\|\||[;|<>]|(?:^|\s)&(?:\s|$)")
# A package and its versions, as launchers take them: `mcp<2`, `httpx>=0.27,<1`.
REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}(?:\[[A-Za-z0-9._,-]{1,80}\])?(?: ?(?:[<>]=?|[=!~]=) ?[0-9][0-9A-Za-z.*+!]{0,40},?){1,8}")
TRAVERSAL = re.compile(r"(?:^|[/\\=:,])\.\.(?:[/\\]|$)")

# Variables, as globs, that change which code a program runs, loads or trusts.
LOADERS = (
    *("LD_*", "DYLD_*", "_RLD*", "GLIBC_TUNABLES", "GCONV_PATH", "LIBPATH", "SHLIB_PATH"),
    *("PYTHON*", "NODE_OPTIONS", "NODE_PATH", "NODE_REPL_*", "NODE_TLS_REJECT_UNAUTHORIZED", "NODE_EXTRA_CA_CERTS"),
    *("NPM_CONFIG_SCRIPT_SHELL", "NPM_CONFIG_NODE_OPTIONS", "NPM_CONFIG_PREFIX", "NPM_CONFIG_USERCONFIG", "NPM_CONFIG_GLOBALCONFIG"),
    *("PERL5*", "PERLLIB", "RUBYOPT", "RUBYLIB", "LUA_INIT*", "LUA_PATH*", "LUA_CPATH*", "PHPRC", "PHP_INI_SCAN_DIR"),
    *("JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "DOTNET_STARTUP_HOOKS", "CORECLR_*", "COR_PROFILER*"),
    *("BASH_ENV", "BASH_FUNC_*", "ENV", "ZDOTDIR", "SHELLOPTS", "BASHOPTS", "PS4", "IFS", "PROMPT_COMMAND", "CDPATH"),
    *("GIT_SSH*", "GIT_EXEC_PATH", "GIT_CONFIG*", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_EDITOR", "GIT_ASKPASS", "GIT_PROXY_COMMAND"),
    *("PAGER", "EDITOR", "VISUAL", "BROWSER", "SSH_ASKPASS", "SSLKEYLOGFILE", "OPENSSL_CONF", "OPENSSL_ENGINES"),
)
HARMLESS = frozenset(
    {
        *("PYTHONUNBUFFERED", "PYTHONIOENCODING", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE", "PYTHONHASHSEED", "PYTHONFAULTHANDLER"),
        *("PYTHONTRACEMALLOC", "PYTHONLEGACYWINDOWSSTDIO", "PYTHONNOUSERSITE", "PYTHONSAFEPATH"),
    }
)
# Which programs are found, and whose they are.
MACHINE = ("PATH", "PATHEXT", "COMSPEC", "SYSTEMROOT")
PERSON = ("HOME", "USER", "USERNAME", "LOGNAME", "SHELL", "USERPROFILE")

# Ports of services that speak no HTTP: a request to one is an attack on it, not a use.
PORTS = frozenset(
    {
        *(*range(1, 80), 87, 95, 110, 111, 113, 119, 123, 135, 137, 138, 139, 143, 161, 179, 389, 427, 445, 465, 512, 513, 514, 515, 587),
        *(631, 636, 873, 989, 990, 993, 995, 1433, 1521, 2049, 2375, 2376, 3306, 3389, 5432, 5900, 6379, 11211, 27017),
    }
)
