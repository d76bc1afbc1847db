"""The work of jobs on files of groups and of trips: whole, or not at all."""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any, Final, cast

from matching.domain.doors import GROUPS, TRIPS
from matching.domain.profile_files import LIMITS, MAX_BYTES, Row, origin_said, profile_rows
from matching.jobs.arguments import ImportGroups, ImportSessions
from matching.models import ProfileImport, RefusedProfile
from matching.services import travel_files
from matching.services.refused_profiles import Source, keep_travel_rows
from project import words
from project.jobs.contract import Run, stored_arguments
from project.mappings.arguments import ASKS_ORIGIN, offer_in_part
from project.mappings.door import Decision, OpenTable, open_table, reopen_table
from project.refusal import Refusal
from project.tabular.doors import Door
from project.uploads.models import Upload
from project.uploads.services import get_upload, path_of, release_upload

CHUNK: Final = 1_000
NAMED: Final = 200  # refused rows named in a result; the count is always whole

Asked = ImportGroups | ImportSessions


def import_groups(run: Run, asked: ImportGroups) -> dict[str, Any]:
    """Add or update the groups of a file."""
    return _import(
        run, asked, GROUPS, "matching.import_groups", travel_files.check_groups,
        travel_files.save_groups, change="matching.change_travelgroup",
    )  # fmt: skip


def import_sessions(run: Run, asked: ImportSessions) -> dict[str, Any]:
    """Add or replace the trips of a file; their live copies follow."""
    return _import(
        run, asked, TRIPS, "matching.import_sessions", travel_files.check_trips,
        travel_files.save_trips, change="matching.change_travelsession",
    )  # fmt: skip


def _import(
    run: Run,
    asked: Asked,
    door: Door,
    kind: str,
    check: Callable[..., list[travel_files.Checked]],
    save: Callable[..., travel_files.Saved],
    *,
    change: str,
) -> dict[str, Any]:
    """Check all rows, then land them; a row that cannot be used keeps all of them out, unless the
    rest is wanted by that word."""
    upload = get_upload(asked.file)
    if upload.size > MAX_BYTES:
        raise Refusal(
            f"Expected at most {MAX_BYTES:,} bytes of {door.title}, got {upload.size:,}.",
            remedy="Split the file and import the parts.",
        )
    table = _open(run, upload, asked, door, kind)
    rows = [row for chunk in table.chunks() for row in profile_rows(chunk.came, chunk.mapped)]
    if not asked.origin and not any(origin_said(row.values) for row in rows):
        raise Refusal(
            f"{upload.name} says neither that its {door.title} are real nor that they are "
            "synthetic. Nothing has landed.",
            remedy="Say it with --origin real or --origin synthetic, or in a column origin.",
            details=ASKS_ORIGIN,
        )
    may_change = run.by.may(change)
    checked = check(rows, origin=asked.origin, may_change=may_change)
    problems = [one for one in checked if one.problem]
    _require_usable(upload.name, door, rows, problems, is_partial=asked.accept_partial)
    good = [one for one in checked if not one.problem]
    total = {"added": 0, "updated": 0, "unchanged": 0}
    for number, start in enumerate(range(0, len(good), CHUNK)):
        chunk = good[start : start + CHUNK]
        made = run.once(f"{kind}.rows", partial(save, chunk, by=run.user, upload=upload.pk), number)
        for name in total:
            total[name] += made[name]
        run.report(start + len(chunk), len(good), f"Importing {door.title}")
    source = Source(
        upload=upload.pk,
        file_name=upload.name,
        is_csv=table.file.found.format in ("csv", "xlsx", "parquet"),
        mapping=table.mapping,
        origin=asked.origin,
        holds=ProfileImport.Holds.GROUPS if door is GROUPS else ProfileImport.Holds.TRIPS,
    )
    run.once(f"{kind}.refused", partial(keep_travel_rows, checked, source=source))
    for file in ProfileImport.objects.filter(upload=upload.pk, refused__isnull=False)[:1]:
        run.add_list(RefusedProfile, f"Refused rows of {file}", file=file.pk, state="open")
    with run.transaction():
        release_upload(upload)
    decision = table.decision
    return {
        "file": upload.name,
        "rows": len(rows),
        **total,
        "rows_refused": len(problems),
        "mapping": decision["mapping_name"],
        "notes": [*decision["notes"], *decision["unusable"]],
        "errors": _named(problems),
    }


def _require_usable(
    name: str,
    door: Door,
    rows: Sequence[Row],
    problems: Sequence[travel_files.Checked],
    *,
    is_partial: bool,
) -> None:
    if not problems or (is_partial and len(problems) < len(rows)):
        return
    first = problems[0]
    left = f"{len(problems):,} of {len(rows):,} rows cannot be used and are left out."
    offer = offer_in_part(left, door.title) if len(problems) < len(rows) else {}
    raise Refusal(
        f"{len(problems):,} of the {words.tally(len(rows), 'row')} of {name} cannot be used. Line "
        f"{first.line}, {first.field}: {first.problem} Nothing has landed.",
        remedy="Mend the file and import it again; with --accept-partial the other rows land, and "
        "these wait to be mended in the admin: Refused rows.",
        details={**offer, "errors": _named(problems)},
    )


def _named(problems: Collection[travel_files.Checked]) -> list[dict[str, Any]]:
    return [
        {"line": one.line, "user": one.external_id, "field": one.field, "message": one.problem}
        for one in list(problems)[:NAMED]
    ]


def _open(run: Run, upload: Upload, asked: Asked, door: Door, kind: str) -> OpenTable:
    """Decide how a file is read, once for a job, whoever works on it."""
    decided = run.result_of(f"{kind}.reading")
    if decided is not None:
        return reopen_table(
            path_of(upload), upload.name, door, asked, cast(Decision, decided), LIMITS
        )
    opened = open_table(
        path_of(upload), upload.name, door, asked, limits=LIMITS, columns=asked.columns,
        kind=kind, arguments=stored_arguments(asked), by=run.by, add_record=run.add_record,
    )  # fmt: skip
    run.once(f"{kind}.reading", lambda: opened.decision)
    return opened
