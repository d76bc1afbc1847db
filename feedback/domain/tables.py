"""The three tables: their columns, which of them are needed, and how a source may call them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "share", "moment", "object"]

ID_CHARACTERS = 200  # a UUID has 36; longer ones are no identifiers
FEEDBACK_TEXT_CHARACTERS = 10_000
# Keys of `metadata`, their columns here, and the range in which they are believed.
METRICS: Mapping[str, tuple[str, float, float]] = {
    "codeQuality": ("code_quality", 0.0, 100.0),
    "testCoverage": ("test_coverage", 0.0, 100.0),
    "security": ("security", 0.0, 100.0),
    "performance": ("performance", 0.0, 100.0),
    "maintainability": ("maintainability", 0.0, 100.0),
    "complexity": ("complexity", 0.0, 100.0),
    "responseTime": ("response_time_ms", 0.0, 86_400_000.0),  # milliseconds, at most a day
}
QUALITY_METRICS = tuple(METRICS)[:6]
METRIC_COLUMNS = tuple(METRICS[name][0] for name in QUALITY_METRICS)


class MappingError(ValueError):
    """A mapping of tables and columns cannot be used; the message says why."""


class MissingColumn(LookupError):
    """A table lacks a column that cannot be done without; the message says what to do."""


class UnusableColumn(MissingColumn):
    """A column has a type that nothing can be read from; the message says what to do."""


@dataclass(frozen=True)
class Column:
    """One column: `share` is a number in [0, 1], `moment` a time, `object` a JSON object."""

    name: str
    kind: Kind = "text"
    is_required: bool = False
    max_characters: int = ID_CHARACTERS


@dataclass(frozen=True)
class TableSpec:
    """A table as Seedbed knows it.

    Attributes
    ----------
    name : the name in commands and records.
    default_table : the name at the source, unless mapped.
    columns : in the order of the source's own documentation; anything else is kept as extra.
    target : the column that a row is worthless without.
    """

    name: str
    default_table: str
    columns: tuple[Column, ...]
    target: str

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def _texts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


TABLES: Mapping[str, TableSpec] = {
    spec.name: spec
    for spec in (
        TableSpec(
            "quality_feedback",
            "ai_gm_quality_feedback",
            (
                *_texts("id", "response_id"),
                Column("quality_rating", "share", is_required=True),
                Column("feedback_text", max_characters=FEEDBACK_TEXT_CHARACTERS),
                *_texts("provider", "model", "action_type", "session_id", "user_id"),
                Column("created_at", "moment", is_required=True),
            ),
            target="quality_rating",
        ),
        TableSpec(
            "explanations",
            "ai_gm_explanations",
            (
                *_texts("id", "response_id"),
                Column("quality_score", "share", is_required=True),
                *_texts("provider", "model", "action_type", "scenario_id"),
                Column("created_at", "moment", is_required=True),
                Column("metadata", "object"),
            ),
            target="quality_score",
        ),
        TableSpec(
            "ab_testing",
            "ai_gm_ab_testing",
            (
                *_texts("id", "experiment_name", "variant", "response_id"),
                Column("user_rating", "share", is_required=True),
                Column("predicted_quality", "share"),
                *_texts("provider", "model", "action_type"),
                Column("created_at", "moment", is_required=True),
            ),
            target="user_rating",
        ),
    )
}


def check_mapping(mapping: Any) -> None:
    """Raise MappingError unless `mapping` names known tables and columns, and texts for them."""
    if not isinstance(mapping, dict):
        raise MappingError(f"Expected an object by table, got {type(mapping).__name__}.")
    for table, entry in mapping.items():
        if table not in TABLES:
            raise MappingError(f"There is no table {table!r}; expected {', '.join(TABLES)}.")
        if not isinstance(entry, dict) or set(entry) - {"table", "columns"}:
            raise MappingError(f'{table}: expected {{"table": ..., "columns": {{...}}}}.')
        if not isinstance(entry.get("table", ""), str):
            raise MappingError(f"{table}: the table's name must be a text; empty: not read.")
        columns = entry.get("columns", {})
        known = {column.name for column in TABLES[table].columns}
        if not isinstance(columns, dict) or set(columns) - known:
            raise MappingError(
                f"{table}: columns that can be mapped are {', '.join(sorted(known))}."
            )
        if not all(isinstance(name, str) and name for name in columns.values()):
            raise MappingError(f"{table}: each column is mapped to the name it has at the source.")


def source_table(spec: TableSpec, mapping: Mapping[str, Any]) -> str:
    """Return the table's name at the source; empty when it is not to be read."""
    return str(mapping.get(spec.name, {}).get("table", spec.default_table))


def source_columns(
    spec: TableSpec, mapping: Mapping[str, Any], available: Collection[str]
) -> dict[str, str]:
    """Return known column -> column at the source, for those that are there.

    Raises
    ------
    MissingColumn
        When a required column is not there, or a mapped one.
    """
    mapped = mapping.get(spec.name, {}).get("columns", {})
    found = {}
    for column in spec.columns:
        name = mapped.get(column.name, column.name)
        if name in available:
            found[column.name] = name
        elif column.is_required or column.name in mapped:
            raise MissingColumn(
                f"Table {source_table(spec, mapping) or spec.name} has no column {name!r}, which "
                f"{column.name} is read from; it has {', '.join(sorted(available)) or 'none'}. "
                f'Map it: "{spec.name}": {{"columns": {{"{column.name}": "<its name there>"}}}}, '
                "or grant SELECT on it."
            )
    return found
