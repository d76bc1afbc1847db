"""Which datasets had seen a person, and what of them names one."""

from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from feedback.domain.requirements import TABLES_READ
from feedback.models import QualityFeedback, Table
from project.removal.erasing import Erasing
from training.models import Dataset

NUMBERED: Final = (
    "user_id",
    "target_id",
    "partner_id",
)  # columns of a frame with numbers of people


def is_worded(kind: pa.DataType) -> bool:
    """Whether a column holds texts."""
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner))


def columns_of(schema: pa.Schema) -> list[str]:
    """Return the columns of a part in which somebody may be named."""
    return [
        one.name
        for one in schema
        if is_worded(one.type) or (one.name in NUMBERED and _is_number(one.type))
    ]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def without(table: pa.Table, erasing: Erasing) -> pa.Table:
    """Return a table in which nobody finds the person; the same rows in the same order.

    The very same object where the person is not in it.
    """
    for place, one in enumerate(table.schema):
        values = table[one.name]
        if is_worded(one.type):
            other = _words_without(values, one.type, erasing)
        elif one.name in NUMBERED and _is_number(one.type):
            other = _numbers_without(values, one.type, erasing.numbers, erasing.stand_in)
        else:
            continue
        if other is not None:
            table = table.set_column(place, one, other)
    return table


def _numbers_without(
    values: pa.ChunkedArray, kind: pa.DataType, numbers: Iterable[int], stand_in: int
) -> pa.ChunkedArray | None:
    hit = pc.is_in(values, value_set=pa.array(numbers, pa.int64()).cast(kind, safe=False))
    if not pc.any(hit).as_py():
        return None
    return pc.if_else(hit, pa.scalar(stand_in, pa.int64()).cast(kind, safe=False), values)


def _words_without(
    values: pa.ChunkedArray, kind: pa.DataType, erasing: Erasing
) -> pa.ChunkedArray | None:
    plain = values.cast(kind.value_type) if pa.types.is_dictionary(kind) else values
    said: list[Any] = pc.unique(plain).to_pylist()
    mentions = erasing.mentions
    others = {
        word: other
        for word in said
        if word is not None and (other := mentions.without(word, key="user_id")) != word
    }
    if not others:
        return None
    for word, other in others.items():
        plain = pc.if_else(pc.equal(plain, word), pa.scalar(other, plain.type), plain)
    return plain.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else plain


def has_read_answers(dataset: Dataset, erasing: Erasing) -> bool:
    """Whether a dataset was read from a source and a table in which the person had answered."""
    for entry in dataset.lineage:
        if entry.get("model") != "feedback.feedbacksource":
            continue
        if Table.QUALITY_FEEDBACK not in TABLES_READ.get(entry.get("table"), ()):
            continue
        answers = QualityFeedback.objects.filter(
            user_id__in=[*erasing.names, erasing.label],
            source=entry["id"],
            created_at__lte=dataset.created_at,
        )
        if answers.exists():
            return True
    return False
