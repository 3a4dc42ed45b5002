"""Python code as facts, from its syntax tree: the shells and programs that it starts, and the paths that it uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

import attrs

from massgen_safety_commands.facts import DEPTH, Tangled
from massgen_safety_commands.shell import KNOWN, Item, Shell, Stage

__all__ = ["read_python"]

_SHELLS = frozenset({"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"})
_PROGRAMS = frozenset({"run", "call", "check_call", "check_output", "Popen"})
_EXECUTES = frozenset({"exec", "eval", "compile", "builtins.exec", "builtins.eval", "pickle.load", "pickle.loads", "marshal.loads"})
_DELETES = frozenset({"shutil.rmtree", "os.remove", "os.unlink", "os.rmdir", "os.removedirs"})
_DELETING = frozenset({"unlink", "rmdir", "rmtree"})
_WALKS = frozenset({"os.walk", "os.scandir", "os.listdir", "glob.glob", "glob.iglob"})
_FETCHES = ("urlopen", "urlretrieve", "requests.get", "requests.post", "httpx.get", "httpx.post", "requests.request", "urllib3.request")
_DECODES = ("b64decode", "b32decode", "b85decode", "a85decode", "fromhex", "unhexlify", "decompress", "codecs.decode", "marshal.loads")
_NATIVE = frozenset(
    {"mount", "umount", "umount2", "unshare", "setns", "ptrace", "init_module", "finit_module", "reboot", "kexec_load", "chroot", "pivot_root"}
)
_WRITING = frozenset({"write_text", "write_bytes", "touch"})
_NOTEBOOK = ("!", "%")


def read_python(shell: Shell, text: str, depth: int) -> bool:
    """Tell what Python code does; return False where it cannot be parsed.

    Raises:
        Tangled: It is too long, or nested too deeply.
    """
    if depth > DEPTH:
        raise Tangled("it is nested too deeply to be judged")
    shell.facts.spend(1, len(text))
    shell.facts.is_plain = False
    try:
        tree, lines = _parsed(text)
        reader = _Reader(shell, depth)
        reader.names(tree)
        reader.walk(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    for line in lines:  # as notebooks have them
        shell.script(line, depth + 1)
    return True


def _parsed(text: str) -> tuple[ast.AST, list[str]]:
    """Return the syntax tree, and the lines for a shell, as notebooks have them, where it is Python without them only."""
    try:
        return ast.parse(text), []
    except SyntaxError:
        plain: list[str] = []
        lines: list[str] = []
        for line in text.split("\n"):
            is_magic = line.lstrip().startswith(_NOTEBOOK)
            (lines if is_magic else plain).append(line.lstrip()[1:] if is_magic else line)
        return ast.parse("\n".join(plain)), lines


def _parts(node: ast.expr) -> list[ast.expr]:
    return list(node.elts) if isinstance(node, (ast.List, ast.Tuple)) else [node]


def _filled(text: str, mark: str, values: Sequence[str | None]) -> str:
    for value in values[:50]:
        text = text.replace(mark, "$x" if value is None else value, 1)[:10_000]
    return text


@attrs.define
class _Reader:
    shell: Shell
    depth: int
    modules: dict[str, str] = attrs.field(factory=dict)
    values: dict[str, ast.expr] = attrs.field(factory=dict)
    seen: set[str] = attrs.field(factory=set)
    walked: list[str] = attrs.field(factory=list)

    def names(self, tree: ast.AST) -> None:
        """Learn what names stand for."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.modules[alias.asname or alias.name.partition(".")[0]] = alias.name if alias.asname else alias.name.partition(".")[0]
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    self.modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.values[target.id] = node.value
            elif isinstance(node, ast.With):
                for item in node.items:
                    if isinstance(item.optional_vars, ast.Name):
                        self.values[item.optional_vars.id] = item.context_expr

    def walk(self, tree: ast.AST) -> None:
        """Tell facts of all calls."""
        nodes = list(ast.walk(tree))
        self.shell.facts.spend(len(nodes) // 50)
        for node in nodes:
            if isinstance(node, ast.Call):
                self._walked(node)
        for node in nodes:
            if isinstance(node, ast.Call):
                self._call(node)
            elif (isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and node.test.value and self._forks(node)) or (
                isinstance(node, (ast.ListComp, ast.GeneratorExp)) and self._forks(node)
            ):
                self.shell.facts.call(":fork-loop")
        if ({"connect", "create_connection"} & self.seen and "dup2" in self.seen) or (
            {"connect", "create_connection"} & self.seen and "pty.spawn" in self.seen
        ):
            self.shell.facts.call(":reverse-shell")

    def _forks(self, node: ast.AST) -> bool:
        return any(isinstance(inner, ast.Call) and self.dotted(inner.func) == "os.fork" for inner in ast.walk(node))

    def dotted(self, node: ast.expr, depth: int = 0) -> str:
        """Return the full name of what an expression means, as far as it is known."""
        if depth > 20:
            return ""
        if isinstance(node, ast.Name):
            return self.modules.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.dotted(node.value, depth + 1)}.{node.attr}"
        if isinstance(node, ast.Call):
            called = self.dotted(node.func, depth + 1)
            if called in ("__import__", "importlib.import_module") and node.args:
                return self.text(node.args[0]) or ""
            if called == "getattr" and len(node.args) > 1:
                return f"{self.dotted(node.args[0], depth + 1)}.{self.text(node.args[1]) or ''}"
            return called + "()"
        return ""

    def text(self, node: ast.expr | None, depth: int = 0) -> str | None:
        """Return the text of an expression, None where it is not known."""
        if node is None or depth > 20:
            return None
        if isinstance(node, ast.Constant):
            value = node.value
            return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None
        if isinstance(node, ast.Name):
            known = self.values.get(node.id)
            return None if known is None else self.text(known, depth + 10)
        if isinstance(node, ast.JoinedStr):
            parts = [self.text(part.value if isinstance(part, ast.FormattedValue) else part, depth + 1) for part in node.values]
            return "".join("$x" if part is None else part for part in parts)
        if isinstance(node, ast.BinOp):
            left, right = self.text(node.left, depth + 1), self.text(node.right, depth + 1)
            if isinstance(node.op, ast.Mod) and left is not None:
                return _filled(left, "%s", [self.text(part, depth + 1) for part in _parts(node.right)])
            if left is None:
                return None
            return left + ("/" if isinstance(node.op, ast.Div) else "") + ("$x" if right is None else right)
        if isinstance(node, ast.Call):
            return self._made(node, depth)
        if isinstance(node, ast.Subscript) and self.dotted(node.value) == "os.environ":
            return KNOWN.get(self.text(node.slice, depth + 1) or "")
        return None

    def _made(self, node: ast.Call, depth: int) -> str | None:
        """Return the path that a call makes."""
        name = self.dotted(node.func)
        arguments = [self.text(argument, depth + 1) for argument in node.args[:20]]
        if name in ("pathlib.Path.home", "Path.home"):
            return "~"
        if name in ("os.getenv", "os.environ.get"):
            return KNOWN.get((arguments or [""])[0] or "")
        if name in (
            "os.path.join",
            "pathlib.Path",
            "pathlib.PurePath",
            "os.path.expanduser",
            "os.path.abspath",
            "os.path.realpath",
            "str",
            "os.fspath",
        ):
            return "/".join("$x" if part is None else part for part in arguments) or None
        if isinstance(node.func, ast.Attribute):
            owner = self.text(node.func.value, depth + 1)
            if node.func.attr == "format" and owner is not None:
                return _filled(owner, "{}", arguments)
            if node.func.attr == "join" and owner is not None and node.args and not name.startswith("os."):
                return owner[:100].join((self.text(part, depth + 1) or "$x")[:1000] for part in _parts(node.args[0])[:100])
            if node.func.attr == "joinpath" and owner is not None:
                return "/".join([owner, *("$x" if part is None else part for part in arguments)])
            if node.func.attr in ("expanduser", "resolve", "absolute", "as_posix", "strip", "encode"):
                return owner
        return None

    def words(self, node: ast.expr) -> list[str] | None:
        """Return an argument vector."""
        if isinstance(node, ast.Name) and node.id in self.values:
            node = self.values[node.id]
        if isinstance(node, (ast.List, ast.Tuple)):
            return [self.text(part) or "$x" for part in node.elts[:1000]]
        return None

    def _call(self, node: ast.Call) -> None:
        name = self.dotted(node.func)
        method = name.rpartition(".")[2]
        first = node.args[0] if node.args else next((keyword.value for keyword in node.keywords if keyword.arg in ("args", "cmd", "path")), None)
        self.seen.add("fetch" if any(fetch in name for fetch in _FETCHES) else name if name == "pty.spawn" else method)
        if name in _SHELLS:
            self._run(self.text(first))
        elif name.startswith(("subprocess.", "asyncio.create_subprocess_exec")) and (method in _PROGRAMS or method.startswith("create_")):
            self._start(node, first)
        elif name.startswith(("os.exec", "os.spawn", "os.posix_spawn")) or name == "pty.spawn":
            self._vector(node)
        elif name in _EXECUTES:
            self._code(name, first)
        elif name == "os.kill" and len(node.args) > 1 and ast.unparse(node.args[0]) == "-1":
            self.shell.facts.call("kill", ["-9", "-1"])
        elif name == "os.chmod" and len(node.args) > 1:
            self._change(node)
        elif method in _NATIVE and ("CDLL" in name or self._is_library(node.func)):
            self.shell.facts.call(f":native-{method}")
        else:
            self._paths(name, method, node, first)

    def _is_library(self, node: ast.expr) -> bool:
        owner = node.value if isinstance(node, ast.Attribute) else None
        made = self.values.get(owner.id) if isinstance(owner, ast.Name) else None
        return isinstance(made, ast.Call) and "DLL" in self.dotted(made.func)

    def _run(self, text: str | None) -> None:
        if text is not None:
            self.shell.script(text, self.depth + 1)

    def _start(self, node: ast.Call, first: ast.expr | None) -> None:
        is_shell = any(
            keyword.arg == "shell" and not (isinstance(keyword.value, ast.Constant) and not keyword.value.value) for keyword in node.keywords
        )
        if first is None:
            return
        if is_shell:
            self._run(self.text(first) if self.words(first) is None else (self.words(first) or [""])[0])
            return
        words = self.words(first)
        if words is None:
            text = self.text(first)
            words = None if text is None else [text, *(self.text(one) or "$x" for one in node.args[1:] if isinstance(one, ast.Constant))]
        self._program(words)

    def _vector(self, node: ast.Call) -> None:
        name = self.dotted(node.func)
        for argument in node.args:
            words = self.words(argument)
            if words:
                self._program(words)
                return
        texts = [text for text in map(self.text, node.args) if text is not None][:1000]
        # What a program is called comes before its arguments, after its path.
        self._program(texts[1:] if name.startswith(("os.execl", "os.spawnl")) else texts)

    def _program(self, words: Sequence[str] | None) -> None:
        if words:
            self.shell.reader(self.shell, [Item(word) for word in words], Stage(), self.depth + 1)

    def _code(self, name: str, first: ast.expr | None) -> None:
        """Judge what is executed as code: where it comes from, and what it is."""
        if first is None:
            return
        origin = {fed for expression in self._origins(first) for fed in self._fed(expression)}
        if origin:
            self.shell.facts.call(":stdin", (name,), frozenset(origin))
        text = self.text(first)
        if text is not None:
            read_python(self.shell, text, self.depth + 1)

    def _origins(self, node: ast.expr, depth: int = 0) -> Iterator[ast.Call]:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call):
                yield inner
            elif isinstance(inner, ast.Name) and inner.id in self.values and depth < 3:
                yield from self._origins(self.values[inner.id], depth + 1)
            self.shell.facts.spend()

    def _fed(self, call: ast.Call) -> Iterator[str]:
        name = self.dotted(call.func)
        if any(name.endswith(fetch) for fetch in _FETCHES):
            yield "curl"
        if any(name.endswith(decode) for decode in _DECODES):
            yield "base64"

    def _change(self, node: ast.Call) -> None:
        mode = node.args[1]
        if isinstance(mode, ast.Constant) and isinstance(mode.value, int):
            self.shell.facts.call("chmod", [f"{mode.value & 0o7777:o}", self.text(node.args[0]) or "$x"])
        self._use(node.args[0], "write")

    def _use(self, node: ast.expr | None, access: str) -> None:
        path = self.text(node)
        if path is not None and len(path) < 4096:
            self.shell.facts.use(path, "delete" if access == "delete" else "write" if access == "write" else "read", self.shell.folder)

    def _walked(self, node: ast.Call) -> None:
        """Learn which folders are walked through."""
        name = self.dotted(node.func)
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in _WALKS or name.rpartition(".")[2] in ("rglob", "iterdir", "glob"):
            target = node.args[0] if name in _WALKS and node.args else None if name in _WALKS else owner
            self.walked.append(self.shell.facts.place(self.text(target) or ".", self.shell.folder))
            self._use(target, "read")

    def _paths(self, name: str, method: str, node: ast.Call, first: ast.expr | None) -> None:
        owner = node.func.value if isinstance(node.func, ast.Attribute) else None
        if name in _DELETES or method in _DELETING:
            target = first if name in _DELETES else owner
            if (self.text(target) or "$").startswith("$"):
                for root in self.walked[:20]:
                    self.shell.facts.use(root.rstrip("/") + "/{}", "delete")
            self._use(target, "delete")
        elif name in ("open", "io.open", "os.open", "codecs.open") or method == "open":
            is_method = method == "open" and name not in ("open", "io.open", "os.open", "codecs.open")
            mode = self.text(node.args[0 if is_method else 1]) if len(node.args) > (0 if is_method else 1) else None
            mode = mode or next((self.text(keyword.value) for keyword in node.keywords if keyword.arg == "mode"), None) or "r"
            self._use(owner if is_method else first, "write" if set(mode) & set("wax+") else "read")
        elif method == "connect":
            self._use(first, "read")  # perhaps a socket in a file
        elif "fetch" in self.seen and any(name.endswith(fetch) for fetch in _FETCHES):
            self.shell.facts.call("curl", [self.text(first) or "$x"])
        elif name == "keyring.get_password":
            self.shell.facts.call("keyring", ["get"])
        elif method in _WRITING:
            self._use(owner, "write")
        elif method in ("read_text", "read_bytes"):
            self._use(owner, "read")
        elif (
            name in ("shutil.copy", "shutil.copy2", "shutil.copyfile", "shutil.copytree", "shutil.move", "os.rename", "os.replace")
            and len(node.args) > 1
        ):
            self._use(first, "delete" if name in ("shutil.move", "os.rename", "os.replace") else "read")
            self._use(node.args[1], "write")
