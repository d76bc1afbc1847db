"""What the tables of feedback ask of a foreign table: fields, ranges, and what others call them."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from feedback.domain.tables import METRICS, TABLES, TableSpec, source_columns
from project.tabular.doors import Door, FieldSpec, joined_name
from project.tabular.mapping import TableMapping

# What others call a column, the likeliest first.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("feedback id", "row id", "rating id", "uuid", "guid", "record id"),
    "response_id": (
        "response", "message id", "answer id", "generation id", "completion id", "trace id",
        "request id",
    ),
    "quality_rating": (
        "rating", "stars", "thumbs", "thumb", "vote", "user rating", "csat", "csat score", "score",
        "quality", "feedback score", "satisfaction", "reaction", "user feedback", "feedback",
        "thumbs up", "liked", "is positive", "helpful", "value",
        "bewertung", "note", "sterne", "avis", "valoracion", "puntuacion", "valutazione", "voto",
    ),
    "quality_score": ("score", "quality", "quality rating", "rating", "value"),
    "user_rating": ("rating", "stars", "thumbs", "vote", "quality rating", "score", "feedback"),
    "predicted_quality": ("prediction", "predicted", "predicted score", "predicted rating"),
    "feedback_text": ("comment", "comments", "text", "feedback", "feedback comment", "message",
                      "note", "remark", "free text", "kommentar", "commentaire", "comentario",
                      "commento"),
    "provider": ("vendor", "llm provider", "model provider", "ai provider", "anbieter",
                 "fournisseur", "proveedor"),
    "model": ("model name", "llm", "llm model", "engine", "model id", "deployment", "ai model",
              "modell", "modele", "modelo", "modello"),
    "action_type": (
        "action", "task", "task type", "feature", "use case", "category", "prompt type",
    ),
    "session_id": ("session", "conversation id", "conversation", "chat id", "thread id"),
    "user_id": ("user", "customer id", "customer", "member id", "author id", "uid"),
    "scenario_id": ("scenario", "case id", "test case"),
    "experiment_name": ("experiment", "experiment id", "test name", "test"),
    "variant": ("arm", "group", "bucket", "treatment", "variation"),
    "created_at": (
        "timestamp", "time", "date", "created", "datetime", "ts", "created on", "created time",
        "submitted at", "inserted at", "rated at", "date time", "feedback time", "creation date",
        "event time", "logged at",
        "zeitpunkt", "zeit", "datum", "erstellt", "erstellt am", "horodatage", "fecha", "data",
        "creado", "cree le",
    ),
    "metadata": ("meta", "details", "metrics", "extra", "properties"),
}  # fmt: skip


# What an export has beside the table's own columns: what was kept of others, who a row is where it
# has no id, and whether people left it.
OWN_FIELDS: Final = (FieldSpec("extra", "object"), FieldSpec("row_uid"), FieldSpec("origin"))


def landing_columns(mapping: TableMapping) -> dict[str, str]:
    """Return the known columns that mapped rows have: each by its own name."""
    names = {one.field.partition(".")[0] for one in mapping.columns} | set(mapping.constants)
    if mapping.is_exact:
        names |= {one.name for one in OWN_FIELDS}
    return {name: name for name in sorted(names)}


def columns_at_source(
    spec: TableSpec, mapping: Mapping[str, Any], available: Collection[str]
) -> dict[str, str]:
    """Return known column to column at the source, as `source_columns`.

    A required column that is not mapped and not there by its name is looked for by the names that
    others give it.

    Raises
    ------
    MissingColumn
        When a required column is not there, or a mapped one.
    """
    entry = mapping.get(spec.name, {})
    mapped = dict(entry.get("columns", {}))
    taken = {*mapped.values(), *(one.name for one in spec.columns)}
    plain = {joined_name(name): name for name in available if name not in taken}
    for column in spec.columns:
        if column.is_required and column.name not in mapped and column.name not in available:
            field = DOORS[spec.name].field(column.name)
            there = next((plain[name] for name in field.all_names if name in plain), None)
            if there is not None:
                mapped[column.name] = there
    return source_columns(spec, {**mapping, spec.name: {**entry, "columns": mapped}}, available)


def _door(table: TableSpec, title: str) -> Door:
    fields = []
    for column in table.columns:
        is_share = column.kind == "share"
        fields.append(
            FieldSpec(
                column.name,
                "number" if is_share else column.kind,  # type: ignore[arg-type]
                is_required=column.is_required,
                low=0.0 if is_share else None,
                high=1.0 if is_share else None,
                names=NAMES.get(column.name, ()),
                is_rating=is_share,
            )
        )
        if column.kind == "object":
            fields += [
                FieldSpec(f"{column.name}.{key}", "number", low=low, high=high, names=(metric,))
                for key, (metric, low, high) in METRICS.items()
            ]
    return Door(f"feedback.{table.name}", title, tuple(fields), keeps_extra=True, own=OWN_FIELDS)


DOORS: Final[Mapping[str, Door]] = {
    "quality_feedback": _door(TABLES["quality_feedback"], "ratings of answers"),
    "explanations": _door(TABLES["explanations"], "explanations with their scores"),
    "ab_testing": _door(TABLES["ab_testing"], "ratings in an experiment"),
}
