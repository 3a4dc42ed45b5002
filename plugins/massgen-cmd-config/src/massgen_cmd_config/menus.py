"""Questions as menus and lines on a terminal, with keys to go back, to explain and to look at the file."""

from __future__ import annotations

import sys
import textwrap
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import questionary
from prompt_toolkit.application import create_app_session, get_app
from prompt_toolkit.filters import Condition, FilterOrBool
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.shortcuts import print_formatted_text
from prompt_toolkit.styles import Style
from prompt_toolkit.utils import get_cwidth
from questionary.prompts.common import InquirerControl

from massgen_cmd_config.fronts import Move
from massgen_cmd_config.questions import NONE, Question, listed
from massgen_core.api import clean, clean_line

__all__ = ["Menus", "menus"]

_STYLE = Style(
    [
        ("qmark", "fg:ansicyan bold"),
        ("question", "bold"),
        ("instruction", "fg:ansibrightblack"),
        ("placeholder", "fg:ansibrightblack"),
        ("answer", ""),
        ("pointer", "fg:ansicyan bold"),
        ("highlighted", "fg:ansicyan noreverse"),
        ("selected", "fg:ansigreen noreverse"),
        ("search_success", "fg:ansicyan"),
        ("search_none", "fg:ansired"),
        ("label", "fg:ansibrightblack"),
        ("good", "fg:ansigreen"),
        ("bad", "fg:ansired"),
        ("faint", "fg:ansibrightblack"),
        ("code", "fg:ansicyan"),
        ("title", "bold"),
    ]
)
_LABEL = 15  # columns in which the names of answers stand
_MARGIN = 2
_JOINED = "\xa0"


@contextmanager
def menus() -> Iterator[Menus]:
    """Open menus on the terminal of standard error, so that what is printed can be piped."""
    output = create_output(stdout=sys.stderr)
    with create_app_session(output=output):
        yield Menus(output)


