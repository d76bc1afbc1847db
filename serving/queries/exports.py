"""What applications were answered, as it is taken away, chunk by chunk."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.words import MatchType, Outcome
from project.bulk import read_arrow
from serving.domain.inputs import STORED, names_of
from serving.domain.responses import response_id
from serving.models import ScoredPair

PAIR_ROWS: Final = 32_768  # of a chunk
_TABLE: Final = ScoredPair._meta.db_table
_WINDOW: Final = "(%s::timestamptz IS NULL OR at >= %s) AND (%s::timestamptz IS NULL OR at < %s)"

Window = tuple[datetime | None, datetime | None]


def count_pairs(window: Window) -> int:
    """Return how many pairs were scored in a window."""
    start, end = window
    pairs = ScoredPair.objects.all()
    pairs = pairs if start is None else pairs.filter(at__gte=start)
    return (pairs if end is None else pairs.filter(at__lt=end)).count()


def pair_chunk(window: Window, after: int) -> tuple[pa.Table, int | None]:
    """Read scored pairs behind an id: codes as words, features each in its column."""
    start, end = window
    rows = read_arrow(
        "SELECT id, answer, place, at, key_id, left_id, right_id, match_type, score, rule_score, "  # noqa: S608 - our own names
        "model_version, why_rules, feature_set, feature_revision, missing, features, share, "
        f"outcome, outcome_at, told_by, outcome_changes FROM {_TABLE} WHERE id > %s AND {_WINDOW} "
        "ORDER BY id LIMIT %s",
        [after, start, start, end, end, PAIR_ROWS],
    )
    said = rows.to_pydict()
    count = rows.num_rows
    kept = np.frombuffer(b"".join(said["features"]), STORED).reshape(count, len(FEATURE_NAMES))
    missing = {mask: list(names_of(mask)) for mask in set(said["missing"])}
    told = {one.value: str(one.label) for one in ScoredPair.ToldBy}
    ids = [response_id(*one) for one in zip(said["answer"], said["place"], strict=True)]
    columns: dict[str, Any] = {
        "response_id": pa.array(ids, pa.string()),
        "scored_at": rows.column("at"),
        "key": rows.column("key_id"),
        "left": rows.column("left_id"),
        "right": rows.column("right_id"),
        "match_type": _words(MatchType.codes(), said["match_type"]),
        **{name: rows.column(name) for name in ("score", "rule_score", "model_version")},
        **{name: rows.column(name) for name in ("why_rules", "feature_set", "feature_revision")},
        "missing": pa.array([missing[mask] for mask in said["missing"]], pa.list_(pa.string())),
        **{
            name: pa.array(kept[:, place].astype(np.float32), from_pandas=True)
            for place, name in enumerate(FEATURE_NAMES)
        },
        "share": rows.column("share"),
        "outcome": _words(Outcome.codes(), said["outcome"]),
        "outcome_at": rows.column("outcome_at"),
        "told_by": pa.array([told.get(one) for one in said["told_by"]], pa.string()),
        "outcome_changes": rows.column("outcome_changes"),
    }
    following = said["id"][-1] if count == PAIR_ROWS else None
    return pa.table(columns), following


def _words(codes: Any, given: Sequence[int | None]) -> pa.Array:
    words = {code: str(word) for word, code in codes.items()}
    return pa.array([None if code is None else words[code] for code in given], pa.string())
