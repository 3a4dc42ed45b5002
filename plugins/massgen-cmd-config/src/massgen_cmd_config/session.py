"""Asks the questions of `massgen config new` one after the other, tries servers, and lets all be looked over at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from massgen_cmd_config.drafting import chosen_server, text_of
from massgen_cmd_config.facts import Facts
from massgen_cmd_config.fronts import Front, Move
from massgen_cmd_config.questions import NONE, Question
from massgen_cmd_config.servers import tools_of
from massgen_cmd_config.walk import Walk
from massgen_core.api import App, MassGenError, clean_line

__all__ = ["Session"]

_SHOWN = 12  # so many names of tools are shown


class Session:
    """One way through the questions.

    Args:
        app: The program.
        front: Where they are asked.
        facts: What is installed.
        answers: Those of options; the session's own are put into it as they are given, so that whoever holds it loses none.
        checks: Returns what is wrong with a file that would be written, as paragraphs.
        is_trying: MCP servers are started to see whether they work.
    """

    def __init__(
        self, app: App, front: Front, facts: Facts, answers: dict[str, str], checks: Callable[[str], list[str]], *, is_trying: bool = True
    ) -> None:
        self._app, self._front, self._facts, self._answers, self._checks, self._is_trying = app, front, facts, answers, checks, is_trying
        self._walk = Walk.begin(facts, answers)

    def run(self) -> None:
        """Ask until everything is answered and the person wants it written."""
        while True:
            while question := self._walk.question:
                self._ask(question)
            if self._is_agreed():
                return

    def _ask(self, question: Question) -> None:
        walk, draft = self._walk, ""
        if question.hints:
            self._front.say(clean_line(f"for instance: {', '.join(question.hints)}", 400), "faint")
        while True:
            reply = self._front.ask(question, walk.proposal(question), self._place(), draft)
            if isinstance(reply, Move):
                if reply is Move.BACK:
                    self._back()
                    return
                self._show(question, reply)
            elif refusal := question.refusal(reply):
                self._front.say(clean_line(refusal, 1000), "bad")
                draft = reply
            else:
                break
        self._keep(walk.answered(reply))
        self._front.note(question, self._answers[question.key])
        if question.key.startswith("server") and self._answers[question.key] != NONE and self._is_trying:
            self._try(question)

    def _back(self) -> None:
        before = self._walk.back()
        if before.at == self._walk.at:
            self._front.say("this is the first question", "faint")
        self._walk = before

    def _keep(self, walk: Walk) -> None:
        self._walk = walk
        self._answers.clear()
        self._answers.update(walk.answers)

    def _place(self) -> str:
        keys = [one.key for one in self._walk.questions if not one.is_quiet]
        return f"{keys.index(self._walk.at) + 1}/{len(keys)}" if self._walk.at in keys else ""

    def _show(self, question: Question, move: Move) -> None:
        if move is Move.PREVIEW:
            self._preview(text_of(self._facts, self._walk.answers))
            return
        self._front.say(f"\n{question.help}")
        for name, said in question.choices.items():
            self._front.say(f"{name}: {clean_line(said, 400)}" if said else name, "faint")
        self._front.say("\n")

    def _preview(self, text: str) -> None:
        shown = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
        self._front.say(f"\n{shown}\n", "code")

    def _try(self, question: Question) -> None:
        """Start a server; where it does not work, let the person keep it, change it or do without."""
        one = chosen_server(self._facts, self._answers, question.key)
        self._front.say(f"starting {one.name} to see its tools ...", "faint")
        try:
            tools = tools_of(self._app, one)
        except MassGenError as error:
            self._front.say(f"{one.name} does not work: {error}", "bad")
        else:
            if tools is None:
                return
            if tools:
                names = ", ".join(name.removeprefix(f"mcp__{one.name}__") for name in tools[:_SHOWN])
                more = f" and {len(tools) - _SHOWN} more" if len(tools) > _SHOWN else ""
                self._front.say(f"{one.name} works: {names}{more}", "good")
                return
            self._front.say(f"{one.name} starts, and has no tools", "bad")
        choices = {"change": "write it anew", "keep": "it will work where it is used", "drop": "do without it"}
        text = f"What now with {one.name}?"
        chosen = self._interlude(Question(key="then", text=text, help=text, choices=choices, default="change"))
        if chosen == "drop":
            self._keep(self._walk.without(question.key))
        if chosen in ("change", "drop", Move.BACK):
            self._walk = self._walk.at_once(question.key)

    def _interlude(self, question: Question) -> str | Move:
        """Ask something that is no answer."""
        while True:
            reply = self._front.ask(question, question.default, "")
            if reply is Move.BACK or (isinstance(reply, str) and not question.refusal(reply)):
                return reply
            if isinstance(reply, Move):
                self._show(question, reply)

    def _is_agreed(self) -> bool:
        """Show the file; say whether it shall be written, else go back to an answer."""
        text = text_of(self._facts, self._answers)
        self._preview(text)
        problems = self._checks(text)
        for paragraph in problems:
            self._front.say(paragraph, "bad")
        choices = {"write": "as it is", "change": "an answer"}
        asked = "There is something to mend. What now?" if problems else "Write this?"
        help_text = "Nothing is written before you say so here; < goes back to the last question."
        if problems:
            choices.pop("write")
        chosen = self._interlude(Question(key="end", text=asked, help=help_text, choices=choices, default=next(iter(choices))))
        if chosen is Move.BACK:
            self._walk = self._walk.back()
        elif chosen == "change":
            found: Mapping[str, str] = self._walk.finished()
            keys = {one.key: found[one.key] for one in self._walk.questions}
            which = self._interlude(Question(key="which", text="Which answer?", help="Each is asked again.", choices=keys, default=next(iter(keys))))
            if isinstance(which, str):
                self._walk = self._walk.to(which)
        return chosen == "write"
