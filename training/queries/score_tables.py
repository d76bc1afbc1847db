"""Tables of pairs, or of ready features, to be scored: what a table asks for, and its scores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from matching.domain.features.names import FEATURE_NAMES, LOG_NAMES
from project.outside import one_line
from project.refusal import Refusal
from project.tabular.doors import joined_name
from project.tabular.mapping import read_number
from project.tabular.rows import Limits, Row, TableFile
from project.tabular.sniff import FileRefused
from training.queries.pairs import Pair, score_pairs
from training.queries.scoring import ScoreFields, Scores, UnusableFeatures, score_vectors

ROWS: Final = 5_000  # of one table
LIMITS: Final = Limits(row_bytes=64 * 1024, json_bytes=16 * 1024 * 1024, rows=ROWS, columns=200)
LEFT: Final = ("left", "userid", "user", "asker", "person", "first", "who", "a")
RIGHT: Final = ("right", "targetid", "target", "partner", "groupid", "group", "second", "whom", "b")
FEATURES: Final = {joined_name(name): name for name in (*FEATURE_NAMES, *LOG_NAMES)}
HEADER: Final = (
    "line", "left", "right", "score", "served_by", "rule_score", "is_candidate", "missing",
)  # fmt: skip


class ScoredRow(ScoreFields):
    """The scores of one row of a table; names are empty where the row has ready features."""

    line: int
    left: str
    right: str


@dataclass(frozen=True)
class ScoredTable:
    """The scores of a table, row by row.

    Attributes
    ----------
    lines : where each row stands in the table.
    pairs : who was scored with whom; empty for rows of ready features.
    scores : in the order of the rows.
    ignored : columns that were not read.
    """

    lines: Sequence[int]
    pairs: Sequence[Pair]
    scores: Scores
    ignored: Sequence[str]

    def __len__(self) -> int:
        return len(self.lines)

    def as_rows(self) -> Iterator[ScoredRow]:
        """Yield each row's scores, with its line and the names of the pair."""
        pairs = self.pairs or [("", "")] * len(self.lines)
        for line, (left, right), fields in zip(
            self.lines, pairs, self.scores.as_rows(), strict=True
        ):
            yield {"line": line, "left": left, "right": right, **fields}

    def as_cells(self) -> Iterator[list[Any]]:
        """Yield each row's scores as cells below `HEADER`."""
        for row in self.as_rows():
            version = row["model_version"]
            yield [
                row["line"], row["left"], row["right"], row["score"],
                f"model {version}" if version else row["rule"], row["rule_score"],
                {True: "yes", False: "no", None: ""}[row["is_candidate"]],
                " ".join(row["missing"]),
            ]  # fmt: skip


def score_table(path: Path, name: str, *, may_see_people: bool) -> ScoredTable:
    """Score every row of a table, or refuse it: of pairs by external ids, or of ready features.

    Parameters
    ----------
    may_see_people : whether scores of people who are named may be given.

    Raises
    ------
    Refusal
        When it is no such table, has too many rows, or a row of it cannot be scored.
    """
    try:
        rows = list(TableFile(path, name=name, limits=LIMITS).rows())
    except FileRefused as error:
        raise Refusal(
            str(error), remedy=f"Give a table with a line of column names and up to {ROWS:,} rows."
        ) from error
    bad = next((row for row in rows if row.reason), None)
    if bad is not None or not rows:
        said = "It has no rows." if bad is None else f"Line {bad.line}: {bad.problem}"
        raise Refusal(said, remedy="Mend the table and score it again.")
    columns = list(dict.fromkeys(column for row in rows for column in row.values or {}))
    known = {joined_name(column): column for column in reversed(columns)}
    left, right = (next((known[n] for n in names if n in known), None) for names in (LEFT, RIGHT))
    lines = [row.line for row in rows]
    if left is not None and right is not None:
        if not may_see_people:
            raise Refusal(
                "Scores of people are for those who may see people.",
                remedy="Ask for the right to see them, or score ready features.",
            )
        pairs = _pairs(rows, left, right)
        ignored = [column for column in columns if column not in (left, right)]
        return ScoredTable(lines, pairs, score_pairs(pairs), ignored)
    features = {column: FEATURES[j] for j, column in known.items() if j in FEATURES}
    if not features:
        raise Refusal(
            "The table names neither two travellers nor features; its columns are "
            f"{one_line(', '.join(columns[:20]))}.",
            remedy="Name the columns left and right (external ids of a user, and of a user or "
            f"group), or by features: {', '.join(LOG_NAMES[:3])} and so on.",
        )
    scores = _score_vectors(rows, features)
    return ScoredTable(lines, [], scores, [one for one in columns if one not in features])


def _pairs(rows: Iterable[Row], left: str, right: str) -> list[Pair]:
    pairs = []
    for row in rows:
        a, b = (str((row.values or {}).get(column) or "").strip() for column in (left, right))
        if not a or not b:
            raise Refusal(
                f"Line {row.line} names nobody as {left if not a else right}.",
                remedy="Give both external ids in each row.",
            )
        pairs.append((a, b))
    return pairs


def _score_vectors(rows: Sequence[Row], features: Mapping[str, str]) -> Scores:
    vectors = []
    for row in rows:
        vector = {}
        for column, name in features.items():
            value = (row.values or {}).get(column)
            number = read_number(value)
            if number is None and value not in (None, ""):
                raise Refusal(
                    f"Line {row.line}: {column} is {one_line(str(value))[:40]!r}.",
                    remedy="Give numbers from 0 to 1, or leave the cell empty.",
                )
            vector[name] = number
        vectors.append(vector)
    try:
        return score_vectors(vectors)
    except UnusableFeatures as error:
        raise Refusal(str(error), remedy="Mend the table and score it again.") from error
