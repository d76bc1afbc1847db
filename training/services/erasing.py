"""Takes one person out of the files of datasets and models: figures stay as they are."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from django.db import transaction

from project import clock
from project.removal.erasing import Erasing, allow_changes
from project.storage.artifacts import blobs_of, read_verified, verified_path, write_files
from project.storage.blobs import digest_of
from project.storage.failures import ArtifactMissing
from training.models import Dataset, ErasedFrom, ModelVersion
from training.queries.erasing import columns_of, has_read_answers, without
from training.services.datasets import MANIFEST, PARTS, write_csv, write_parquet

TEXTS = ("recipe", "lineage", "vocabulary", "report", "dropped", "histograms")


@transaction.atomic
def rewrite_dataset(number: int, erasing: Erasing) -> bool:
    """Put others in the place of a dataset's files where they name the person, and mark it.

    Rows, their order and every figure stay. Returns whether the dataset had seen the person.
    """
    dataset = Dataset.objects.select_for_update(of=("self",)).get(pk=number)
    changed: dict[str, Any] = {}
    has_seen = has_read_answers(dataset, erasing)
    for part in PARTS:
        table = _rewritten_part(dataset, part, erasing)
        if table is not None:
            every = np.ones(len(table), np.bool_)
            changed[f"{part}.parquet"] = partial(write_parquet, table, every)
            changed[f"{part}.csv"] = partial(write_csv, table, every)
    has_seen |= bool(changed)
    texts = _rewritten_texts(dataset, TEXTS, erasing)
    changed |= _rewritten_json(dataset, erasing)
    if changed and MANIFEST in dataset.files:
        content = changed.pop(MANIFEST, None) or _read(dataset, MANIFEST)
        changed[MANIFEST] = _manifest_with_digests(content)
    _put(dataset, changed, texts)
    if has_seen or changed or texts:
        _mark(dataset)
        return True
    return False


@transaction.atomic
def rewrite_model(number: int, erasing: Erasing) -> bool:
    """Do the same to the texts beside a model; what it learnt stays, and names nobody."""
    model = ModelVersion.objects.select_for_update(of=("self",)).get(pk=number)
    changed = _rewritten_json(model, erasing)
    texts = _rewritten_texts(model, ("vocabulary",), erasing)
    _put(model, changed, texts)
    return bool(changed or texts)


def remove_earlier_places(record: Dataset | ModelVersion) -> None:
    """Remove what editions before the store kept of a record's files on this machine."""
    for blob in blobs_of(record.folder, record.files):
        if blob.earlier is not None:
            blob.earlier.unlink(missing_ok=True)


def _rewritten_part(dataset: Dataset, part: str, erasing: Erasing) -> pa.Table | None:
    """Return a part of a dataset without the person; None where the person is not in it."""
    name = f"{part}.parquet"
    if name not in dataset.files:
        return None
    try:
        path = verified_path(dataset.folder, name, dataset.files[name])
    except ArtifactMissing:
        return None
    file = pq.ParquetFile(path)
    looked_at = file.read(columns=columns_of(file.schema_arrow))
    if without(looked_at, erasing) is looked_at:
        return None
    return without(file.read(), erasing)


def _rewritten_json(record: Dataset | ModelVersion, erasing: Erasing) -> dict[str, bytes]:
    changed = {}
    for name in record.files:
        if not name.endswith(".json"):
            continue
        content = _read(record, name)
        given = orjson.loads(content or b"null")
        other = erasing.mentions.without(given)
        if other != given:
            changed[name] = orjson.dumps(other, option=orjson.OPT_INDENT_2)
    return changed


def _read(record: Dataset | ModelVersion, name: str) -> bytes:
    try:
        return read_verified(record.folder, name, record.files[name])
    except ArtifactMissing:
        return b""


def _rewritten_texts(record: Any, columns: tuple[str, ...], erasing: Erasing) -> dict[str, Any]:
    found = {name: erasing.mentions.without(getattr(record, name)) for name in columns}
    return {name: value for name, value in found.items() if value != getattr(record, name)}


def _manifest_with_digests(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        manifest = orjson.loads(content or b"{}")
        digests = {**manifest.get("sha256", {})}
        for file in sorted(path.parent.iterdir()):
            if file != path:
                digests[file.name] = digest_of(file)
        told = {**manifest, "sha256": digests}
        path.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))

    return write


def _put(
    record: Dataset | ModelVersion, changed: Mapping[str, Any], texts: Mapping[str, Any]
) -> None:
    if not changed and not texts:
        return
    allow_changes()
    # The manifest comes last: it names the digests of the others.
    ordered = dict(sorted(changed.items(), key=lambda one: one[0] == MANIFEST))
    files = {**record.files, **(write_files(record.folder, ordered) if ordered else {})}
    type(record)._base_manager.filter(pk=record.pk).update(files=files, **texts)


def _mark(dataset: Dataset) -> None:
    mark, is_new = ErasedFrom.objects.get_or_create(dataset=dataset)
    if not is_new:
        mark.people, mark.at = mark.people + 1, clock.now()
        mark.save(update_fields=["people", "at"])
