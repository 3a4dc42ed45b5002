"""Shell scripts as facts: what they call and which paths they use, however it is wrapped. Nothing is run."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs

from massgen_safety_commands.facts import DEPTH, Facts, Tangled
from massgen_safety_commands.words import Piece, Token, scan, skeleton

__all__ = ["KNOWN", "Item", "Reader", "Shell", "Stage"]

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?:\[[^]]*\])?\+?=")
_BRACES = re.compile(r"\{[^{}\s]*,[^{}\s]*\}")
_OPENING = frozenset({"if", "while", "until", "for", "select", "case", "{"})
_CLOSING = frozenset({"fi", "done", "esac", "}"})
_PASSING = frozenset({"then", "do", "else", "elif", "!", "time", "coproc", "function"})
_NAMING = frozenset({"coproc", "function"})
_LOADING = frozenset(
    {"LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "BASH_ENV", "PROMPT_COMMAND", "PYTHONSTARTUP", "PERL5OPT", "GIT_SSH_COMMAND"}
)
_NOTHING = frozenset[str]()
KNOWN = {"HOME": "~", "TMPDIR": "/tmp", "((": "0"}  # noqa: S108 - nothing is made there


@attrs.frozen
class Item:
    """A word after expansion, and the programs that it comes from."""

    text: str
    fed: frozenset[str] = _NOTHING


@attrs.frozen
class Stage:
    """What goes from one program to the next.

    Attributes:
        programs: Those that it went through.
        text: It itself, where that is known.
        roots: Folders and files whose names it lists.
    """

    programs: frozenset[str] = _NOTHING
    text: str | None = None
    roots: tuple[str, ...] = ()

    def __add__(self, other: Stage) -> Stage:
        if self == Stage():
            return other
        if other == Stage():
            return self
        text = None if self.text is None or other.text is None else self.text + other.text
        return Stage(self.programs | other.programs, text, (self.roots + other.roots)[:100])


class Reader(Protocol):
    """Reads one command that is expanded."""

    def __call__(self, shell: Shell, items: Sequence[Item], fed: Stage, depth: int) -> Stage:
        """Tell facts of a command, and return what it puts out."""


@attrs.define
class _Frame:
    """A group of commands: parentheses, braces, a loop, a condition."""

    opener: str
    fed: Stage
    folder: str
    out: Stage = Stage()


@attrs.define
class Shell:
    """A shell that only reads.

    Args:
        facts: Where facts go.
        reader: What a command means.
        code: Reads code of a language.

    Attributes:
        variables: Their values, as far as they are known.
        fetched: Places of files that came from the network.
        written: What was written to files, by their places, as far as that is known.
        folder: The working folder; `?` where nobody knows.
    """

    facts: Facts
    reader: Reader
    code: Callable[[Shell, str, str, int], None]
    variables: dict[str, Item] = attrs.field(factory=dict)
    fetched: set[str] = attrs.field(factory=set)
    written: dict[str, str] = attrs.field(factory=dict)
    folder: str = "."

    def script(self, text: str, depth: int = 0, fed: Stage | None = None) -> Stage:
        """Read a script and return what it puts out.

        Raises:
            Tangled: It is too long, too deep, or expands to too much.
        """
        if depth > DEPTH:
            raise Tangled("it is nested too deeply to be judged")
        self.facts.spend(1, len(text))
        tokens = scan(text)
        self.facts.texts.append(skeleton(tokens))
        return _Walk(self, depth, fed or Stage()).through(tokens)

    def expand(self, pieces: Sequence[Piece], depth: int) -> list[Item]:
        """Return the words that a word becomes; what is not known stays as `$name` or `$()`."""
        self.facts.spend()
        if len(pieces) == 1 and pieces[0].kind == "text":
            return self._constant(pieces[0])
        words, fed = [""], _NOTHING
        for at, piece in enumerate(pieces):
            if piece.kind == "text":
                words[-1] += "./" + piece.text if at == 0 and piece.is_quoted and piece.text[:1] == "~" else piece.text
                continue
            self.facts.is_plain = False
            value = self._value(piece, depth)
            fed |= value.fed
            self.facts.spend(1, len(value.text))
            separators = self.variables.get("IFS", Item("")).text
            parts = (
                [value.text] if piece.is_quoted else (re.split(f"[{re.escape(separators)}\\s]+", value.text) if separators else value.text.split())
            )
            if parts:
                words[-1] += parts[0]
                words += parts[1:]
        is_void = words == [""] and not any(piece.is_quoted for piece in pieces)
        return [] if is_void else [Item(word, fed) for word in words]

    def _constant(self, piece: Piece) -> list[Item]:
        text = piece.text
        if piece.is_quoted:
            return [Item("./" + text if text[:1] == "~" else text)]
        if "{" in text:
            self.facts.is_plain = False  # a shell may make other words of it
        if _BRACES.fullmatch(text):
            return [Item(part) for part in text[1:-1].split(",")]
        return [Item(text)]

    def within(self, text: str, depth: int) -> None:
        """Read the commands within a text that is expanded; they run whatever becomes of their output."""
        if "$(" in text or "`" in text:
            folder = self.folder
            self.script('echo "' + text.replace('"', " ") + '"', depth + 1)
            self.folder = folder

    def _value(self, piece: Piece, depth: int) -> Item:
        if piece.kind == "variable":
            self.within(piece.other, depth)
            known = self.variables.get(piece.text)
            if known is not None:
                return known
            special = self.folder if piece.text == "PWD" else KNOWN.get(piece.text)
            return Item(special if special is not None else piece.other or "$" + piece.text)
        folder = self.folder
        stage = self.script(piece.text, depth + 1)
        self.folder = folder
        known_text = stage.text if piece.kind == "script" else None
        return Item("$()" if known_text is None else known_text.rstrip("\n"), stage.programs)


@attrs.define
class _Walk:
    """The way through one script's tokens."""

    shell: Shell
    depth: int
    fed: Stage
    frames: list[_Frame] = attrs.field(factory=list)
    words: list[Token] = attrs.field(factory=list)
    redirections: list[Token] = attrs.field(factory=list)
    element: Stage = Stage()

    def through(self, tokens: Sequence[Token]) -> Stage:
        self.frames = [_Frame("", self.fed, self.shell.folder)]
        for at, token in enumerate(tokens):
            if token.kind == "redirection":
                self.redirections.append(token)
            elif token.kind == "operator":
                self._operator(token.text)
            elif self.words or not (_is_name(tokens, at) or self._is_keyword(token)):
                self.words.append(token)
        self._end()
        return sum((frame.out for frame in self.frames), start=Stage())

    def _is_keyword(self, token: Token) -> bool:
        """Whether a command's first word belongs to the script's structure; then it is dealt with."""
        word = _bare(token)
        if word in _NAMING:
            self.shell.facts.is_plain = False
        if word in _OPENING:
            self.frames.append(_Frame(word, self.fed, self.shell.folder))
            return word not in ("for", "select", "case")  # those are read when they are whole
        if word in _CLOSING:
            if self.frames[-1].opener not in ("", "("):
                self._leave()
            return True
        return word in _PASSING

    def _leave(self) -> None:
        frame = self.frames.pop()
        self.element, self.fed = self.element + frame.out, frame.fed

    def _operator(self, text: str) -> None:
        if text in ("|", "|&"):
            self._finish()
            self.fed, self.element = self.element, Stage()
        elif text == "(":
            self.words.clear()  # a function's name
            self.frames.append(_Frame("(", self.fed, self.shell.folder))
        elif text == ")":
            if self.frames[-1].opener == "case":
                self.words.clear()  # a pattern
                return
            self._end()
            if self.frames[-1].opener == "(":
                self.shell.folder = self.frames[-1].folder
                self._leave()
        else:
            self._end()

    def _end(self) -> None:
        """End a pipeline."""
        self._finish()
        frame = self.frames[-1]
        frame.out += self.element
        self.element, self.fed = Stage(), frame.fed

    def _finish(self) -> None:
        """End a command."""
        words, redirections = self.words, self.redirections
        if words or redirections:
            self.words, self.redirections = [], []
            self.element += self._simple(words, redirections)

    def _simple(self, words: Sequence[Token], redirections: Sequence[Token]) -> Stage:
        shell, start = self.shell, 0
        is_kept = all(map(_is_assignment, words))
        while start < len(words) and self._assign(words[start], is_kept=is_kept):
            start += 1
        items = [item for word in words[start:] for item in shell.expand(word.pieces, self.depth)]
        if items and items[0].text in ("for", "select", "case") and self.frames[-1].opener == items[0].text:
            self._loop(items)
            return Stage()
        fed = self.fed
        for redirection in redirections:
            fed = self._redirect(redirection, fed)
        out = shell.reader(shell, items, fed, self.depth) if items else fed if redirections and not words else Stage()
        if any(redirection.text.startswith((">", "&>")) for redirection in redirections):
            self._keep(redirections, out.text)
            out = Stage(out.programs)
            if out.programs and not out.programs.isdisjoint({"curl", "wget"}):
                targets = (item for one in redirections for item in shell.expand(one.pieces, self.depth))
                shell.fetched.update(shell.facts.place(item.text, shell.folder) for item in targets if not item.text.isdigit())
        return out

    def _keep(self, redirections: Sequence[Token], text: str | None) -> None:
        """Remember what is written to a file; it may be run later."""
        for one in redirections if text else ():
            if one.text in (">", ">>", ">|") and len(one.pieces) == 1 and one.pieces[0].kind == "text" and len(self.shell.written) < 100:
                place = self.shell.facts.place(one.pieces[0].text, self.shell.folder)
                before = self.shell.written.get(place, "") if one.text == ">>" else ""
                self.shell.written[place] = (before + (text or ""))[:50_000]

    def _loop(self, items: Sequence[Item]) -> None:
        if items[0].text != "case" and len(items) > 3:
            values = Item(" ".join(item.text for item in items[3:]), frozenset().union(*(item.fed for item in items[3:])))
            self.shell.variables[items[1].text] = values

    def _assign(self, word: Token, *, is_kept: bool) -> bool:
        found = _is_assignment(word)
        if not found:
            return False
        self.shell.facts.is_plain = False
        if found[1] in _LOADING:
            self.shell.facts.call(":variable", (found[1],))
        first = attrs.evolve(word.pieces[0], text=word.pieces[0].text[found.end() :])
        items = self.shell.expand([first, *word.pieces[1:]], self.depth)
        if is_kept:
            fed = frozenset[str]().union(*(item.fed for item in items))
            self.shell.variables[found[1]] = Item(" ".join(item.text for item in items), fed)
        return True

    def _redirect(self, token: Token, fed: Stage) -> Stage:
        shell = self.shell
        if token.text in ("<<", "<<-"):
            shell.facts.is_plain = False
            body = "".join(piece.text for piece in token.pieces)
            if not any(piece.is_quoted for piece in token.pieces):
                shell.within(body, self.depth)
            return Stage(fed.programs, body)
        items = shell.expand(token.pieces, self.depth)
        target = items[0] if items else Item("$()")
        if token.text == "<<<":
            shell.facts.is_plain = False
            return Stage(fed.programs | target.fed, None if target.text == "$()" else target.text)
        if target.text.isdigit() or target.text in ("-", "/dev/null"):
            return fed
        shell.facts.is_plain = False
        if token.text in ("<", "<&"):
            shell.facts.use(target.text, "read", shell.folder)
            place = shell.facts.place(target.text, shell.folder)
            return Stage(target.fed | ({"curl"} if place in shell.fetched else _NOTHING))
        shell.facts.use(target.text, "write", shell.folder)
        return fed


def _bare(token: Token) -> str:
    """Return a word without quotes or anything else to expand; empty where it is none."""
    is_bare = len(token.pieces) == 1 and token.pieces[0].kind == "text" and not token.pieces[0].is_quoted
    return token.pieces[0].text if is_bare else ""


def _is_name(tokens: Sequence[Token], at: int) -> bool:
    """Whether a command's first word is no command, but the name of what follows: `function NAME ...`, `coproc NAME {`."""
    before = _bare(tokens[at - 1]) if at else ""
    if before != "coproc":
        return before == "function"
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    return after is not None and (_bare(after) in _OPENING or (after.kind, after.text) == ("operator", "("))


def _is_assignment(word: Token) -> re.Match[str] | None:
    first = word.pieces[0] if word.pieces else None
    return _ASSIGNMENT.match(first.text) if first and first.kind == "text" and not first.is_quoted else None
