"""The pages of docs/reference/ that are made from the installed plugins, and the lists in README.md and docs/README.md."""

from __future__ import annotations

import argparse
import importlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from docs_markdown import NOTE, ROOT, Doc, cell, code, table

from massgen_core.api import KINDS
from massgen_core.cli.main import BUILT_IN, EPILOG
from massgen_core.config.schema import describe
from massgen_core.config.sections import RunConfig
from massgen_core.plugins.index import Entry
from massgen_core.plugins.manager import Plugins

PARTS = {
    "tutorial": "Tutorials: learn by doing",
    "how-to": "How to: get something done",
    "reference": "Reference: look something up",
    "explanation": "Explanations: understand why",
}


def keys_of(cls: type) -> str:
    """Return the table of what can be written in a configuration of a class."""
    rows = describe(cls)
    return table(
        ("key", "what is written", "default", "meaning"),
        [(code(row.path), cell(row.type), "required" if row.is_required else code(row.default), cell(row.help)) for row in rows],
    )


def configured(plugins: Plugins) -> Iterator[tuple[str, Entry, type]]:
    """Yield each plugin that has options: its kind, who provides it, and its class."""
    for kind in (kind.name for kind in KINDS):
        for entry in plugins.entries(kind):
            config = plugins.get(kind, entry.name).config
            if config is not None:
                yield kind, entry, config


def configuration(plugins: Plugins) -> Iterator[str]:
    yield "A configuration is a YAML document with these keys; `[]` stands for each item of a list."
    yield keys_of(RunConfig)
    yield "## Options of plugins"
    yield "A plugin is named alone, `backend: local`, or with its options beside `type`, `backend: {type: local, ...}`."
    for kind, entry, config in configured(plugins):
        yield f"### {kind} `{entry.name}`"
        yield f"From [{entry.distribution}](../../plugins/{entry.distribution}/README.md). {Doc(config.__doc__ or '').text}"
        yield keys_of(config)


def actions(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str, str]]:
    """Yield arguments and options: how each is written, its default and its help."""
    for action in parser._actions:  # there is no public way to them
        if isinstance(action, argparse._SubParsersAction | argparse._HelpAction) or action.help == argparse.SUPPRESS:
            continue
        shown = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        if action.choices is not None:
            shown = "{" + ",".join(str(choice) for choice in action.choices) + "}"
        value = "" if action.nargs == 0 else shown
        default = "" if action.default in (None, False, argparse.SUPPRESS, [], ()) else str(action.default)
        written = ", ".join(f"{option} {value}".strip() for option in action.option_strings) or value
        yield code(written), code(default), cell((action.help or "") % {"default": action.default, "prog": parser.prog})


def command_parts(parser: argparse.ArgumentParser, level: str) -> Iterator[str]:
    yield f"{level} `{parser.prog}`"
    yield parser.description or ""
    if rows := list(actions(parser)):
        yield table(("argument", "default", "meaning"), rows)
    if parser.epilog:
        yield f"```text\n{parser.epilog.strip()}\n```"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                sub.description = sub.description or next((str(choice.help) for choice in action._choices_actions if choice.dest == name), "")
                yield from command_parts(sub, level + "#")


def parsers(plugins: Plugins) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Yield the parser of each command, and what it comes from."""
    for name, summary in BUILT_IN.items():
        parser = argparse.ArgumentParser(prog=f"massgen {name}", description=summary)
        importlib.import_module(f"massgen_core.cli.{name}").configure(parser)
        yield parser, ""
    for entry in plugins.entries("command"):
        summary = plugins.get("command", entry.name).summary
        parser = argparse.ArgumentParser(prog=f"massgen {entry.name.replace('.', ' ')}", description=summary or entry.summary)
        plugins.factory("command", entry.name)().configure(parser)
        yield parser, f"From `{entry.distribution}`."


def commands(plugins: Plugins) -> Iterator[str]:
    yield "`massgen --help` lists the commands that are installed, `massgen COMMAND --help` says what one takes."
    yield f"```text\n{EPILOG.strip()}\n```"
    for parser, source in parsers(plugins):
        head, *rest = command_parts(parser, "##")
        yield from (head, source, *rest)


def plugin_pages() -> dict[str, str]:
    """Return the pages that are made from the installed plugins: file name and text."""
    plugins = Plugins.discover()
    pages = {"configuration.md": ("Configuration", configuration(plugins)), "commands.md": ("Commands", commands(plugins))}
    return {name: "\n\n".join(part for part in (f"{NOTE}# {title}", *parts) if part) + "\n" for name, (title, parts) in pages.items()}


def plugin_table() -> str:
    rows = []
    for file in sorted((ROOT / "plugins").glob("*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        names = sorted(project.get("entry-points", {}).get("massgen.v1", {}))
        provides = ", ".join(code(name) for name in names) or "for plugin authors"
        rows.append((f"[{project['name']}](plugins/{project['name']}/README.md)", provides, cell(project["description"])))
    return table(("distribution", "provides", "what it is"), rows)


def title_of(text: str) -> str:
    return next(line.removeprefix("# ").strip() for line in text.splitlines() if line.startswith("# "))


def titles(folder: str, written: Mapping[Path, str]) -> list[tuple[str, str]]:
    """Return the path within docs/ and the title of each page of a part, those that are about to be written included."""
    pages = {page: page.read_text(encoding="utf-8") for page in (ROOT / "docs" / folder).rglob("*.md")} | dict(written)
    found = {page.relative_to(ROOT / "docs").as_posix(): title_of(text) for page, text in pages.items() if text.strip()}
    return sorted((name, title) for name, title in found.items() if name.startswith(f"{folder}/"))


def index_lists(written: Mapping[Path, str]) -> str:
    """Return the list of all pages below docs/, by part."""
    parts = {heading: [f"- [{title}]({name})" for name, title in titles(folder, written)] for folder, heading in PARTS.items()}
    return "\n\n".join(f"## {heading}\n\n" + "\n".join(lines) for heading, lines in parts.items() if lines)


def between(text: str, name: str, content: str) -> str:
    """Return `text` with what stands between the two marks of a name replaced."""
    marks = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    return marks.sub(lambda found: f"{found[1]}\n{content}\n\n{found[2]}", text, count=1)


def marked_files(written: Mapping[Path, str]) -> dict[Path, str]:
    """Return the files that hold a written list among other text, as they should be beside the written pages."""
    decisions = [f"- [{title}]({name.removeprefix('adr/')})" for name, title in titles("adr", {}) if re.match(r"adr/(?!0000)\d", name)]
    wanted = {
        "README.md": ("plugins", plugin_table()),
        "docs/README.md": ("pages", index_lists(written)),
        "docs/adr/README.md": ("decisions", "\n".join(decisions)),
    }
    return {ROOT / name: between((ROOT / name).read_text(encoding="utf-8"), *marked) for name, marked in wanted.items()}
