"""A shell line as tokens: words in pieces, operators and redirections. Nothing is expanded here, and nothing raises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import attrs

__all__ = ["OPERATORS", "Piece", "Token", "scan", "skeleton"]

Kind = Literal["text", "variable", "script", "process"]
_HERE = ("<<<", "<<-", "<<")
_REDIRECTIONS = frozenset({*_HERE, "&>>", "&>", ">>", ">&", "<&", ">|", "<>", "<", ">"})
OPERATORS = ("&>>", *_HERE, "&&", "||", ";;", "|&", "&>", ">>", ">&", "<&", ">|", "<>", *"|&;<>()\n")  # the longest first
_FIRST = frozenset(operator[0] for operator in OPERATORS)
_PLAIN = re.compile(r"[^\s\\'\"`$|&;<>()#]+")
_QUOTED = re.compile(r"[^\\\"`$]+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_ANSI = re.compile(r"\\(?:x([0-9A-Fa-f]{1,2})|0?([0-7]{1,3})|u([0-9A-Fa-f]{1,4})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v"}
_NEAR = 2000  # characters in which a `}` is looked for


@attrs.frozen
class Piece:
    """A part of a word.

    Attributes:
        kind: `text`; `variable`, whose `text` is its name and `other` what stands for it where it is unset; `script`, whose output stands here;
            `process`, whose output is a file of that name.
    """

    kind: Kind
    text: str
    is_quoted: bool = False
    other: str = ""


@attrs.define
class Token:
    """A word, an operator, or a redirection with its target."""

    kind: Literal["word", "operator", "redirection"]
    text: str = ""
    pieces: list[Piece] = attrs.field(factory=list)


def unescape(text: str) -> str:
    r"""Return `text` with the escapes of `$'...'` and of `printf` replaced, such as `\n` and `\x41`."""

    def one(found: re.Match[str]) -> str:
        code = found[1] or found[3]
        if code:
            return chr(int(code, 16))
        return chr(int(found[2], 8) & 255) if found[2] else _LETTERS.get(found[4], found[4])

    return _ANSI.sub(one, text)


def scan(text: str) -> list[Token]:
    """Return the tokens of a script; what is not closed goes to its end. The time is linear in its length."""
    return _Scanner(text).tokens()


def skeleton(tokens: list[Token]) -> str:
    """Return a script without what is quoted: what is left is its structure."""

    def parts() -> Iterator[str]:
        for token in tokens:
            if token.text and token.kind != "word":
                yield token.text
            if token.kind != "operator" and token.text not in _HERE:
                marks = {"variable": "$", "script": "$()", "process": "<()"}
                yield "".join("" if piece.is_quoted and piece.kind == "text" else marks.get(piece.kind, "") + piece.text for piece in token.pieces)

    return " ".join(parts())


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text, self._at, self._tokens = text, 0, list[Token]()
        self._pieces: list[Piece] = []
        self._is_open = False  # a word has begun, perhaps an empty one
        self._target: Token | None = None
        self._here: list[tuple[Token, bool]] = []

    def tokens(self) -> list[Token]:
        while self._at < len(self._text):
            self._step(self._text[self._at])
        self._close()
        self._bodies()
        return self._tokens

    def _step(self, char: str) -> None:
        text, at = self._text, self._at
        plain = _PLAIN.match(text, at)
        if plain:
            self._add(Piece("text", plain[0]), plain.end())
        elif char in _FIRST:
            if char in "<>" and text.startswith("(", at + 1):
                end = _closing(text, at + 2)
                self._add(Piece("process", text[at + 2 : end]), end + 1)
            else:
                self._operator(next(operator for operator in OPERATORS if text.startswith(operator, at)))
        elif char.isspace():
            self._close()
            self._at += 1
        else:
            self._special(char)

    def _special(self, char: str) -> None:
        """Take what begins with a character that quotes, comments or expands."""
        text, at = self._text, self._at
        if char == "\\":
            if text.startswith("\n", at + 1):
                self._at += 2
            else:
                self._add(Piece("text", text[at + 1 : at + 2], is_quoted=True), at + 2)
        elif char == "'":
            end = _find(text, "'", at + 1)
            self._add(Piece("text", text[at + 1 : end], is_quoted=True), end + 1)
        elif char == '"':
            self._at += 1
            self._is_open = True
            self._double()
        elif char == "#":
            if self._is_open:
                self._add(Piece("text", "#"), at + 1)
            else:
                self._at = _find(text, "\n", at)
        else:
            self._dollar(is_quoted=False)

    def _add(self, piece: Piece, end: int) -> None:
        self._pieces.append(piece)
        self._is_open, self._at = True, end

    def _double(self) -> None:
        text = self._text
        while self._at < len(text) and text[self._at] != '"':
            plain = _QUOTED.match(text, self._at)
            if plain:
                self._add(Piece("text", plain[0], is_quoted=True), plain.end())
            elif text[self._at] == "\\":
                follows = text[self._at + 1 : self._at + 2]
                kept = follows if follows in '"$`\\' else "" if follows == "\n" else "\\" + follows
                self._add(Piece("text", kept, is_quoted=True), self._at + 2)
            else:
                self._dollar(is_quoted=True)
        self._at += 1

    def _dollar(self, *, is_quoted: bool) -> None:
        """Take what begins with `$` or a backtick."""
        text, at = self._text, self._at
        if text[at] == "`":
            end = _find(text, "`", at + 1)
            self._add(Piece("script", text[at + 1 : end], is_quoted=is_quoted), end + 1)
        elif text.startswith("$((", at) and _closing(text, at + 3) + 1 == (end := _closing(text, at + 2)):
            body = text[at + 3 : end - 1]
            is_plain = not ("$" in body or "`" in body)
            self._add(Piece("text", "0", is_quoted) if is_plain else Piece("variable", "((", is_quoted, other=body), end + 1)
        elif text.startswith("$(", at):
            end = _closing(text, at + 2)
            self._add(Piece("script", text[at + 2 : end], is_quoted=is_quoted), end + 1)
        elif text.startswith("${", at):
            end = text.find("}", at, at + _NEAR)
            name = _NAME.match(text, at + 2)
            if end < 0 or not name:
                self._add(Piece("text", "$", is_quoted=is_quoted), at + 1)
            else:
                rest = text[name.end() : end]
                other = rest.lstrip(":")[1:] if rest.lstrip(":")[:1] in ("-", "=") or "$(" in rest or "`" in rest else ""
                self._add(Piece("variable", name[0], is_quoted=is_quoted, other=other), end + 1)
        elif text.startswith("$'", at) and not is_quoted:
            end = _find(text, "'", at + 2)
            self._add(Piece("text", unescape(text[at + 2 : end]), is_quoted=True), end + 1)
        else:
            name = _NAME.match(text, at + 1)
            piece = Piece("variable", name[0], is_quoted=is_quoted) if name else Piece("text", "$", is_quoted=is_quoted)
            self._add(piece, name.end() if name else at + 1)

    def _operator(self, operator: str) -> None:
        is_number = len(self._pieces) == 1 and not self._pieces[0].is_quoted and self._pieces[0].text.isdigit()
        if operator in _REDIRECTIONS and is_number:
            self._pieces, self._is_open = [], False  # the number of a descriptor
        self._close()
        self._at += len(operator)
        if operator in _REDIRECTIONS:
            self._target = Token("redirection", operator)
            self._tokens.append(self._target)
        else:
            self._target = None
            self._tokens.append(Token("operator", operator))
            if operator == "\n":
                self._bodies()

    def _close(self) -> None:
        if not self._is_open:
            return
        if self._target is None:
            self._tokens.append(Token("word", pieces=self._pieces))
        else:
            self._target.pieces = self._pieces
            if self._target.text in ("<<", "<<-"):
                self._here.append((self._target, any(piece.is_quoted for piece in self._pieces)))
            self._target = None
        self._pieces, self._is_open = [], False

    def _bodies(self) -> None:
        """Take the here-documents that begin after this line."""
        waiting, self._here = self._here, []
        for token, is_quoted in waiting:
            mark = "".join(piece.text for piece in token.pieces)
            lines: list[str] = []
            while self._at < len(self._text):
                end = _find(self._text, "\n", self._at)
                line, self._at = self._text[self._at : end], end + 1
                if (line.lstrip("\t") if token.text == "<<-" else line) == mark:
                    break
                lines.append(line)
            token.pieces = [Piece("text", "\n".join(lines), is_quoted)]


def _find(text: str, what: str, start: int) -> int:
    found = text.find(what, start)
    return len(text) if found < 0 else found


def _closing(text: str, at: int) -> int:
    """Return where the parenthesis that was opened before `at` is closed."""
    stack = [")"]
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif stack[-1] == '"':
            if char == '"':
                stack.pop()
            elif text.startswith("$(", at):
                stack.append(")")
                at += 1
        elif char == "'":
            at = _find(text, "'", at + 1)
        elif char in '"(':
            stack.append('"' if char == '"' else ")")
        elif char == ")":
            stack.pop()
            if not stack:
                return at
        at += 1
    return len(text)
