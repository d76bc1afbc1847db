"""Filters of lists that take a range: from and to of a number or a date, kept in the address."""

import math
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import DateTimeField, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone


class RangeFilter(admin.FieldListFilter):
    """Rows whose field lies between two ends, both included; an end that is left empty is open.

    Attributes
    ----------
    input, step : of the two fields; unit : help below them.
    """

    input: ClassVar[str] = "number"
    step: ClassVar[str] = "any"
    unit: ClassVar[str] = ""

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: Any,
        field_path: str,
    ) -> None:
        self.names = {"from": f"{field_path}__from", "to": f"{field_path}__to"}
        super().__init__(field, request, params, model, model_admin, field_path)
        used: dict[str, Any] = self.used_parameters
        self.given = {
            end: str((used.get(name) or [""])[-1]).strip() for end, name in self.names.items()
        }

    def expected_parameters(self) -> list[Any]:
        """The two ends, as the address has them."""
        return list(self.names.values())

    def has_output(self) -> bool:
        """Every list with this filter can be asked."""
        return True

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        """Whether anything is asked, for the chips; the drawer shows the two fields instead."""
        clear = changelist.get_query_string(remove=self.expected_parameters())
        yield {"selected": not self.says, "query_string": clear, "display": "Any"}
        if self.says:
            here = changelist.get_query_string()
            yield {"selected": True, "query_string": here, "display": self.says}

    @property
    def says(self) -> str:
        """What is asked, in words."""
        start, end = self.given["from"], self.given["to"]
        if start and end:
            return f"{start} to {end}"
        return f"from {start}" if start else f"up to {end}" if end else ""

    @property
    def ends(self) -> list[dict[str, str]]:
        """The two fields of the drawer."""
        return [
            {"words": end.capitalize(), "name": name, "value": self.given[end]}
            for end, name in self.names.items()
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """Keep what lies between; what is no value of its kind finds nothing."""
        for end, lookup in (("from", "gte"), ("to", "lte")):
            text = self.given[end]
            if not text:
                continue
            try:
                queryset = queryset.filter(**self.condition(end, lookup, text))
            except (ValueError, OverflowError):
                return queryset.none()
        return queryset

    def condition(self, end: str, lookup: str, text: str) -> dict[str, Any]:
        """Return the condition of one end; ValueError where the text is no number."""
        value = float(text)
        if not math.isfinite(value) or abs(value) > 1e9:
            raise ValueError(text)
        return {f"{self.field_path}__{lookup}": value}


class DateRangeFilter(RangeFilter):
    """Rows of the days from one to another, both included, in the installation's time zone."""

    input = "date"
    step = ""

    def condition(self, end: str, lookup: str, text: str) -> dict[str, Any]:
        """Return the condition of one end; ValueError where the text is no date."""
        day = date.fromisoformat(text)
        if not isinstance(self.field, DateTimeField):
            return {f"{self.field_path}__{lookup}": day}
        moment = time.min if end == "from" else time.max  # the whole last day
        at = datetime.combine(day, moment, timezone.get_current_timezone())
        return {f"{self.field_path}__{lookup}": at}
