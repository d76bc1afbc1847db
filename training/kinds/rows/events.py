"""Rows of events as the frame that match datasets are made of: names, order and dtypes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from matching.domain.features.names import FEATURE_NAMES
from matching.domain.words import MatchType
from matching.models import EventBatch
from project.bulk import read_arrow

PROBABILITIES = ("true_probability", "feature_probability")
IDENTIFIERS = ("user_id", "target_id", "group_id")
CONTEXT = ("id", "occurred_at", "match_type", *IDENTIFIERS)
MATCH_TYPE_DTYPE = pd.CategoricalDtype([match_type.value for match_type in MatchType])
# Stored code -> place among those categories.
_PLACES = {match_type.code: place for place, match_type in enumerate(MatchType)}


def load_match_events(batches: Sequence[EventBatch]) -> pd.DataFrame:
    """Read the events of complete batches, in the order of their ids.

    Returns
    -------
    DataFrame with event_key (the id, int64), batch_id (int64), occurred_at (UTC), match_type
    (category), user_id and partner_id (int64, or Int64 with gaps; absent when no row has one; a
    group's partner_id is below zero, so that users and groups share one space), the 13 features
    (float32, NaN where the input was missing or the feature does not apply), label (int8) and the
    two probabilities (float32, NaN for real events).
    """
    columns = ", ".join((*CONTEXT, "label", *FEATURE_NAMES, *PROBABILITIES))
    tables = [
        read_arrow(
            f"SELECT {columns} FROM matching_matchevent "  # noqa: S608 - constants of this module
            "WHERE id BETWEEN %s AND %s ORDER BY id",
            [batch.first_event_id, batch.last_event_id],
        )
        for batch in sorted(batches, key=lambda batch: int(batch.pk))
    ]
    table = pa.concat_tables(tables)
    tables.clear()
    # Handed over column by column: those that are in the frame already are freed.
    arrays = dict(zip(table.column_names, table.columns, strict=True))
    del table
    return _frame(arrays)


def _frame(table: dict[str, pa.ChunkedArray]) -> pd.DataFrame:
    places = np.full(1 + max(_PLACES), -1, np.int8)
    for code, place in _PLACES.items():
        places[code] = place
    match_types = places[table.pop("match_type").to_numpy()]
    event_id = table.pop("id").to_numpy()
    columns: dict[str, Any] = {
        "event_key": event_id,
        "batch_id": event_id >> EventBatch.ROW_BITS,
        "occurred_at": table.pop("occurred_at").to_pandas(),
        "match_type": pd.Categorical.from_codes(match_types, dtype=MATCH_TYPE_DTYPE),
    }
    user, target, group = (_identifiers(table.pop(name)) for name in IDENTIFIERS)
    no_target = np.ma.getmaskarray(target)
    partner = np.ma.MaskedArray(
        np.where(no_target, -group.data - 1, target.data), no_target & np.ma.getmaskarray(group)
    )
    for name, values in (("user_id", user), ("partner_id", partner)):
        mask = np.ma.getmaskarray(values)
        if not mask.any():
            columns[name] = values.data
        elif not mask.all():
            columns[name] = pd.arrays.IntegerArray(values.filled(0), mask)
    for name in FEATURE_NAMES:
        columns[name] = _reals(table.pop(name))
    columns["label"] = table.pop("label").to_numpy().astype(np.int8)
    for name in PROBABILITIES:
        columns[name] = _reals(table.pop(name))
    # Without copy=False pandas would hold all of it twice for a moment.
    return pd.DataFrame(columns, copy=False)


def _identifiers(column: pa.ChunkedArray) -> "np.ma.MaskedArray[Any, np.dtype[np.int64]]":
    mask = column.is_null().to_numpy()
    values = column.fill_null(0).to_numpy().astype(np.int64)
    return np.ma.MaskedArray(values, mask)


def _reals(column: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    # to_numpy turns NULL into NaN, and keeps four bytes a value.
    return np.asarray(column.to_numpy(), dtype=np.float32)
