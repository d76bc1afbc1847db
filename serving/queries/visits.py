"""Visits: of each person who was scored in an hour one row of the log, by lot.

Of pairs without names one row of each key and minute: who asks about one person again and again
does so at once, and would count as a crowd.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from django.db import connection

from matching.domain.features.columns import applicable
from matching.domain.features.names import FEATURE_NAMES
from matching.domain.words import MatchType
from matching.queries.identity import present_names
from serving.domain.inputs import bits_of

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Row = tuple[int, str, int | None, datetime, float | None, int, int, int | None, str]

# A visit's row is drawn, not its first: the first of a ranking is the best of many, and the best of
# different people resemble each other. %s: rows, then the id up to which visits were read.
_VISITS: Final = """
WITH marked AS (
    SELECT fresh.*, date_trunc(CASE WHEN left_id = '' THEN 'minute' ELSE 'hour' END, at) AS since,
           CASE WHEN left_id = '' THEN key_id END AS asked_by
      FROM ({rows}) fresh),
drawn AS (
    SELECT DISTINCT ON (left_id, asked_by, since) * FROM marked
     ORDER BY left_id, asked_by, since, hashtext(answer || place::text), id)
SELECT id, left_id, asked_by, since, score, missing, match_type, model_version, why_rules
  FROM drawn
 WHERE NOT EXISTS (
       SELECT FROM serving_scoredpair earlier
        WHERE earlier.left_id = drawn.left_id AND earlier.at >= drawn.since
          AND earlier.at < drawn.since + interval '1 hour' AND earlier.id <= %s
          AND date_trunc(CASE WHEN left_id = '' THEN 'minute' ELSE 'hour' END, earlier.at)
              = drawn.since
          AND (drawn.left_id <> '' OR earlier.key_id IS NOT DISTINCT FROM drawn.asked_by))
 ORDER BY id
"""
_AFTER: Final = "SELECT * FROM serving_scoredpair WHERE id > %s ORDER BY id LIMIT %s"
_BETWEEN: Final = (
    "SELECT * FROM serving_scoredpair WHERE at > %s AND at <= %s ORDER BY id DESC LIMIT %s"
)


@dataclass(frozen=True)
class Visits:
    """n visits in the order in which they were written.

    Attributes
    ----------
    people : digests of who they are of, by the present name of each.
    score : float64 (n,), NaN where there is none.
    missing, applies : bool (n, 13): features without an input; those that the match type has.
    version : int64 (n,), of the model that answered, 0 where the rules did.
    why_rules : why they did, empty for a model.
    """

    people: list[str]
    score: FloatArray
    missing: BoolArray
    applies: BoolArray
    version: npt.NDArray[np.int64]
    why_rules: list[str]

    @classmethod
    def of(cls, rows: list[Row]) -> Self:
        """Return what rows of the database say."""
        score = np.array([np.nan if row[4] is None else row[4] for row in rows], np.float64)
        former = present_names(row[1] for row in rows) if rows else {}
        masks = {code: applicable(MatchType.of_code(code)) for code in {row[6] for row in rows}}
        return cls(
            people=[_digest(row, former) for row in rows],
            score=score,
            missing=bits_of([row[5] for row in rows]),
            applies=np.array([masks[row[6]] for row in rows], np.bool_).reshape(
                len(rows), len(FEATURE_NAMES)
            ),
            version=np.array([row[7] or 0 for row in rows], np.int64),
            why_rules=[row[8] for row in rows],
        )

    def __len__(self) -> int:
        return len(self.people)


def visits_after(position: int, most: int) -> tuple[Visits, int, bool]:
    """Return the visits that begin among the next rows of the log.

    Parameters
    ----------
    position : id of the last row that was read; visits that began before are left out.
    most : rows to read.

    Returns
    -------
    The visits, the id of the last row read, and whether there may be more.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(id), count(*) FROM ({_AFTER}) fresh", [position, most])  # noqa: S608
        last, count = cursor.fetchone()
        if not count:
            return Visits.of([]), position, False
        cursor.execute(_VISITS.format(rows=_AFTER), [position, most, position])
        return Visits.of(cursor.fetchall()), last, count == most


def visits_between(since: datetime, until: datetime, most: int) -> Visits:
    """Return the visits of a time, at most those of its last `most` rows."""
    with connection.cursor() as cursor:
        cursor.execute(_VISITS.format(rows=_BETWEEN), [since, until, most, 0])
        return Visits.of(cursor.fetchall())


def _digest(row: Row, former: Mapping[str, str]) -> str:
    who = former.get(row[1], row[1]) or f"\0{row[2]} {row[3].isoformat()}"
    return blake2b(who.encode(), digest_size=16).hexdigest()
