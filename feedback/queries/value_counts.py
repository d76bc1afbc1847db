"""What the columns of a source's table hold, counted at the source: no row has to be fetched."""

from collections.abc import Mapping
from typing import Final

import orjson
from psycopg import sql

from feedback.domain.row_format import decode_row
from feedback.queries.remote import NUMERIC_TYPES, Remote, RemoteTable, SourceUnreachable, text_of
from project.tabular.doors import Door, joined_name
from project.tabular.survey import SCALES, WORDS_KEPT, ColumnSurvey, Survey, survey_of_counts

JSON_TYPES: Final = ("json", "jsonb")
VALUE_CHARACTERS: Final = 200
SAMPLED_ROWS: Final = 50  # in which paths of objects are looked for
COUNTED_ROWS: Final = 2_000_000  # of a window, as they stand; a table may have a hundred times more


def survey_table(
    remote: Remote, table: RemoteTable, where: sql.Composable, door: Door, known: Mapping[str, str]
) -> Survey:
    """Look at the columns of numbers of a window; the other columns are only named.

    Of at most COUNTED_ROWS rows: what stands beyond is checked row by row as it lands.

    Parameters
    ----------
    known : field to the column that it is read from.
    """
    survey = Survey(door)
    survey.columns = {name: ColumnSurvey(name) for name in table.columns}
    paths = _paths(remote, table, door)
    survey.columns |= {path: ColumnSurvey(path) for path in paths}
    for spec in door.fields:
        if spec.kind != "number":
            continue
        head, _, key = spec.name.partition(".")
        column = known.get(head)
        if column is None or (key and table.columns[column] not in JSON_TYPES):
            continue
        path = f"{column}.{key}" if key else column
        found = _counts(remote, table, where, path)
        if key and not found:
            # What is looked for may stand deeper, under the same name.
            survey.columns.pop(path, None)
            names = {joined_name(key), *spec.all_names}
            deeper = (one for one in paths if joined_name(one.rpartition(".")[2]) in names)
            path = next((one for one in deeper if one.startswith(f"{column}.")), "")
            found = _counts(remote, table, where, path) if path else []
        if key and not found:
            continue
        surveyed = survey_of_counts(path, found, door)
        if len(found) > WORDS_KEPT and not key and table.columns[column] in NUMERIC_TYPES:
            _count_outside(remote, table, where, surveyed)
        survey.columns[path] = surveyed
    return survey


def _paths(remote: Remote, table: RemoteTable, door: Door) -> list[str]:
    """Paths in the objects of the first rows, as far as they lead."""
    objects = [name for name, kind in table.columns.items() if kind in JSON_TYPES]
    if not objects:
        return []
    looked_at = Survey(door)
    rows = [decode_row(row) for row in remote.first_rows(table, SAMPLED_ROWS)]
    looked_at.add([row for row in rows if isinstance(row, dict)])
    return [path for path in looked_at.columns if path.partition(".")[0] in objects and "." in path]


def _counts(
    remote: Remote, table: RemoteTable, where: sql.Composable, path: str
) -> list[tuple[object, int]]:
    """The commonest values of a column, or at a path of its objects, and how often they came."""
    column, *keys = [path] if path in table.columns else path.split(".")
    value: sql.Composable = sql.Identifier(column)
    if keys:
        value = sql.SQL("({}::jsonb #> {}::text[])").format(value, sql.Literal(keys))
    query = sql.SQL(
        "SELECT value, count(value)::text FROM "
        "(SELECT to_json({value})::text AS value FROM {source} WHERE {where} LIMIT {counted}) v "
        "WHERE value IS NOT NULL AND length(value) <= {most} GROUP BY 1 "
        "ORDER BY count(value) DESC, 1 LIMIT {limit}"
    ).format(
        value=value,
        source=table.source,
        where=where,
        most=sql.Literal(VALUE_CHARACTERS),
        limit=sql.Literal(WORDS_KEPT + 1),
        counted=sql.Literal(COUNTED_ROWS),
    )
    rows = remote.ask(query, columns=2, rows=WORDS_KEPT + 1)
    counts = []
    for value_text, count in rows:
        told = text_of(value_text)
        value_told = decode_row(told.encode())
        if value_told is None and told != "null":
            raise SourceUnreachable(f"Expected a value as JSON, got {told[:80]}.")
        counts.append((value_told, remote.number_of(text_of(count), "a count of values")))
    return counts


def _count_outside(
    remote: Remote, table: RemoteTable, where: sql.Composable, known: ColumnSurvey
) -> None:
    """Count exactly what lies outside each scale, of a column of more values than are listed."""
    column = sql.Identifier(known.name)
    counts = [
        sql.SQL("count({c}) FILTER (WHERE {c} < {low} OR {c} > {high})").format(
            c=column, low=sql.Literal(low), high=sql.Literal(high)
        )
        for low, high in SCALES
    ]
    inside = sql.SQL("count({c}) FILTER (WHERE {c} > 0 AND {c} < 1)").format(c=column)
    query = sql.SQL(
        "SELECT json_build_array(count({c}), {inside}, min({c}), max({c}), {counts})::text "
        "FROM (SELECT {c} FROM {source} WHERE {where} LIMIT {counted}) v"
    ).format(
        c=column,
        inside=inside,
        counts=sql.SQL(", ").join(counts),
        source=table.source,
        where=where,
        counted=sql.Literal(COUNTED_ROWS),
    )
    ((told,),) = remote.ask(query, columns=1, rows=1)
    try:
        filled, fractions, low, high, *outside = orjson.loads(text_of(told))
        known.rows = known.number_count = known.comma_count = int(filled)
        known.blank = known.text_count = 0
        known.fractions, known.low, known.high = int(fractions), float(low), float(high)
        for scale, count in zip(SCALES, outside, strict=True):
            known.outside[scale] = int(count)
    except (ValueError, TypeError) as error:
        raise SourceUnreachable("Expected counts of numbers, got something else.") from error
