"""The form in which a person says how a table is read."""

import re
from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import forms

from project.mappings.models import ImportMapping
from project.tabular.dates import DATE_FORMATS
from project.tabular.doors import Door, FieldSpec
from project.tabular.mapping import ColumnMap, TableMapping, read_number

NOT_READ: Final = ""
WORDS_LENGTH: Final = 20_000
_SCALE = re.compile(r"^\s*(-?[\d.]+)\s*(?:to|\.\.|-)\s*(-?[\d.]+)\s*$")
PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "number": ("scale", "values", "decimal"),
    "choice": ("values",),
    "moment": ("dates", "zone"),
}


class MappingForm(forms.Form):
    """One row for each field of a door: its column, and what its values mean."""

    def __init__(self, door: Door, record: ImportMapping, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.door, self.record = door, record
        mapping = record.table
        # A path may be read that no row had when the table was looked at.
        there = dict.fromkeys([*record.header, *(how.column for how in mapping.columns)])
        columns = [(NOT_READ, "not in this table"), *((name, name) for name in there if name)]
        for spec in door.fields:
            how = mapping.of(spec.name)
            key = spec.name
            self.fields[f"{key}:column"] = forms.ChoiceField(
                choices=columns,
                required=False,
                initial=how.column if how else NOT_READ,
                label=f"Column of {key}",
            )
            for part in PARTS.get(spec.kind, ()):
                self.fields[f"{key}:{part}"] = _field(part, spec, how)

    def rows(self) -> list[dict[str, Any]]:
        """Return what a page shows of each field: those that are read first."""
        read = {how.field for how in self.record.table.columns}
        changed = {one["field"] for one in self.record.changes}
        specs = sorted(
            self.door.fields,
            key=lambda spec: (
                spec.name not in changed,
                spec.name not in read,
                not spec.is_required,
            ),
        )
        return [
            {
                "name": spec.name,
                "is_required": spec.is_required,
                "column": self[f"{spec.name}:column"],
                "parts": [self[f"{spec.name}:{part}"] for part in PARTS.get(spec.kind, ())],
            }
            for spec in specs
        ]

    def clean(self) -> dict[str, Any]:
        """Put the mapping together; what is wrong with it is said at its field."""
        data = super().clean() or {}
        columns = []
        taken: dict[str, str] = {}
        for spec in self.door.fields:
            column = data.get(f"{spec.name}:column", NOT_READ)
            if not column:
                if spec.is_required and not spec.is_made:
                    self.add_error(f"{spec.name}:column", "Expected a column: no row is without.")
                continue
            if column in taken:
                self.add_error(
                    f"{spec.name}:column", f"{taken[column]} is read from that column already."
                )
                continue
            taken[column] = spec.name
            columns.append(
                ColumnMap(
                    spec.name,
                    column,
                    scale=data.get(f"{spec.name}:scale"),
                    values=data.get(f"{spec.name}:values"),
                    dates=data.get(f"{spec.name}:dates") or "",
                    zone=data.get(f"{spec.name}:zone") or "",
                    decimal=data.get(f"{spec.name}:decimal") or ".",
                )
            )
        if not self.errors:
            constants = self.record.table.constants
            self.mapping = TableMapping(self.door.name, tuple(columns), constants)
        return data


def _field(part: str, spec: FieldSpec, how: ColumnMap | None) -> forms.Field:
    if part == "scale":
        return ScaleField(spec, initial=None if how is None else how.scale)
    if part == "values":
        return ValuesField(spec, initial=None if how is None else how.values)
    if part == "decimal":
        return forms.ChoiceField(
            choices=[(".", "decimal point"), (",", "decimal comma")],
            required=False,
            label=f"Decimals of {spec.name}",
            initial=how.decimal if how else ".",
        )
    if part == "dates":
        return forms.ChoiceField(
            choices=[*DATE_FORMATS.items()],
            required=False,
            label=f"How times of {spec.name} are written",
            initial=(how.dates if how else "") or "iso",
        )
    return ZoneField(spec, initial=how.zone if how else "")


class ScaleField(forms.CharField):
    """The ends of a column's scale: `1 to 5`."""

    def __init__(self, spec: FieldSpec, initial: Any) -> None:
        ends = "" if initial is None else f"{initial[0]:g} to {initial[1]:g}"
        super().__init__(
            required=False,
            max_length=60,
            initial=ends,
            label=f"Scale of {spec.name}",
            widget=forms.TextInput(attrs={"placeholder": "scale: 1 to 5"}),
        )

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        found = _SCALE.match(text)
        try:
            low, high = (float(end) for end in found.groups()) if found else (0.0, 0.0)
        except ValueError:
            low, high = 0.0, 0.0
        if not low < high:
            raise forms.ValidationError(
                f"Expected a scale from its lower to its higher end, such as 1 to 5; got {text!r}."
            )
        return low, high


class ValuesField(forms.CharField):
    """What words mean, one a line: `thumbs up = 1`."""

    def __init__(self, spec: FieldSpec, initial: Any) -> None:
        self.spec = spec
        lines = "\n".join(f"{word} = {meant}" for word, meant in (initial or {}).items())
        example = f"like = {next(iter(spec.choices))}" if spec.choices else "good = 1"
        super().__init__(
            required=False,
            max_length=WORDS_LENGTH,
            initial=lines,
            label=f"Words of {spec.name}",
            widget=forms.Textarea(attrs={"rows": 3, "placeholder": f"words: {example}"}),
        )

    def to_python(self, value: Any) -> Any:
        values: dict[str, Any] = {}
        for line in str(super().to_python(value)).splitlines():
            if not line.strip():
                continue
            word, separator, meant = (part.strip() for part in line.rpartition("="))
            if not separator or not word:
                raise forms.ValidationError(f"Expected WORD = MEANING, got {line.strip()[:60]!r}.")
            values[word] = self._meaning(meant)
        return values or None

    def _meaning(self, meant: str) -> Any:
        if self.spec.kind == "choice":
            if meant not in self.spec.choices:
                raise forms.ValidationError(
                    f"Expected one of {', '.join(self.spec.choices)}, got {meant[:40]!r}."
                )
            return meant
        number = read_number(meant)
        low, high = self.spec.low, self.spec.high
        is_inside = number is not None and (low is None or high is None or low <= number <= high)
        if not is_inside:
            ends = "" if low is None else f" from {low:g} to {high:g}"
            raise forms.ValidationError(f"Expected a number{ends}, got {meant[:40]!r}.")
        return number


class ZoneField(forms.CharField):
    """The name of a time zone."""

    def __init__(self, spec: FieldSpec, initial: str) -> None:
        super().__init__(
            required=False,
            max_length=60,
            initial=initial,
            label=f"Zone of {spec.name}",
            widget=forms.TextInput(attrs={"placeholder": "zone: Europe/Zurich"}),
        )

    def clean(self, value: Any) -> str:
        name = str(super().clean(value))
        if name:
            try:
                ZoneInfo(name)
            except (ValueError, OSError, LookupError):
                raise forms.ValidationError(
                    f"Expected the name of a zone, such as Europe/Zurich or UTC; got {name!r}."
                ) from None
        return name
