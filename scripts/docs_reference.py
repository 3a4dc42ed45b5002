"""Write docs/reference/ from the code: what is public, its text, its fields.

The pages of the API are made from syntax trees, so that they show what a reader of the source would see; configuration and commands are
made from the installed plugins, so all of them must be installed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from docs_markdown import NOTE, ROOT, Doc, cell, code, table

REFERENCE = ROOT / "docs" / "reference"
KERNEL = ROOT / "massgen_core"

# Page, title, modules in the order of reading.
PAGES = {
    "hooks": ("Hooks", ("hookspecs",)),
    "specs": ("Specs and kinds", ("specs",)),
    "contracts": ("Contracts", ("contracts", "catalogues", "checks", "prices", "links")),
    "strategies": ("The contract of strategies", ("coordination",)),
    "executors": ("The contract of executors", ("execution",)),
    "messages": ("Messages", ("messages", "chunks", "rates")),
    "events": ("Events", ("events/base", "events/run", "events/turns", "events/answers", "events/calls")),
    "dialects": ("Schemas for providers", ("dialects/dialect", "dialects/fitting", "dialects/schemas")),
    "errors": ("Errors", ("errors",)),
    "safety": ("Verdicts and secrets", ("safety", "secrets")),
    "helpers": (
        "What the kernel lends to plugins",
        (
            *("figures", "terminal", "plain", "reading", "credentials", "endpoints", "faults", "media", "addresses", "folders", "beneath"),
            *("syscalls", "fingerprint", "nearest"),
        ),
    ),
}


def described(names: dict[str, str]) -> Iterator[str]:
    if names:
        yield table(("argument", "meaning"), [(code(name), cell(text)) for name, text in names.items()])


def public(module: ast.Module) -> list[str]:
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def default_of(value: ast.expr | None) -> tuple[str, str]:
    """Return a field's default as source text, and its help where its metadata has one."""
    if not isinstance(value, ast.Call) or ast.unparse(value.func) not in {"attrs.field", "_help", "field"}:
        return ast.unparse(value) if value else "", ""
    words = {word.arg: ast.unparse(word.value) for word in value.keywords}
    text = ast.literal_eval(value.args[0]) if value.args and isinstance(value.args[0], ast.Constant) else ""
    made = {"dict": "{}", "list": "[]", "tuple": "()"}.get(words.get("factory", ""), words.get("factory", ""))
    return words.get("default", made), text


def fields(node: ast.ClassDef, doc: Doc) -> list[tuple[str, str, str, str]]:
    rows = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and not item.target.id.startswith("_"):
            kind = ast.unparse(item.annotation)
            if not kind.startswith("ClassVar"):
                default, text = default_of(item.value)
                rows.append((code(item.target.id), code(kind), code(default), cell(doc.names.get(item.target.id, text))))
    return rows


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    arguments = re.sub(r"^self(, )?", "", ast.unparse(node.args))
    before = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    after = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if any(ast.unparse(mark) == "property" for mark in node.decorator_list):
        return f"{node.name}: {ast.unparse(node.returns) if node.returns else ''}"
    return f"{before}{node.name}({arguments}){after}"


def callable_parts(node: ast.FunctionDef | ast.AsyncFunctionDef, level: str) -> Iterator[str]:
    doc = Doc(ast.get_docstring(node) or "")
    yield f"{level} `{signature(node)}`"
    yield doc.text
    yield from described(doc.names)
    yield from doc.rest()


def event_name(node: ast.ClassDef) -> str:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and ast.unparse(item.target) == "type" and ast.unparse(item.annotation).startswith("ClassVar"):
            return str(ast.literal_eval(item.value)) if item.value else ""
    return ""


def class_parts(node: ast.ClassDef, level: str) -> Iterator[str]:
    doc = Doc(ast.get_docstring(node) or "")
    bases = ", ".join(ast.unparse(base) for base in node.bases if ast.unparse(base) not in {"Protocol", "Exception", "object"})
    yield f"{level} `{node.name}{f'({bases})' if bases else ''}`"
    if name := event_name(node):
        yield f"On disk: `{name}`"
    yield doc.text
    if rows := fields(node, doc):
        # A column in which nothing is said is left out.
        width = 4 if any(row[3] for row in rows) else 3
        yield table(("field", "type", "default", "meaning")[:width], [row[:width] for row in rows])
    methods = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
    for item in methods:
        if item.name == "__init__" and len(item.args.args) > 1:
            yield f"Made as `{node.name}({re.sub(r'^self(, )?', '', ast.unparse(item.args))})`."
            yield from described(doc.names)
    yield from doc.rest()
    for item in methods:
        if (not item.name.startswith("_") or item.name == "__call__") and ast.get_docstring(item):
            yield from callable_parts(item, level + "#")


def module_parts(module: str, level: str) -> Iterator[str]:
    """Yield what a module makes public, in the order of its source."""
    tree = ast.parse((KERNEL / f"{module}.py").read_text(encoding="utf-8"))
    names, constants = public(tree), list[tuple[str, ...]]()
    text = Doc(ast.get_docstring(tree) or "").text
    yield f"## {text.rstrip('.')}" if level == "###" else text
    if module == "specs":
        yield kinds_table(tree)
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in names and node.value and ast.unparse(node.target) != "KINDS":
            constants.append((code(ast.unparse(node.target)), code(ast.unparse(node.value))))
    if constants:
        yield table(("name", "value"), constants)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in names:
            yield from class_parts(node, level)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.name in names or module == "hookspecs"):
            yield from callable_parts(node, level)


def errors_tree() -> str:
    text = ast.get_docstring(ast.parse((KERNEL / "errors.py").read_text(encoding="utf-8"))) or ""
    return re.sub(r"((?:^ *[*+-] .*\n?)+)", r"```text\n\1```\n", text, flags=re.MULTILINE)


def kinds_table(specs: ast.Module) -> str:
    rows = []
    for node in ast.walk(specs):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Kind":
            words = {word.arg: ast.unparse(word.value).strip("'\"") for word in node.keywords}
            rows.append((code(words["name"]), code(words["hook"]), code(words["spec"]), words.get("summary", "")))
    return table(("kind", "hook", "spec", "what it is"), rows)


def api_pages() -> dict[str, str]:
    """Return the pages that are made from syntax trees: file name and text."""
    pages = {}
    for name, (title, modules) in PAGES.items():
        parts = [NOTE + f"# {title}"]
        for module in modules:
            parts += module_parts(module, "###" if len(modules) > 1 else "##")
        if name == "errors":
            parts[1] = errors_tree()
        pages[f"{name}.md"] = "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
    return pages


def all_pages() -> dict[Path, str]:
    """Return every file that is written from the code, as it should be."""
    from docs_plugins import marked_files, plugin_pages  # noqa: PLC0415 - it imports the installed plugins

    pages = {REFERENCE / name: text for name, text in (api_pages() | plugin_pages()).items()}
    return pages | marked_files(pages)


def main() -> int:
    pages = all_pages()
    for path, text in pages.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
