"""What a job asks, read from the typed fields of its arguments; every door asks the same.

A field is annotated with its type, a `Field` that has bounds and a description, and where a door
needs more an `Ask`:

    count: Annotated[int, Field(ge=1, le=10, description="Events to make."), Ask(unit="events")] = 5
"""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from annotated_types import BaseMetadata, Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import AfterValidator, AwareDatetime, BaseModel, Field
from pydantic.fields import FieldInfo

TEXT_LENGTH: Final = 2000  # characters of a text that somebody types
LIST_LENGTH: Final = 100_000  # entries of a list


class Shape(StrEnum):
    """What kind of answer a question takes."""

    INTEGER = "whole number"
    NUMBER = "number"
    TEXT = "text"
    CHOICE = "choice"
    FLAG = "yes or no"
    MOMENT = "time"
    UPLOAD = "file"
    PAIRS = "pairs"


@dataclass(frozen=True)
class Ask:
    """How a field is asked for where people answer.

    Attributes
    ----------
    unit : of a number, in the plural: events, days, seconds.
    option : of the command, where it is not `--` and the field's name.
    label : on a form, where it is not the field's name in words.
    records : `app.model` whose ids the field holds.
    record : what one of them is called, with its article: a batch.
    meanings : what each choice means, by its value.
    choices : gives the values there are when the question is asked, each with its title, for a text
        that is one of them.
    also : words that are understood and not offered any more.
    suggestions : gives the values that a form offers, each with its title; others are possible.
    is_asked : whether forms ask for it; a field that only a program gives is not.
    permission : right without which forms do not ask, and only the default or no is taken.
    is_override : whether it sets a refusal aside, which no schedule may.
    is_long : whether a text has several lines.
    """

    unit: str = ""
    option: str = ""
    label: str = ""
    records: str = ""
    record: str = ""
    meanings: Mapping[str, str] = field(default_factory=dict, hash=False)
    also: tuple[str, ...] = ()
    choices: Callable[[], Mapping[str, str]] | None = None
    suggestions: Callable[[], Iterable[tuple[str, str]]] | None = None
    is_asked: bool = True
    permission: str = ""
    is_override: bool = False
    is_long: bool = False


@dataclass(frozen=True)
class Question:
    """One field of the arguments, for whoever asks it."""

    name: str
    shape: Shape
    help: str
    ask: Ask
    is_list: bool
    is_required: bool
    default: Any
    minimum: float | None
    maximum: float | None
    words: tuple[str, ...]
    max_length: int | None

    @property
    def choices(self) -> tuple[str, ...]:
        """The answers there are, of a question that is a choice."""
        return self.words if self.ask.choices is None else tuple(self.ask.choices())

    @property
    def titles(self) -> Mapping[str, str]:
        """What a form shows for a choice, where that is not its value."""
        return self.ask.meanings if self.ask.choices is None else self.ask.choices()

    @property
    def asks_upload(self) -> bool:
        """Whether the answer is a file."""
        return self.shape is Shape.UPLOAD

    @property
    def label(self) -> str:
        """The name of the field in words."""
        return self.ask.label or self.name.replace("_", " ").capitalize()

    @property
    def option(self) -> str:
        """The option of a command."""
        return self.ask.option or f"--{self.name.replace('_', '-')}"

    @property
    def expected(self) -> str:
        """What an answer has to be, in words: type, bounds and unit."""
        return f"a list, each {self.expected_one}" if self.is_list else self.expected_one

    @property
    def expected_one(self) -> str:
        """What one answer has to be, where several may be given."""
        if self.shape is Shape.CHOICE:
            return f"one of {', '.join(word or 'nothing at all' for word in self.choices)}"
        if self.shape in (Shape.INTEGER, Shape.NUMBER):
            article = "a whole number" if self.shape is Shape.INTEGER else "a number"
            if self.ask.records:
                return f"the number of {self.ask.record}"
            unit = f" of {self.ask.unit}" if self.ask.unit else ""
            return f"{article}{unit}{self.bounds}"
        if self.shape is Shape.TEXT:
            limit = f" of at most {self.max_length:,} characters" if self.max_length else ""
            return f"a text{limit} without NUL"
        return {
            Shape.FLAG: "true or false",
            Shape.MOMENT: "a time with its zone, such as 2026-05-01T12:00+02:00",
            Shape.UPLOAD: "the id of a file that was uploaded",
            Shape.PAIRS: "an object of texts by name",
        }[self.shape]

    @property
    def bounds(self) -> str:
        """The range of a number in words, with a space before; empty where there is none."""
        low, high = (None if end is None else f"{end:,}" for end in (self.minimum, self.maximum))
        if low is not None and high is not None:
            return f" from {low} to {high}"
        if low is not None:
            return f" of at least {low}"
        return "" if high is None else f" of at most {high}"


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("A text may not hold the character NUL.")
    return text


