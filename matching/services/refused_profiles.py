"""Rows of people, groups and trips that an import refused: kept as they came, and tried again with
corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet

from matching.domain.doors import GROUPS, PEOPLE, TRIPS
from matching.domain.profile_files import Row, id_of, profile_rows
from matching.models import ProfileImport, RefusedProfile
from matching.services import travel_files
from matching.services.people import (
    CHUNK,
    STANDS_TWICE,
    ImportedRows,
    RefusedRow,
    import_profiles,
)
from matching.services.travel_files import Checked
from project import clock
from project.mappings.refused import reading_with
from project.tabular import rows as tabular
from project.tabular.doors import Door
from project.tabular.mapping import Mapper, TableMapping
from project.tabular.mend import kept

RETRY_ROWS: Final = 5_000  # at once: a page waits for them
DOORS: Final[Mapping[str, Door]] = {
    ProfileImport.Holds.PEOPLE: PEOPLE,
    ProfileImport.Holds.GROUPS: GROUPS,
    ProfileImport.Holds.TRIPS: TRIPS,
}
CHANGES: Final[Mapping[str, str]] = {
    ProfileImport.Holds.PEOPLE: "matching.change_seeduser",
    ProfileImport.Holds.GROUPS: "matching.change_travelgroup",
    ProfileImport.Holds.TRIPS: "matching.change_travelsession",
}


@dataclass(frozen=True)
class Source:
    """A file, and how it is read.

    upload : its id
    is_csv : whether its rows are cells, not objects
    origin : real or synthetic, what all of them are; empty where each row says it
    """

    upload: UUID
    file_name: str
    is_csv: bool
    mapping: TableMapping
    origin: str
    holds: str = ProfileImport.Holds.PEOPLE


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
        rows,
        seen=seen,
        by=by,
        may_change=may_change,
        origin=source.origin,
        upload=source.upload,
    )
    _keep(rows, refused, source)
    return made


@transaction.atomic
def keep_travel_rows(checked: Sequence[Checked], *, source: Source) -> dict[str, int]:
    """Keep those rows of a file of groups or trips that were refused; the others have landed."""
    refused = _refused_of(checked)
    _keep([one.row for one in checked], refused, source)
    return {"kept": len(refused)}


def _keep(rows: Sequence[Row], refused: Sequence[RefusedRow], source: Source) -> None:
    file, _ = ProfileImport.objects.get_or_create(
        upload=source.upload,
        defaults={
            "file_name": source.file_name[:255],
            "is_csv": source.is_csv,
            "mapping": source.mapping.as_dict(),
            "origin": source.origin,
            "holds": source.holds,
        },
    )
    _settle(rows, refused, source.holds, but_of=file)
    RefusedProfile.objects.bulk_create([_as_record(one, file) for one in refused], batch_size=CHUNK)


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
        refused = _land_again(
            rows,
            file,
            seen={id_of(row.values): seen[file.pk, id_of(row.values)] for row in rows},
            by=by,
        )
        again = {id(one.row): one for one in refused}
        for record, row in zip(tried, rows, strict=True):
            if (one := again.get(id(row))) is None:
                record.resolved_at = clock.now()
            else:
                _say_why(record, one)
        RefusedProfile.objects.bulk_update(
            tried, ["resolved_at", "reason", "message", "field", "external_id"], batch_size=CHUNK
        )
        _settle(rows, refused, file.holds, but_of=file)
    return RefusedProfile.objects.filter(pk__in=keys, resolved_at__isnull=False).count()


def _land_again(
    rows: Sequence[Row], file: ProfileImport, *, seen: Mapping[str, Row], by: User
) -> list[RefusedRow]:
    may_change = by.has_perm(CHANGES[file.holds])
    if file.holds == ProfileImport.Holds.PEOPLE:
        _, refused = import_profiles(
            rows,
            seen=seen,
            by=by,
            may_change=may_change,
            origin=file.origin,
            upload=file.upload,
        )
        return refused
    is_of_groups = file.holds == ProfileImport.Holds.GROUPS
    check = travel_files.check_groups if is_of_groups else travel_files.check_trips
    save = travel_files.save_groups if is_of_groups else travel_files.save_trips
    first = [row for row in rows if seen[id_of(row.values)] is row]
    checked = check(first, origin=file.origin, may_change=may_change)
    save([one for one in checked if not one.problem], by=by, upload=file.upload)
    twice = [
        RefusedRow(row, STANDS_TWICE, {"external_id": f"It stands on line {before.line} already."})
        for row in rows
        if (before := seen[id_of(row.values)]) is not row
    ]
    return [*_refused_of(checked), *twice]


def _refused_of(checked: Sequence[Checked]) -> list[RefusedRow]:
    return [
        RefusedRow(one.row, one.reason, {one.field: one.problem}) for one in checked if one.problem
    ]


def _row_of(record: RefusedProfile) -> Row:
    """The row with its correction, which may say what its file has no column for."""
    door = DOORS[record.source.holds]
    mapping = reading_with(record.reading, door, [record.correction])
    mended: Any = record.mended
    came = [tabular.Row(record.line, mended)]
    return profile_rows(came, Mapper(door, mapping).apply([mended]))[0]


def _settle(
    rows: Sequence[Row],
    refused: Sequence[RefusedRow],
    holds: str,
    *,
    but_of: ProfileImport | None,
) -> None:
    """Rows of other files are no longer refused once what they are about has landed by one of
    these."""
    again = {id(one.row) for one in refused}
    landed = {id_of(row.values) for row in rows if id(row) not in again}
    others = RefusedProfile.objects.open().filter(source__holds=holds, external_id__in=landed)
    if but_of is not None:
        others = others.exclude(source=but_of)
    others.update(resolved_at=clock.now())


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
