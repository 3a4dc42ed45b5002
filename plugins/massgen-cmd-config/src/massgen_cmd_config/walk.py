"""The way through the questions: a pure state machine, of which nothing that was answered is ever lost."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import attrs

from massgen_cmd_config.facts import Facts
from massgen_cmd_config.questions import Question, asked, taken

__all__ = ["Walk"]


@attrs.frozen(kw_only=True)
class Walk:
    """Where a person is.

    Attributes:
        facts: What is installed.
        answers: All that was ever answered, by key; those to questions that are not asked any more wait until they are.
        at: The key of the question that is asked; empty where all are answered.
        given: The keys that options answered: on the way forward these questions are passed over.
        is_single: One answer is changed, and after it the end is reached again.
    """

    facts: Facts = attrs.field(repr=False)
    answers: Mapping[str, str] = attrs.field(factory=dict)
    at: str = ""
    given: frozenset[str] = frozenset()
    is_single: bool = False

    @classmethod
    def begin(cls, facts: Facts, answers: Mapping[str, str]) -> Walk:
        """Return the way at its first question that has no answer."""
        start = cls(facts=facts, answers=dict(answers), given=frozenset(answers))
        return attrs.evolve(start, at=start._open(start.questions))

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """Return the questions that these answers lead past, in order."""
        return asked(self.facts, self.answers)

    @property
    def question(self) -> Question | None:
        """The question that is asked; None at the end."""
        return next((one for one in self.questions if one.key == self.at), None)

    def proposal(self, question: Question) -> str:
        """Return what pressing Enter answers: what was answered before, or the default."""
        before = self.answers.get(question.key)
        return before if before is not None and not question.refusal(before) else question.default

    def answered(self, answer: str) -> Walk:
        """Return the way after an answer to the present question, which must not be refused."""
        question = self.question
        if question is None or question.refusal(answer):
            raise ValueError("there is nothing to answer so")
        after = attrs.evolve(self, answers={**self.answers, self.at: question.normal(answer)})
        following = after.questions[[one.key for one in after.questions].index(self.at) + 1 :]
        return attrs.evolve(after, at=after._open(following, is_all=not self.is_single) or after._open(after.questions))

    def back(self) -> Walk:
        """Return the way at the question before; from the first one there is none."""
        before = ""
        for one in self.questions:
            if one.key == self.at:
                break
            if not one.is_quiet or one.key in self.answers:
                before = one.key
        return attrs.evolve(self, at=before or self.at, is_single=False)

    def to(self, key: str) -> Walk:
        """Return the way at one question, whose answer is changed."""
        return attrs.evolve(self, at=key, is_single=True)

    def at_once(self, key: str) -> Walk:
        """Return the way at a question that was just answered, and shall be answered again."""
        return attrs.evolve(self, at=key, given=self.given - {key})

    def without(self, key: str) -> Walk:
        """Return the way without an answer that the person takes back."""
        return attrs.evolve(self, answers={other: text for other, text in self.answers.items() if other != key})

    def finished(self) -> Mapping[str, str]:
        """Return an answer to every question that is asked; defaults for those without one."""
        return taken(self.facts, self.answers)

    def told(self) -> Mapping[str, str]:
        """Return the answers by which the same configuration is made again."""
        found = self.finished()
        return {one.key: found[one.key] for one in self.questions if not one.is_quiet or found[one.key] != one.default}

    def _open(self, questions: tuple[Question, ...], *, is_all: bool = False) -> str:
        """Return the first question that needs an answer, or with `is_all` the first that no option answered."""
        for one in questions:
            answer = self.answers.get(one.key)
            is_answered = answer is not None and not one.refusal(answer)
            if is_answered and not (is_all and one.key not in self.given):
                continue
            if not one.is_quiet or (answer is not None and not is_answered) or one.refusal(one.default):
                return one.key
        return ""
