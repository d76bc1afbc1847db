"""Rows of the score log as a test wants them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db import connection

from matching.domain.words import MatchType
from project.bulk import copy_rows
from serving.domain.inputs import mask_of, to_bytes
from serving.domain.responses import make_answer
from serving.models import ScoredPair

NO_FEATURES = to_bytes(np.full(13, np.nan))


def log_pairs(
    left: Sequence[str],
    at: Sequence[datetime],
    score: Iterable[float],
    *,
    missing: Iterable[Iterable[str]] | None = None,
    version: int | None = 1,
    why: str = "",
    right: Sequence[str] | None = None,
    rule_score: Iterable[float] | None = None,
    **columns: Any,
) -> str:
    """Write one row for each of n pairs of one answer; returns the answer."""
    count = len(left)
    answer = make_answer()
    scores = np.array(list(score), dtype=np.float64)
    masks = [0] * count if missing is None else [mask_of(names) for names in missing]
    rows: dict[str, Any] = {
        "answer": [answer] * count,
        "place": np.arange(count),
        "at": list(at),
        "key_id": [1] * count,
        "left_id": list(left),
        "right_id": list(right or ("somebody",) * count),
        "match_type": [MatchType.USER_USER.code] * count,
        "score": scores,
        "rule_score": scores if rule_score is None else np.array(list(rule_score)),
        "model_version": [version] * count,
        "why_rules": [why] * count,
        "feature_set": ["smooth-1"] * count,
        "feature_revision": [3] * count,
        "missing": np.array(masks),
        "features": [NO_FEATURES] * count,
        "share": np.ones(count),
        "outcome_changes": np.zeros(count, np.int16),
    }
    copy_rows(connection, ScoredPair._meta.db_table, {**rows, **columns})
    return answer
