"""Events that an application sends, few at a time: they join a batch that takes more."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from django.db import connection, transaction

from matching.domain.log.account import Account
from matching.domain.log.format import COMPUTED, LOGGED
from matching.domain.log.reader import LogChunk, RejectedLine
from matching.domain.summaries import add_summaries
from matching.domain.words import FeatureSet, OnChange, revision_of
from matching.models import EventBatch
from matching.models.events import EventBatchQuerySet
from matching.queries.known_events import can_be_tiered
from matching.services.corrections import RIGHT, apply_changes
from matching.services.imports import keep_rejected, land_lines
from matching.services.refused import left_out, with_account
from project import clock
from project.acting import current_actor
from project.origin import Origin

SENT: Final = "sent"  # of the parameters of a batch: what joins it, and whether it takes more
MOST_ROWS: Final = 1_000_000  # of one batch; then another is begun


@transaction.atomic
def open_sent_batch(
    *,
    feature_set: str,
    on_change: str,
    reading: Mapping[str, Any] | None,
    has_features: bool,
    feature_sets: tuple[str, ...],
) -> EventBatch:
    """Return the batch that events of who acts join today, locked; a new one where none takes more.

    A batch is of one sender, one day, one way of reading and one kind of features. It is complete
    all the time: each request lands whole. Once somebody reads it for good it takes no more, see
    `close_sent_batches`.
    """
    actor = current_actor()
    if on_change == OnChange.REPLACE and not actor.may(RIGHT):
        on_change = OnChange.REFUSE.value
    joins = {
        "by": actor.name,
        "day": clock.now().date().isoformat(),
        "reading": None if reading is None else dict(reading),
        "features": LOGGED if has_features else COMPUTED,
        "feature_sets": list(feature_sets),
    }
    asked = {"origin": Origin.REAL.value, "feature_set": feature_set, "on_change": on_change}
    with connection.cursor() as cursor:  # two requests of one sender take turns
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [actor.name])
    found = _open().filter(parameters__contains={SENT: joins, **asked}).order_by("-pk")
    batch = found.defer("population").select_for_update().first()
    if batch is not None:
        return batch
    formulas = feature_set or FeatureSet.LOGGED.value
    parameters = {**asked, SENT: {**joins, "is_open": True, "rows": 0, "kept_bytes": 0}}
    if reading is not None:
        parameters["reading"] = dict(reading)
    return EventBatch.objects.create(
        uid=uuid4(),  # it names no content: more of it comes
        method=EventBatch.Method.IMPORTED,
        origin=Origin.REAL.code,
        state=EventBatch.State.COMPLETE,
        feature_set=formulas,
        feature_revision=revision_of(formulas),
        parameters=parameters,
        file_name=f"sent by {actor}"[:255],
        created_by=actor.user,
        completed_at=clock.now(),
    )


@transaction.atomic
def land_sent(batch: EventBatch, chunk: LogChunk, rows: int) -> tuple[Account, list[RejectedLine]]:
    """Land the lines of one request in a batch that is locked; returns what became of them.

    Parameters
    ----------
    chunk : with lines from `first_line` of the batch on.
    rows : how many came, blank ones and views included.
    """
    now = clock.now()
    sent = batch.parameters[SENT]
    lines = range(first_line(batch), first_line(batch) + rows)
    was_tiered = not batch.made or batch.feature_set == FeatureSet.TIERED
    account, summary, refused = land_lines(batch, chunk)
    account.kept_bytes = keep_rejected(batch, refused, sent["kept_bytes"])
    own = apply_changes(batch, account, now, lines=list(lines))
    before = [batch.summary] if batch.summary else []
    batch.summary = add_summaries([*before, summary, *([] if own is None else [own])])
    batch.asked += account.found
    batch.made += account.new
    batch.skipped = left_out(batch.skipped, {}, account, frozenset())
    batch.parameters = with_account(batch, account)
    batch.parameters[SENT] = {
        **sent,
        "rows": sent["rows"] + rows,
        "kept_bytes": sent["kept_bytes"] + account.kept_bytes,
        "is_open": sent["rows"] + rows < MOST_ROWS,
    }
    if batch.parameters.get("features") != COMPUTED and not batch.parameters["feature_set"]:
        batch.feature_set = _feature_set(batch, lines, was_tiered=was_tiered)
        batch.feature_revision = revision_of(batch.feature_set)
    batch.completed_at = now
    batch.save(
        update_fields=[
            *("asked", "made", "summary", "skipped", "parameters", "completed_at"),
            *("feature_set", "feature_revision"),
        ]
    )
    return account, refused


def first_line(batch: EventBatch) -> int:
    """Return the line that the next row of a batch that takes more stands on."""
    return int(batch.parameters[SENT]["rows"]) + 1


@transaction.atomic
def close_sent_batches() -> int:
    """Let no batch take more: what is read now is what it will always have been.

    Waits for requests that are landing; later ones begin another batch. Returns how many were open.
    """
    batches = list(_open().only("parameters").select_for_update())
    for batch in batches:
        batch.parameters[SENT]["is_open"] = False
        batch.save(update_fields=["parameters"])
    return len(batches)


def _open() -> EventBatchQuerySet:
    return EventBatch.objects.complete().filter(
        method=EventBatch.Method.IMPORTED, parameters__contains={SENT: {"is_open": True}}
    )


def _feature_set(batch: EventBatch, lines: range, *, was_tiered: bool) -> str:
    """Return the one set that all lines name; else tiered-1 while its tiers can give all values."""
    said = set(batch.parameters["feature_sets_said"])
    if len(said) == 1 and "" not in said:
        return str(said.pop())
    is_tiered = said <= {"", FeatureSet.TIERED.value} and was_tiered
    if is_tiered and can_be_tiered(batch, lines):
        return FeatureSet.TIERED.value
    return FeatureSet.LOGGED.value
