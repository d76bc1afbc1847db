"""What every job that reads a foreign table is asked about it."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BeforeValidator, Field, model_validator

from project.jobs.contract import Arguments
from project.jobs.questions import Ask, Word
from project.tabular.dates import DATE_FORMATS
from project.tabular.proposing import Asked
from project.tabular.sniff import AUTO, Reading

PROPOSED: Final = "proposed"
AS_IS: Final = "as-is"
ASKS_ORIGIN: Final = {"asks": "origin"}  # of a refusal: what has to be said
DECIMALS: Final[Mapping[str, str]] = {AUTO: "", "point": ".", "comma": ","}


def offer_in_part(left_out: str, title: str) -> dict[str, Any]:
    """What a refusal offers of a table of which a part can be used, with its consequence."""
    return {
        "offer": {
            "label": "Accept in part",
            "consequence": f"{left_out} The others land, and every report of these {title} says "
            "how many are not in it. Those left out are kept as they came, to be mended one by "
            "one or together.",
            "arguments": {"accept_partial": True},
        }
    }


def _or_auto(given: object) -> object:
    """What nobody said is found out: a form sends nothing for it."""
    return AUTO if given == "" else given


class TableArguments(Arguments):
    """How a table is read; what is not said is found out, and told."""

    encoding: Annotated[
        Word, Field(description="Encoding of the text, such as utf-8, utf-16 or cp1252.")
    ] = AUTO
    delimiter: Annotated[
        Word, Field(max_length=20, description="Between cells: comma, semicolon, tab, bar, or one.")
    ] = AUTO
    decimal: Annotated[
        Literal["auto", "point", "comma"],
        BeforeValidator(_or_auto),
        Field(description="What stands before decimals."),
    ] = "auto"
    date_format: Annotated[
        Literal["auto", "iso", "dmy", "mdy", "s", "ms", "us", "ns", "excel", "digits"],
        BeforeValidator(_or_auto),
        Field(description="How times are written, in the whole column."),
        Ask(meanings=DATE_FORMATS),
    ] = "auto"
    time_zone: Annotated[
        Word,
        Field(description="Zone of times that say none, such as Europe/Zurich or UTC."),
        Ask(suggestions=lambda: [(name, name) for name in sorted(available_timezones())]),
    ] = ""
    sheet: Annotated[Word, Field(description="Sheet of a workbook; auto: the first filled.")] = AUTO
    mapping: Annotated[
        Word,
        Field(
            description="How columns become fields: the name of a saved mapping; proposed: what is "
            "proposed; as-is: values stay as they are; empty: names only, or what was confirmed "
            "for these columns."
        ),
    ] = ""
    accept_partial: Annotated[
        bool,
        Field(
            description="Land the rest where more than 1 % (and more than 5) of a column cannot be "
            "used; reports say so."
        ),
    ] = False

    @model_validator(mode="after")
    def _require_zone(self) -> "TableArguments":
        if self.time_zone:
            try:
                ZoneInfo(self.time_zone)
            except (ValueError, OSError, LookupError):
                raise ValueError(
                    f"time_zone: expected the name of a zone, such as Europe/Zurich, got "
                    f"{self.time_zone[:40]!r}"
                ) from None
        return self

    @property
    def reading(self) -> Reading:
        """How the bytes are read."""
        return Reading(self.encoding or AUTO, self.delimiter or AUTO, self.sheet or AUTO)

    def asked(self, columns: Mapping[str, str], *, zone_here: str) -> Asked:
        """What is said of the columns."""
        return Asked(
            columns=columns,
            decimal=DECIMALS[self.decimal],
            dates="" if self.date_format == AUTO else self.date_format,
            zone=self.time_zone,
            zone_here=zone_here,
        )
