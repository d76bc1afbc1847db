"""What a door asks of a table: its fields, with their kinds, ranges and other names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["text", "number", "moment", "words", "choice", "object"]

_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_NAME = re.compile(r"[^a-z0-9]+")
ACCENTS: Final = str.maketrans("äöüàáâãåçèéêëìíîïñòóôõùúûýÿ", "aouaaaaaceeeeiiiinoooouuuyy")


@dataclass(frozen=True)
class FieldSpec:
    """One field of a door.

    Attributes
    ----------
    name : as the door's own format calls it; dots lead into objects: `features.distanceScore`.
    kind : what its values are. `words` is a list of words, `choice` one of `choices`.
    is_required : whether a row without it is worth nothing.
    low, high : range of a number, ends included; None where there is none.
    names : what others call it, the likeliest first; compared without case, humps and separators.
    choices : each word of a choice, with others for it that say the same.
    is_rating : whether other scales, thumbs and words stand for its range.
    in_milliseconds : of a moment, whether the door takes milliseconds since 1970; else ISO 8601.
    is_day : of a moment, whether it is a day of a calendar, which has no zone.
    is_flag : whether true and false are 1 and 0 of a number, by themselves.
    is_whole : whether a number is a whole one.
    instead : the field whose column is taken where no column is this one.
    is_made : whether the door makes one where no column has it, once a person agrees.
    """

    name: str
    kind: Kind = "text"
    is_required: bool = False
    low: float | None = None
    high: float | None = None
    names: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    is_rating: bool = False
    in_milliseconds: bool = False
    is_day: bool = False
    is_whole: bool = False
    is_flag: bool = False
    is_made: bool = False
    instead: str = ""

    @property
    def all_names(self) -> tuple[str, ...]:
        """Its own name and those of others, joined, the likeliest first."""
        own = (self.name, self.name.rpartition(".")[2])
        return tuple(dict.fromkeys(joined_name(name) for name in (*own, *self.names)))


@dataclass(frozen=True)
class Door:
    """What a kind of table is made of.

    Attributes
    ----------
    name : `app.noun`, under which mappings are kept.
    title : of a table of it, in the plural: "ratings of answers".
    fields : in the order in which they are shown.
    keeps_extra : whether columns that are no field stay with the row.
    own : fields that only what was exported here has.
    """

    name: str
    title: str
    fields: tuple[FieldSpec, ...]
    keeps_extra: bool = False
    own: tuple[FieldSpec, ...] = ()

    def field(self, name: str) -> FieldSpec:
        return next(one for one in (*self.fields, *self.own) if one.name == name)


def joined_name(name: str) -> str:
    """A plain name without the spaces between its words: `qualityrating`."""
    return plain_name(name).replace(" ", "")


def plain_name(name: str) -> str:
    """A name without case, humps, accents and separators between its words: `quality rating`."""
    split = _HUMPS.sub(" ", name.strip())
    return _NO_NAME.sub(" ", split.lower().translate(ACCENTS)).strip()
