"""Writes events in the format that the reader reads."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from matching.domain.features.names import LOG_NAMES
from matching.domain.log.format import ID_FIELDS, SOURCE_CODES, EventColumns
from matching.domain.words import MatchType, Outcome, Preset


def write_log(events: EventColumns, feature_set: str = "") -> bytes:
    """Write events in the format that `read_log` reads, one line each.

    Names come in a fixed order; what is missing or not said is left out. Features are written with
    as many digits as tell float32 apart, so reading gives the very same values.

    Parameters
    ----------
    events : EventColumns
    feature_set : name of the formulas behind all of the features; empty says nothing

    Returns
    -------
    UTF-8 with "\\n" after each line.
    """
    if not len(events):
        return b""
    features = []
    for column, name in enumerate(LOG_NAMES):
        values = pa.array(events.features[:, column], from_pandas=True)
        written = _prefixed(f',"{name}":', pc.cast(values, pa.string()))
        features.append(pc.fill_null(written, ""))
    # Joined without a comma before the first one that is there.
    inside = pc.utf8_slice_codeunits(pc.binary_join_element_wise(*features, ""), 1)
    parts = [
        _prefixed('"matchType":', _names(MatchType.codes(), events.match_type)),
        pc.binary_join_element_wise('"features":{', inside, "}", ""),
        _prefixed('"outcome":', _names(Outcome.codes(), events.outcome)),
        _prefixed('"label":', pc.cast(pa.array(events.label.astype(np.int8)), pa.string())),
        _prefixed('"preset":', _names(Preset.codes(), events.preset)),
        _prefixed('"timestamp":', pc.cast(pa.array(events.occurred_ms), pa.string())),
        _prefixed('"source":', _names(SOURCE_CODES, events.source)),
    ]
    if feature_set:
        parts.append(pa.array([f'"featureSet":"{feature_set}"'] * len(events), pa.string()))
    for name in ID_FIELDS:
        values = events.ids[name]
        if any(value is not None for value in values):
            quoted = [None if value is None else orjson.dumps(value).decode() for value in values]
            parts.append(_prefixed(f'"{name}":', pa.array(quoted, pa.string())))
    objects = pc.binary_join_element_wise(*parts, ",", null_handling="skip")
    lines = pc.binary_join_element_wise("{", objects, "}\n", "")
    # The lines stand one after another in the buffer of the column, which may be larger.
    return bytes(memoryview(lines.buffers()[2])[: pc.sum(pc.binary_length(lines)).as_py()])


def _prefixed(prefix: str, values: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(prefix, values, "")


def _names(words: Mapping[str, int], codes: npt.NDArray[np.int16]) -> pa.Array:
    """Quoted words of codes; null for NOT_SAID."""
    quoted: list[str | None] = [None] * (1 + max(words.values()))
    for word, code in words.items():
        quoted[code] = f'"{word}"'
    return pa.array(quoted, pa.string()).take(pa.array(codes))
