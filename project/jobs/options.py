"""The options of a command, made from what its job asks."""

from argparse import ArgumentTypeError, BooleanOptionalAction, _ActionsContainer
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from project.jobs.questions import Question, Shape


def add_options(parser: _ActionsContainer, questions: Iterable[Question]) -> None:
    """Add an option for each question, with its bounds, unit and default in the help."""
    for question in questions:
        given: dict[str, Any] = {"dest": question.name, "help": _help(question)}
        if question.shape is Shape.FLAG:
            given["default"] = question.default
            given["action"] = BooleanOptionalAction if question.default else "store_true"
        elif question.shape is Shape.PAIRS:
            given |= {"action": "append", "type": _pair, "metavar": "KNOWN=THEIRS", "default": []}
        else:
            given["type"] = reader(question)
            given["metavar"] = _metavar(question)
            if question.is_list:
                given |= {"nargs": "+", "action": "extend", "default": []}
            else:
                given |= {"default": question.default, "required": question.is_required}
        parser.add_argument(question.option, **given)


def answers(questions: Iterable[Question], options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of the job from a command's options, without what nobody said."""
    said = {question.name: options[question.name] for question in questions}
    for question in questions:
        if question.shape is Shape.PAIRS:
            said[question.name] = dict(said[question.name])
    return {name: value for name, value in said.items() if value is not None}


def reader(question: Question) -> Callable[[str], Any]:
    """Return what reads one answer from a word of the command line."""

    def read(text: str) -> Any:
        try:
            value = _READERS[question.shape](text)
            if _fits(question, value):
                return value
        except (ValueError, OverflowError):  # the year 9999 in a zone west of ours
            pass
        raise ArgumentTypeError(f"expected {question.expected_one}, got {text!r:.80}")

    return read


def _whole(text: str) -> int:
    if not text.removeprefix("-").isdecimal() or not text.isascii():
        raise ValueError(text)
    return int(text)


def _moment(text: str) -> str:
    """Read a date or time, in the project's zone unless it says another, and write it in UTC."""
    moment = datetime.fromisoformat(text)
    if timezone.is_naive(moment):
        moment = timezone.make_aware(moment)
    return moment.astimezone(UTC).isoformat()


def _pair(text: str) -> tuple[str, str]:
    known, _, theirs = (part.strip() for part in text.partition("="))
    if not known or not theirs:
        raise ArgumentTypeError(
            f"expected KNOWN=THEIRS, such as quality_rating=stars, got {text!r:.80}"
        )
    return known, theirs


_READERS: dict[Shape, Callable[[str], Any]] = {
    Shape.INTEGER: _whole,
    Shape.NUMBER: float,
    Shape.TEXT: str,
    Shape.CHOICE: str,
    Shape.MOMENT: _moment,
    Shape.UPLOAD: str,
}


def _fits(question: Question, value: Any) -> bool:
    if question.shape is Shape.CHOICE:
        # What the first edition said is taken too, and the contract says what it means today.
        return value in question.choices or value in question.ask.also
    if question.shape in (Shape.INTEGER, Shape.NUMBER):
        low, high = question.minimum, question.maximum
        return (low is None or value >= low) and (high is None or value <= high)
    return "\0" not in str(value)


def _help(question: Question) -> str:
    text = question.help[:1].lower() + question.help[1:].rstrip(".")
    facts = []
    if question.shape in (Shape.INTEGER, Shape.NUMBER) and not question.ask.records:
        facts.append(question.expected_one.removeprefix("a "))
    elif question.shape is Shape.CHOICE:
        meant = question.ask.meanings  # titles are for forms: here the value is typed
        facts.append(
            ", ".join(f"{w}: {meant[w]}" if w in meant else w for w in question.choices if w)
        )
    if question.is_required:
        facts.append("required")
    elif question.shape is not Shape.FLAG and question.default not in (None, [], {}, ""):
        facts.append(f"default {question.default}")
    elif "" in question.titles:
        facts.append(f"default: {question.titles['']}")
    return (f"{text} ({'; '.join(facts)})" if facts else text).replace("%", "%%")


def _metavar(question: Question) -> str:
    if question.shape is Shape.CHOICE:
        return "WORD"
    if question.shape is Shape.MOMENT:
        return "TIME"
    if question.ask.records:
        return "ID"
    return {Shape.INTEGER: "N", Shape.NUMBER: "X"}.get(question.shape, "TEXT")
