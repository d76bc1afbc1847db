"""Landing the events of a log, each once."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypedDict
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.utils import timezone
from psycopg.errors import UniqueViolation

from matching.domain.log.account import Account, ImportedLog
from matching.domain.log.format import (
    CHANGED_EVENT,
    COMPUTED,
    HAS_FEATURES,
    LOGGED,
    NO_FEATURES,
    with_products,
)
from matching.domain.log.reader import LogChunk, RejectedLine
from matching.domain.summaries import Summary, add_summaries, summarise_events
from matching.domain.words import ALREADY_KNOWN, FeatureSet, OnChange, revision_of
from matching.models import (
    EventBatch,
    MatchEvent,
    RejectedEvent,
)
from matching.queries.behaviour import TRIPS, ComputedFeatures, compute_logged
from matching.queries.differing import find_differing
from matching.queries.event_rows import as_rows
from matching.queries.known_events import (
    add_count,
    can_be_tiered,
    count_known,
    find_own,
    require_origin_said,
    signs_of_drawing,
    temporary_table,
)
from matching.services.batches import abandon_batch
from matching.services.corrections import (
    RIGHT,
    apply_changes,
    keep_waiting,
    why_refused,
)
from matching.services.identity import hold_names
from project import clock, words
from project.acting import Actor, current_actor
from project.bulk import copy_rows
from project.origin import Origin
from project.tabular.mend import KEPT_BYTES, KEPT_TOTAL
from project.tabular.mend import kept as kept_as
from project.uploads.models import Upload
from project.uploads.services import get_upload, path_of

_EVENTS = MatchEvent._meta.db_table


class OpenedImport(TypedDict, total=False):
    """The batch that a log lands in, or the account of a file that was imported before."""

    batch: int
    known_file: ImportedLog


def open_import(
    stored: Upload,
    *,
    origin: str | None,
    feature_set: str,
    on_change: str = OnChange.REPLACE,
    actor: Actor,
) -> OpenedImport:
    """Open the batch of a log, or return the account of a file that was imported before.

    Who may not change events has the lines that would do so refused.
    """
    earlier = EventBatch.objects.complete().filter(file_sha256=stored.sha256).first()
    if earlier is not None:
        return {"known_file": _known_file(earlier, stored)}
    origin = origin or require_origin_said(path_of(stored), stored.name)
    asked, feature_set = feature_set, feature_set or FeatureSet.LOGGED.value
    parameters = {"origin": origin, "feature_set": asked, "on_change": on_change}
    if on_change == OnChange.REPLACE and not actor.may(RIGHT):
        parameters.update(on_change=OnChange.REFUSE.value, may_not_change=actor.name)
    batch = EventBatch.objects.create(
        uid=UUID(hex=stored.sha256[:32]),
        method=EventBatch.Method.IMPORTED,
        origin=Origin(origin).code,
        feature_set=feature_set,
        feature_revision=revision_of(feature_set),
        # What the log was made with is known once all of it is read.
        parameters=parameters,
        file_name=stored.name,
        file_sha256=stored.sha256,
        created_by=actor.user,
    )
    return {"batch": batch.pk}


def require_origins(uploads: Sequence[UUID]) -> dict[str, Any]:
    """Ask for the origin of logs that do not tell it, before one of them lands."""
    for upload in uploads:
        stored = get_upload(upload)
        if not EventBatch.objects.complete().filter(file_sha256=stored.sha256).exists():
            require_origin_said(path_of(stored), stored.name)
    return {}


def land_chunk(
    batch: EventBatch, chunk: LogChunk, *, may_be_known: bool = True, kept_bytes: int = 0
) -> tuple[Account, Summary]:
    """Write the events of a chunk that are new, and keep the lines that were refused.

    Those are kept whole as long as `kept_bytes`, of those before, and their own are not too many.
    """
    account, summary, refused = land_lines(batch, chunk, may_be_known=may_be_known)
    account.kept_bytes = keep_rejected(batch, refused, kept_bytes)
    return account, summary


def land_lines(
    batch: EventBatch, chunk: LogChunk, *, may_be_known: bool = True
) -> tuple[Account, Summary, list[RejectedLine]]:
    """Write the events of a chunk that are new; returns the lines that were refused too.

    Where none is known, as in most logs, the rows go straight into their table: half the work of
    going by a table beside it. `may_be_known` says that it is not worth trying.
    """
    hold_names()
    account = Account(
        found=len(chunk.events) + len(chunk.rejected) + chunk.exposures,
        exposures=chunk.exposures,
        ignored=chunk.ignored,
        feature_sets=chunk.feature_sets,
    )
    account.reject(chunk.rejected)
    rejected = chunk.rejected
    chunk, unlike = _only_alike(batch, chunk, account)
    account.reject(unlike)
    computed: ComputedFeatures | None = None
    if batch.parameters.get("features") == COMPUTED:
        computed = compute_logged(chunk.events, batch.feature_set)
        events = replace(chunk.events, features=computed.features)
    else:
        events = with_products(chunk.events)
    chunk = replace(chunk, events=events)
    twins = find_own(chunk.events.ids["eventId"], account)
    fresh = np.flatnonzero(twins == 0)
    refused: list[RejectedLine] = []
    if len(fresh) < len(twins):
        own = np.flatnonzero(twins)
        with temporary_table("own_event", f"LIKE {_EVENTS}, twin bigint") as table:
            rows = {
                **as_rows(chunk, own, first=batch.first_event_id, origin=batch.origin),
                "twin": twins[own],
            }
            copy_rows(connection, table, rows)
            refused += _correct(table, batch, chunk, account, is_own=True)
    rows = as_rows(chunk, fresh, first=batch.first_event_id, origin=batch.origin)
    if may_be_known or not _land_all(rows):
        with temporary_table("incoming_event", f"LIKE {_EVENTS}") as table:
            copy_rows(connection, table, rows)
            with connection.cursor() as cursor:
                cursor.execute(
                    f"INSERT INTO {_EVENTS} SELECT * FROM {table} ORDER BY id "  # noqa: S608 - own names
                    "ON CONFLICT (event_key) WHERE event_key IS NOT NULL DO NOTHING"
                )
                account.new = cursor.rowcount
            if account.new < len(fresh):
                count_known(table, account, batch)
                refused += _correct(table, batch, chunk, account)
                fresh = np.flatnonzero(np.isin(chunk.lines, _landed_lines(batch, chunk)))
    else:
        account.new = len(fresh)
    account.known = len(chunk.events) - account.new - account.changed - len(refused)
    account.reject(refused)
    if computed is not None:
        account.people_known = int(computed.is_known[fresh].sum())
        account.trips = computed.count_trips(fresh)
    summary = summarise_events(events.outcome[fresh], events.features[fresh].T)
    return account, summary, [*rejected, *unlike, *refused]


def _only_alike(
    batch: EventBatch, chunk: LogChunk, account: Account
) -> tuple[LogChunk, list[RejectedLine]]:
    """Keep the lines that have features, or have none, as the first good lines of the log do.

    Features that are computed here do not stand among logged ones. A log of which any of the first
    lines has features is one of logged features.
    """
    has = chunk.events.has_features
    account.with_features, account.without_features = int(has.sum()), int((~has).sum())
    if not len(has):
        return chunk, []
    if "features" not in batch.parameters:
        _decide_features(batch, is_logged=bool(has.any()))
    is_logged = batch.parameters["features"] == LOGGED
    alike = has == is_logged
    if alike.all():
        return chunk, []
    reason = NO_FEATURES if is_logged else HAS_FEATURES
    message = (
        "Expected features, as other lines of this log have or --feature-set logged-1 says. Import "
        "lines without features as a log of their own."
        if is_logged
        else "Expected no features: the lines before have none, and theirs are computed from "
        "profiles. Import lines with features as a log of their own."
    )
    unlike = [
        RejectedLine(int(chunk.lines[row]), reason, message, chunk.originals[row])
        for row in np.flatnonzero(~alike)
    ]
    return chunk.take(np.flatnonzero(alike)), unlike


def _decide_features(batch: EventBatch, *, is_logged: bool) -> None:
    """Keep whether the features of a batch are logged; then none are computed."""
    asked = batch.parameters["feature_set"]
    if not is_logged and asked != FeatureSet.LOGGED:
        batch.parameters["features"] = COMPUTED
        batch.feature_set = asked or FeatureSet.SMOOTH.value
        batch.feature_revision = revision_of(batch.feature_set)
    else:
        batch.parameters["features"] = LOGGED
    batch.save(update_fields=["parameters", "feature_set", "feature_revision"])


def _correct(
    table: str, batch: EventBatch, chunk: LogChunk, account: Account, *, is_own: bool = False
) -> list[RejectedLine]:
    """Keep what the lines of known events say otherwise until the import is complete.

    Returns those that may not change what is here, with the reason.
    """
    has_features = batch.parameters.get("features") != COMPUTED
    differing = find_differing(table, batch, is_own=is_own, has_features=has_features)
    if batch.parameters["on_change"] != OnChange.REPLACE:
        differing = differing.those(differing.is_other)
    if not len(differing.lines):
        return []
    numbers = differing.batches
    for number, count in zip(*np.unique(numbers, return_counts=True), strict=True):
        if number != batch.pk:
            add_count(account.known_in, int(number), -int(count))
    reasons = why_refused(batch, numbers)
    taken = np.array([not reasons[int(number)] for number in numbers], bool)
    account.changed += int(taken.sum())
    keep_waiting(table, batch, differing.those(taken), current_actor().name)
    places = np.searchsorted(chunk.lines, differing.lines[~taken])
    return [
        RejectedLine(int(line), CHANGED_EVENT, reasons[int(number)], chunk.originals[place])
        for line, number, place in zip(
            differing.lines[~taken], numbers[~taken], places, strict=True
        )
    ]


def complete_import(
    batch: EventBatch, stored: Upload, account: Account, summaries: Sequence[Summary]
) -> ImportedLog:
    """Open a batch to readers; one that brought nothing and refused nothing goes again."""
    now = clock.now()
    corrected = apply_changes(batch, account, now)
    result = account.as_result(stored.name, stored.sha256, Origin.of_code(batch.origin))
    result["on_change"] = batch.parameters["on_change"]
    is_computed = batch.parameters.get("features") == COMPUTED
    result["features"] = batch.parameters.get("features", "")
    if is_computed and account.new:
        result["people_known"] = account.people_known / account.new
    nothing = _why_nothing(account, is_computed=is_computed)
    if nothing or not (account.new or account.rejected or account.changed):
        # Nothing was added and nothing is to be looked at, or nothing of it can be used.
        abandon_batch(batch)
        batch.delete()
        return {**result, "new": 0, "nothing_usable": nothing}
    batch.asked = account.found
    batch.made = account.new
    batch.summary = add_summaries([*summaries, *([] if corrected is None else [corrected])])
    batch.skipped = {
        reason: {
            "count": count,
            "examples": [
                {"line": example["line"]}
                for example in account.examples
                if example["reason"] == reason
            ],
        }
        for reason, count in account.rejected.items()
    }
    if account.known:
        batch.skipped[ALREADY_KNOWN] = {
            "count": account.known,
            "examples": [{"batch": int(pk), "count": n} for pk, n in account.known_in.items()],
        }
    if not is_computed:
        batch.feature_set = batch.parameters["feature_set"] or feature_set_of(batch, account)
        batch.feature_revision = revision_of(batch.feature_set)
    signs = signs_of_drawing(batch)
    batch.parameters = {
        **batch.parameters,
        "ignored": account.ignored,
        "changed_in": account.changed_in,
        "exposures": account.exposures,
        "with_features": account.with_features,
        "without_features": account.without_features,
        "people_known": account.people_known,
        "trips": account.trips,
        "feature_sets_said": account.feature_sets,
        "looks_drawn": signs,
    }
    warnings = _warn_of_features(batch, account)
    if signs:
        warnings.append(
            f"The events are said to be real, but {words.listed(signs)}. If a program drew them, "
            "they are synthetic: delete this batch and import the log again with --origin "
            "synthetic."
        )
    if len([name for name in account.feature_sets if name]) > 1:
        named = ", ".join(sorted(name for name in account.feature_sets if name))
        warnings.append(
            f"The lines name several feature sets ({named}), so that they are kept as "
            f"{batch.feature_set}; import each set by itself to keep its name."
        )
    batch.state = EventBatch.State.COMPLETE
    batch.completed_at = now
    batch.save(
        update_fields=[
            *("asked", "made", "summary", "skipped", "parameters", "state", "completed_at"),
            *("feature_set", "feature_revision"),
        ]
    )
    return {
        **result,
        "batch": batch.pk,
        "feature_set": batch.feature_set,
        "warnings": warnings,
    }


def _why_nothing(account: Account, *, is_computed: bool) -> str:
    """Say why nothing of a log can be used; empty where something can, or nothing was there."""
    if not account.found or account.known or account.changed:
        return ""
    if is_computed and account.new and not account.people_known:
        return (
            f"its {words.tally(account.new, 'event')} {words.bend(account.new, 'has', 'have')} "
            "no features, and none of them is of people who are "
            "known here by id"
        )
    if account.new:
        return ""
    if account.rejected:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in account.rejected.items())
        first = account.examples[0]
        views = f" and {account.exposures:,} are views alone" if account.exposures else ""
        return (
            f"of {account.found:,} lines {account.rejected_count:,} were refused ({reasons}; line "
            f"{first['line']:,}: {first['message']}){views}"
        )
    return (
        f"its {words.tally(account.exposures, 'line')} "
        f"{words.bend(account.exposures, 'is', 'are')} views, which are no outcomes"
    )


def not_in_it(count: int, found: int, name: str) -> str:
    """Say of a log that was taken in part how much of it is not in its batch."""
    return (
        f"{count:,} of {found:,} lines of {name} are not in it: a column of them could not be "
        "used, and the rest was taken as asked."
    )


def _warn_of_features(batch: EventBatch, account: Account) -> list[str]:
    """Say what the features of a log are that has not logged them, or not on every line."""
    warnings = []
    with_features, without = account.with_features, account.without_features
    if with_features and without:
        refused = "without" if batch.parameters["features"] == LOGGED else "with"
        warnings.append(
            f"{words.tally(with_features, 'line')} {words.bend(with_features, 'has', 'have')} "
            f"features, {without:,} without. The two do not "
            f"stand in one batch: those {refused} were refused; import them as a log of their own."
        )
    if batch.parameters.get("features") != COMPUTED:
        return warnings
    strangers = account.new - account.people_known
    warnings.append(
        f"The log has no features: {batch.feature_set} was computed from the profiles of "
        f"{timezone.localdate(batch.created_at)}, not of the time of the events."
    )
    if strangers:
        warnings.append(
            f"{strangers:,} of {account.new:,} events are of people who are not known here by id; "
            "they are counted, and left out of datasets."
        )
    told = {name: account.trips.get(name, 0) for name in TRIPS[1:]}
    if any(told.values()):
        warnings.append(
            f"Trips: {', '.join(f'{count:,} {name}' for name, count in account.trips.items())}. "
            "Without one the features that need a trip are missing."
        )
    return warnings


def feature_set_of(batch: EventBatch, account: Account) -> str:
    """The one set that all lines name; else tiered-1 if its tiers can give all values."""
    said = set(account.feature_sets)
    if len(said) == 1 and "" not in said:
        return said.pop()
    is_tiered = said <= {"", FeatureSet.TIERED} and can_be_tiered(batch)
    return FeatureSet.TIERED.value if is_tiered else FeatureSet.LOGGED.value


def _known_file(earlier: EventBatch, stored: Upload) -> ImportedLog:
    """Return the account of a file whose every byte was imported before: nothing is new."""
    account = Account(found=earlier.asked)
    for reason, skipped in earlier.skipped.items():
        if reason != ALREADY_KNOWN:
            account.rejected[reason] = skipped["count"]
    account.exposures = earlier.parameters.get("exposures", 0)
    account.known = account.found - account.rejected_count - account.exposures
    account.known_in = {str(earlier.pk): account.known}
    result = account.as_result(stored.name, stored.sha256, Origin.of_code(earlier.origin))
    return {**result, "batch": earlier.pk, "is_known_file": True}


def _land_all(rows: dict[str, Any]) -> bool:
    """Write rows that are all new; False, and nothing is written, when one of them is known."""
    try:
        with transaction.atomic():
            copy_rows(connection, _EVENTS, rows)
    except Exception as error:
        if isinstance(error, UniqueViolation) or isinstance(error.__cause__, UniqueViolation):
            return False
        raise
    return True


def _landed_lines(batch: EventBatch, chunk: LogChunk) -> npt.NDArray[np.int64]:
    ids = batch.first_event_id + chunk.lines[[0, -1]] - 1
    landed = MatchEvent.objects.filter(id__range=(int(ids[0]), int(ids[1])))
    return np.fromiter(landed.values_list("id", flat=True), np.int64) - batch.first_event_id + 1


def keep_rejected(batch: EventBatch, rejected: Sequence[RejectedLine], before: int) -> int:
    """Keep refused lines, whole while an import has not kept too much; returns their bytes."""
    if not rejected:
        return 0
    kept = 0
    texts, is_whole = [], []
    for line in rejected:
        size = len(line.raw)
        fits = size <= KEPT_BYTES and before + kept + size <= KEPT_TOTAL
        kept += size if fits else 0
        text, is_all = kept_as(line.raw, is_cut=line.is_cut, fits=fits)
        texts.append(text)
        is_whole.append(is_all)
    copy_rows(
        connection,
        RejectedEvent._meta.db_table,
        {
            "batch_id": np.full(len(rejected), batch.pk, np.int64),
            "line": np.array([line.line for line in rejected], np.int64),
            "reason": [line.reason for line in rejected],
            "message": [line.message for line in rejected],
            "text": texts,
            "is_whole": np.array(is_whole, bool),
            "field": [line.field for line in rejected],
            "correction": ["{}"] * len(rejected),
        },
    )
    return kept
