"""Rows of people that an import refused: kept as they came, and tried again with corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from matching.domain.doors import PEOPLE
from matching.domain.profile_files import Row, id_of, profile_rows
from matching.models import ProfileImport, RefusedProfile
from matching.services.people import (
    CHUNK,
    STANDS_TWICE,
    ImportedRows,
    RefusedRow,
    import_profiles,
)
from project.mappings.refused import reading_with
from project.tabular import rows as tabular
from project.tabular.mapping import Mapper, TableMapping
from project.tabular.mend import kept

RETRY_ROWS: Final = 5_000  # at once: a page waits for them


@dataclass(frozen=True)
class Source:
    """A file of people, and how it is read.

    upload : its id
    is_csv : whether its rows are cells, not objects
    origin : real or synthetic, what all of them are; empty where each row says it
    """

    upload: UUID
    file_name: str
    is_csv: bool
    mapping: TableMapping
    origin: str


@transaction.atomic
def import_rows(
    rows: Sequence[Row],
    *,
    seen: Mapping[str, Row],
    source: Source,
    by: User | None,
    may_change: bool,
) -> ImportedRows:
    """Add or update the users of some rows of a file, and keep those that are refused."""
    made, refused = import_profiles(
        rows, seen=seen, by=by, may_change=may_change, origin=source.origin
    )
    file = None
    if refused:
        file, _ = ProfileImport.objects.get_or_create(
            upload=source.upload,
            defaults={
                "file_name": source.file_name[:255],
                "is_csv": source.is_csv,
                "mapping": source.mapping.as_dict(),
                "origin": source.origin,
            },
        )
    _settle(rows, refused, but_of=file)
    RefusedProfile.objects.bulk_create(
        [_as_record(one, file) for one in refused if file is not None], batch_size=CHUNK
    )
    return made


@transaction.atomic
def retry_profiles(rows: QuerySet[RefusedProfile], *, by: User) -> tuple[int, int]:
    """Try refused rows again with their corrections, each by the mapping of its file.

    What is refused again says why anew, under its line. Returns how many were tried, and how many
    landed.
    """
    keys = list(rows.order_by("source", "line", "pk").values_list("pk", "source")[:RETRY_ROWS])
    landed = 0
    seen: dict[tuple[int, str], Row] = {}
    for start in range(0, len(keys), CHUNK):
        of_file: dict[int, list[int]] = {}
        for pk, file in keys[start : start + CHUNK]:
            of_file.setdefault(file, []).append(pk)
        for chosen in of_file.values():
            landed += _retry_rows(chosen, seen, by)
    return len(keys), landed


def _retry_rows(keys: Sequence[int], seen: dict[tuple[int, str], Row], by: User) -> int:
    """Try rows of one file again; returns how many have landed since they were looked at."""
    found = RefusedProfile.objects.filter(pk__in=keys).select_related("source")
    records = [
        record
        for record in found.select_for_update(of=("self",)).order_by("line", "pk")
        if record.resolved_at is None and isinstance(record.mended, dict)
    ]
    tried: list[RefusedProfile] = []
    rows: list[Row] = []
    for record in records:
        row = _row_of(record)
        # The other row of its id may have landed long ago: only another id makes it another person.
        if record.reason != STANDS_TWICE or id_of(row.values) != record.external_id:
            tried.append(record)
            rows.append(row)
            seen.setdefault((record.source_id, id_of(row.values)), row)
    if tried:
        file = tried[0].source
        _, refused = import_profiles(
            rows,
            seen={id_of(row.values): seen[file.pk, id_of(row.values)] for row in rows},
            by=by,
            may_change=by.has_perm("matching.change_seeduser"),
            origin=file.origin,
        )
        again = {id(one.row): one for one in refused}
        for record, row in zip(tried, rows, strict=True):
            if (one := again.get(id(row))) is None:
                record.resolved_at = timezone.now()
            else:
                _say_why(record, one)
        RefusedProfile.objects.bulk_update(
            tried, ["resolved_at", "reason", "message", "field", "external_id"], batch_size=CHUNK
        )
        _settle(rows, refused, but_of=file)
    return RefusedProfile.objects.filter(pk__in=keys, resolved_at__isnull=False).count()


def _row_of(record: RefusedProfile) -> Row:
    """The row with its correction, which may say what its file has no column for."""
    mapping = reading_with(record.reading, PEOPLE, [record.correction])
    mended: Any = record.mended
    came = [tabular.Row(record.line, mended)]
    return profile_rows(came, Mapper(PEOPLE, mapping).apply([mended]))[0]


def _settle(
    rows: Sequence[Row], refused: Sequence[RefusedRow], *, but_of: ProfileImport | None
) -> None:
    """Rows of other files are no longer refused once their person has landed by one of these."""
    again = {id(one.row) for one in refused}
    landed = {id_of(row.values) for row in rows if id(row) not in again}
    others = RefusedProfile.objects.open().filter(external_id__in=landed)
    if but_of is not None:
        others = others.exclude(source=but_of)
    others.update(resolved_at=timezone.now())


def _as_record(refused: RefusedRow, file: ProfileImport) -> RefusedProfile:
    raw, is_cut = tabular.raw_of(refused.row.came)
    text, is_whole = kept(raw, is_cut=is_cut)
    record = RefusedProfile(source=file, line=refused.row.line, text=text, is_whole=is_whole)
    _say_why(record, refused)
    return record


def _say_why(record: RefusedProfile, refused: RefusedRow) -> None:
    first = next(iter(refused.problems))
    record.reason = refused.reason
    record.field = "" if first == "row" else first[:200]
    record.message = "; ".join(
        text if name == "row" else f"{name}: {text}" for name, text in refused.problems.items()
    )
    record.external_id = id_of(refused.row.values)[:100]