# The types of which arguments are made. A bare `str` has no limit, and `test_contract` refuses it.
Text = Annotated[str, Field(max_length=TEXT_LENGTH), AfterValidator(_without_nul)]
Word = Annotated[str, Field(max_length=200), AfterValidator(_without_nul)]
Moment = AwareDatetime
Upload = Annotated[UUID, Ask()]
RecordId = Annotated[int, Field(ge=1, le=2**63 - 1)]
Seed = Annotated[
    int,
    Field(ge=0, le=2**32 - 1, description="Of what is drawn: the same seed draws the same again."),
]
"""One range for every seed: what NumPy and scikit-learn both take."""


@cache
def questions_of(model: type[BaseModel]) -> tuple[Question, ...]:
    """Return what a model of arguments asks, in the order of its fields: its own before those of
    the models that it is made from, which are of how rather than of what.

    Raises TypeError for a field that no door could ask for.
    """
    hints = get_type_hints(model, include_extras=True)
    names = sorted(model.model_fields, key=lambda name: name not in model.__annotations__)
    return tuple(_question(name, hints[name], model.model_fields[name]) for name in names)


def _question(name: str, hint: Any, info: FieldInfo) -> Question:
    metadata: list[Any] = []
    base, is_list = _peel(hint, metadata)
    facts = list(_facts(metadata))
    asks = [one for one in facts if isinstance(one, Ask)]
    shape, words = _shape(name, base)
    if asks and asks[0].choices is not None:
        shape = Shape.CHOICE
    low = [one.ge if isinstance(one, Ge) else one.gt for one in facts if isinstance(one, Ge | Gt)]
    high = [one.le if isinstance(one, Le) else one.lt for one in facts if isinstance(one, Le | Lt)]
    longest = [one.max_length for one in facts if isinstance(one, MaxLen)]
    described = [one.description for one in metadata if isinstance(one, FieldInfo)]
    return Question(
        name=name,
        shape=shape,
        help=next((text for text in described if text), ""),
        ask=asks[0] if asks else Ask(),
        is_list=is_list,
        is_required=info.is_required(),
        default=None if info.is_required() else info.get_default(call_default_factory=True),
        minimum=low[0] if low else None,  # type: ignore[arg-type]
        maximum=high[0] if high else None,  # type: ignore[arg-type]
        words=words,
        max_length=min(longest) if longest and not is_list else None,
    )


def _peel(hint: Any, metadata: list[Any]) -> tuple[Any, bool]:
    """Take `Annotated`, `| None` and `list` off a type; outer metadata comes first."""
    is_list = False
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint, *more = get_args(hint)
            metadata.extend(more)
        elif origin in (Union, types.UnionType):
            members = [one for one in get_args(hint) if one is not type(None)]
            if len(members) > 1:
                return hint, is_list
            (hint,) = members
        elif origin is list and not is_list:
            (hint,) = get_args(hint)
            is_list = True
        else:
            return hint, is_list


def _facts(metadata: list[Any]) -> Iterator[Any]:
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from one.metadata
        elif isinstance(one, BaseMetadata | Ask | MinLen):
            yield one


def _shape(name: str, base: Any) -> tuple[Shape, tuple[str, ...]]:
    if get_origin(base) in (Union, types.UnionType):  # of choices; the empty one comes first
        return Shape.CHOICE, tuple(
            sorted((w for one in get_args(base) for w in _shape(name, one)[1]), key=bool)
        )
    if get_origin(base) is Literal:
        return Shape.CHOICE, tuple(str(one) for one in get_args(base))
    if isinstance(base, type) and issubclass(base, Enum):
        return Shape.CHOICE, tuple(str(one.value) for one in base)
    if get_origin(base) is dict:
        return Shape.PAIRS, ()
    shapes: dict[Any, Shape] = {
        bool: Shape.FLAG,
        int: Shape.INTEGER,
        float: Shape.NUMBER,
        str: Shape.TEXT,
        UUID: Shape.UPLOAD,
        AwareDatetime: Shape.MOMENT,
    }
    if base not in shapes:
        raise TypeError(f"No form and no command can ask for {name}: {base!r}.")
    return shapes[base], ()