class Menus:
    """Asks with menus; what was pasted for several questions answers them in turn."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._pasted: deque[str] = deque()
        self._is_plain = (sys.stderr.encoding or "").lower().replace("-", "") not in ("utf8", "utf8sig")

    def begin(self, target: str) -> None:
        """Say what is made, and how."""
        self._print([("class:title", clean_line(target, 400))])
        arrows = "arrows" if self._is_plain else "\u2191\u2193"
        self.say(f"{arrows} Enter choose   ? help   < back   = preview\nCtrl-C leaves and keeps your answers", "faint")
        self._print([])

    def ask(self, question: Question, proposal: str, place: str, draft: str = "") -> str | Move:
        """Ask once and return what was answered, unchecked."""
        if draft:
            self._pasted.clear()  # what was meant for later questions would answer the wrong ones
        elif self._pasted:
            return self._pasted.popleft() or proposal
        if question.choices:
            made, control = self._menu(question, proposal, place)
            self._bind(made.application.key_bindings, control, is_many=question.is_many)
        else:
            bindings = KeyBindings()
            made = questionary.text(
                self._wrapped(question.text, place),
                qmark=self._mark,
                style=_STYLE,
                instruction=f"{place}\n{self._pointer}",
                default=draft,
                placeholder=[("class:placeholder", clean_line(proposal, max(10, self._width - 4)))],
                key_bindings=bindings,
            )
            self._bind(bindings, None, proposal)
        made.application.erase_when_done = True
        answer = made.unsafe_ask()
        if isinstance(answer, Move):
            return answer
        if isinstance(answer, list):
            return ", ".join(answer) or (NONE if NONE in question.choices else "")
        return clean_line(str(answer), 4000).strip() or proposal

    def note(self, question: Question, answer: str) -> None:
        """Put the answer into the list of answers above."""
        self._print(
            [("class:good", f"{self._done} "), ("class:label", f"{clip(question.key, _LABEL):{_LABEL}} "), ("", self._fit(answer, _LABEL + 3))]
        )

    def say(self, text: str, kind: str = "") -> None:
        """Show a paragraph."""
        for line in clean(text).splitlines():
            deeper = " " * (len(line) - len(line.lstrip()) + 4) if kind == "code" else ""
            for part in textwrap.wrap(line, max(20, self._width - _MARGIN - 1), subsequent_indent=deeper) or [""]:
                self._print([(f"class:{kind}" if kind else "", " " * _MARGIN + part)])

    @property
    def _width(self) -> int:
        return self._output.get_size().columns

    @property
    def _mark(self) -> str:
        return "?" if self._is_plain else "\u25cf"

    @property
    def _pointer(self) -> str:
        return ">" if self._is_plain else "\u276f"

    @property
    def _done(self) -> str:
        return "+" if self._is_plain else "\u2713"

    def _wrapped(self, text: str, hint: str) -> str:
        """Return a question in lines that fit, with room for what is said behind it."""
        lines = textwrap.wrap(f"{clean_line(text, 1000)} {hint.replace(' ', _JOINED)}", max(20, self._width - 4))
        return "\n  ".join(lines).removesuffix(hint.replace(" ", _JOINED)).rstrip(" ")

    def _fit(self, text: str, before: int) -> str:
        return clip(clean_line(text, 2000), max(8, self._width - before - 1))

    def _print(self, parts: list[tuple[str, str]]) -> None:
        print_formatted_text(FormattedText(parts), style=_STYLE, output=self._output)

    def _menu(self, question: Question, proposal: str, place: str) -> tuple[questionary.Question, InquirerControl]:
        chosen = listed(proposal) if question.is_many else [proposal]
        shown = {name: said for name, said in question.choices.items() if not (question.is_many and name == NONE)}
        column = min(max(map(get_cwidth, shown)), max(10, self._width // 2))
        choices = []
        for name, said in shown.items():
            title = f"{clip(name, column)}{' ' * (column - get_cwidth(clip(name, column)))}  {clean_line(said, 200)}".rstrip()
            line = _Named(clip(title, max(8, self._width - 7)))
            line.name = name
            line.more = clean_line(said, 400) if line != title else ""
            choices.append(questionary.Choice(line, value=name, checked=question.is_many and name in chosen))
        hint = f"{place}  space picks" if question.is_many else place
        common: dict[str, Any] = {"qmark": self._mark, "style": _STYLE, "instruction": hint or " ", "pointer": self._pointer}
        common |= {"use_jk_keys": False, "use_search_filter": True}
        first = next((name for name in shown if name in chosen), None)
        if question.is_many:
            made = questionary.checkbox(self._wrapped(question.text, hint), choices, initial_choice=first, **common)
        else:
            made = questionary.select(self._wrapped(question.text, hint), choices, default=first, **common)
        controls = (window.content for window in made.application.layout.find_all_windows())
        control = next(control for control in controls if isinstance(control, InquirerControl))
        # What is searched stands above the choices, not at the foot of the terminal.
        control.get_search_string_tokens = lambda: None  # type: ignore[method-assign]
        choices_text: Any = control.text
        control.text = lambda: [*_searched(control), *choices_text(), *self._more(control)]
        return made, control

    def _more(self, control: InquirerControl) -> list[tuple[str, str]]:
        """Return in full, below the list, what does not fit into the line that is pointed at."""
        line = control.get_pointed_at().title
        more = line.more if isinstance(line, _Named) else ""
        return [("class:faint", "".join(f"\n   {part}" for part in ["", *textwrap.wrap(more, max(20, self._width - 7))]))] if more else []

    def _bind(self, bindings: Any, control: InquirerControl | None, proposal: str = "", *, is_many: bool = False) -> None:
        """Add the keys that every question has."""
        empty: FilterOrBool = Condition(lambda: control is not None or not get_app().current_buffer.text)

        def on(name: str, do: Callable[[KeyPressEvent], None], when: FilterOrBool = True) -> None:
            bindings.add(name, filter=when, eager=True)(do)

        for move in Move:
            on(move.value, partial(_leave, move), empty)
        on("left", partial(_leave, Move.BACK), empty)
        on(Keys.BracketedPaste, partial(self._paste, control))
        if control is None:
            on("tab", lambda event: event.current_buffer.insert_text(proposal), empty)
            return
        # These a menu would pass over: the end of the input, and Ctrl-C that comes as a signal.
        first = control.pointed_at
        on("backspace", partial(_unfind, control, first))
        on("c-d", lambda event: event.app.exit(exception=EOFError))
        on("<sigint>", lambda event: event.app.exit(exception=KeyboardInterrupt))
        for enter in ("enter", "c-j"):  # what is typed ahead of a question comes with the line's end that files have
            on(enter, partial(_choose_many if is_many else _choose_one, control))
        if is_many:
            on("space", partial(_pick, control))

    def _paste(self, control: InquirerControl | None, event: KeyPressEvent) -> None:
        """Take what is pasted: of several lines the first answers this question, and the others those that follow."""
        first, *rest = clean(event.data.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
        is_whole = bool(rest)
        self._pasted.extend(line.strip() for line in (rest[:-1] if rest and not rest[-1] else rest))
        if control is not None:
            event.app.exit(result=first.strip())
            return
        event.current_buffer.insert_text(first)
        if is_whole:
            event.current_buffer.validate_and_handle()


def clip(text: str, width: int) -> str:
    """Return a text that is at most so many columns wide, with an ellipsis where it was cut."""
    if get_cwidth(text) <= width:
        return text
    while text and get_cwidth(text) >= width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _leave(move: Move, event: KeyPressEvent) -> None:
    event.app.exit(result=move)


class _Named(str):
    """A line of a menu, in which only its name is searched."""

    name: str
    more: str

    def lower(self) -> str:
        return self.name.lower()


def _searched(control: InquirerControl) -> list[tuple[str, str]]:
    if not control.search_filter:
        return []
    is_found = any(control.search_filter.lower() in str(one.value).lower() for one in control.choices)
    return (
        [("class:search_success", f"   /{control.search_filter}\n")]
        if is_found
        else [("class:search_none", f"   /{control.search_filter}  not there\n")]
    )


def _unfind(control: InquirerControl, first: int, event: KeyPressEvent) -> None:
    """Take back the last letter of what is searched; without any, the first proposal is pointed at again."""
    control.remove_search_character()
    control.pointed_at = 0 if control.search_filter else first


def _pointed(control: InquirerControl) -> questionary.Choice | None:
    """Return the choice that is meant, and forget what was typed to find it; None where nothing is called so."""
    typed = control.search_filter
    if typed and not any(typed.lower() in str(one.value).lower() for one in control.choices):
        return None
    found: questionary.Choice = next((one for one in control.filtered_choices if one.value == typed), None) or control.get_pointed_at()
    control.search_filter = None
    control.pointed_at = control.choices.index(found)
    return found


def _choose_one(control: InquirerControl, event: KeyPressEvent) -> None:
    if found := _pointed(control):
        event.app.exit(result=found.value)


def _choose_many(control: InquirerControl, event: KeyPressEvent) -> None:
    """Answer with what is picked; where a name was typed, pick that first."""
    if not control.search_filter:
        event.app.exit(result=[one.value for one in control.get_selected_values()])
    elif (found := _pointed(control)) and found.value not in control.selected_options:
        control.selected_options.append(found.value)


def _pick(control: InquirerControl, event: KeyPressEvent) -> None:
    """Pick what is pointed at, or put it back."""
    found = _pointed(control)
    if found is None:
        return
    if found.value in control.selected_options:
        control.selected_options.remove(found.value)
    else:
        control.selected_options.append(found.value)
