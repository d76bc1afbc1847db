"""Trying refused lines of event logs again: what lands keeps its line, and joins its batch."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict

from django.db.models import QuerySet

from matching.domain.log.account import EXAMPLES, Account
from matching.domain.log.careful import sum_ignored
from matching.domain.log.format import COMPUTED, LOGGED
from matching.domain.log.reader import LogChunk, RejectedLine
from matching.domain.summaries import add_summaries
from matching.domain.words import ALREADY_KNOWN, OnChange
from matching.models import EventBatch, RejectedEvent
from matching.services.corrections import RIGHT, apply_changes
from matching.services.imports import feature_set_of, land_lines, not_in_it
from project import clock
from project.acting import Actor
from project.refusal import Refusal

# What an import counts for the whole batch, beside its reasons.
COUNTED: Final = ("exposures", "with_features", "without_features", "people_known")


class Tried(TypedDict):
    """What became of some refused lines.

    landed : new, known or changed events, and views
    left : reason to how many are refused again
    untried : those of which not all was kept, and that nobody has corrected
    """

    tried: int
    landed: int
    new: int
    known: int
    changed: int
    left: dict[str, int]
    untried: int


def open_lines(batch: int, lines: Sequence[int] | None) -> QuerySet[RejectedEvent]:
    """The lines of a batch that are still refused, some of them or all."""
    found: QuerySet[RejectedEvent] = RejectedEvent.objects.open().filter(batch_id=batch)
    return found if lines is None else found.filter(pk__in=lines)


def locked_batch(pk: int) -> EventBatch:
    """Return a complete batch that only this transaction changes.

    Raises
    ------
    Refusal
        When there is no such batch (any more).
    """
    batch = (
        EventBatch.objects.complete()
        .select_for_update()
        .filter(pk=pk, method=EventBatch.Method.IMPORTED)
        .first()
    )
    if batch is None:
        raise Refusal(
            f"There is no complete import of the number {pk}.",
            remedy="Choose refused lines of a batch that was imported.",
        )
    return batch


def land_mended(
    batch: EventBatch, tried: Sequence[RejectedEvent], chunk: LogChunk, *, actor: Actor
) -> Tried:
    """Land lines that were tried again, and say anew why the others are refused.

    Their events have the ids that the lines had from the beginning. The batch counts them as if
    they had landed then.
    """
    now = clock.now()
    kept = dict(batch.parameters)
    batch.parameters = {**kept, **_on_change(batch, actor)}
    account, summary, refused = land_lines(batch, chunk)
    lines = [row.line for row in tried]
    own = apply_changes(batch, account, now, lines=lines)
    again = {line.line: line for line in refused}
    before = Counter(row.reason for row in tried)
    resolved = [row.pk for row in tried if row.line not in again]
    RejectedEvent.objects.filter(pk__in=resolved).update(resolved_at=now)
    _say_anew([row for row in tried if row.line in again], again)
    if batch.summary:
        batch.summary = add_summaries([batch.summary, summary, *([] if own is None else [own])])
    batch.made += account.new
    batch.skipped = left_out(batch.skipped, before, account, frozenset(lines))
    for name in ("on_change", "may_not_change"):  # the import was asked what it was asked
        batch.parameters.pop(name, None)
    asked = {name: kept[name] for name in ("on_change", "may_not_change") if name in kept}
    batch.parameters = {**with_account(batch, account), **asked}
    batch.save(update_fields=["made", "summary", "skipped", "parameters", "feature_set"])
    return {
        "tried": len(tried),
        "landed": len(resolved),
        "new": account.new,
        "known": account.known,
        "changed": account.changed,
        "left": dict(Counter(line.reason for line in refused)),
        "untried": 0,
    }


def settle_feature_set(batch: EventBatch) -> None:
    """Say anew which formulas the features are of, now that more lines have landed."""
    parameters = batch.parameters
    if parameters.get("features") == COMPUTED or parameters.get("feature_set"):
        return
    account = Account(feature_sets=parameters.get("feature_sets_said", {"": 0}))
    batch.feature_set = feature_set_of(batch, account)
    batch.save(update_fields=["feature_set"])


def _on_change(batch: EventBatch, actor: Actor) -> dict[str, Any]:
    """What an import was asked, and by whose rights it may change events that are here."""
    asked = batch.parameters.get("on_change", OnChange.REPLACE.value)
    could_not = batch.parameters.get("may_not_change", "")
    told: dict[str, Any] = {
        "on_change": asked,
        "feature_set": batch.parameters.get("feature_set", ""),
    }
    if batch.made:
        told["features"] = batch.parameters.get("features", LOGGED)
    if asked == OnChange.REPLACE or could_not:
        may = actor.may(RIGHT)
        told["on_change"] = (OnChange.REPLACE if may else OnChange.REFUSE).value
        told["may_not_change"] = "" if may else actor.name
    return told


def _say_anew(rows: Sequence[RejectedEvent], again: Mapping[int, RejectedLine]) -> None:
    for row in rows:
        line = again[row.line]
        row.reason, row.message, row.field = line.reason, line.message, line.field
    RejectedEvent.objects.bulk_update(rows, ["reason", "message", "field"], batch_size=500)


def left_out(
    skipped: Mapping[str, Any], before: Mapping[str, int], account: Account, tried: frozenset[int]
) -> dict[str, Any]:
    """Return what a batch says of lines that are not in it, after some of them were tried again."""
    left: dict[str, Any] = {}
    for reason in dict.fromkeys([*skipped, *account.rejected]):
        entry = skipped.get(reason, {"count": 0, "examples": []})
        count = entry["count"] - before.get(reason, 0) + account.rejected.get(reason, 0)
        examples = [one for one in entry["examples"] if one.get("line") not in tried]
        examples += [{"line": one["line"]} for one in account.examples if one["reason"] == reason]
        if count > 0:
            left[reason] = {"count": count, "examples": examples[:EXAMPLES]}
    if account.known:
        known = left.get(ALREADY_KNOWN, {"count": 0, "examples": []})
        named = {one["batch"]: one["count"] for one in known["examples"]}
        for pk, count in account.known_in.items():
            named[int(pk)] = named.get(int(pk), 0) + count
        left[ALREADY_KNOWN] = {
            "count": known["count"] + account.known,
            "examples": [{"batch": pk, "count": count} for pk, count in named.items()],
        }
    return left


def with_account(batch: EventBatch, account: Account) -> dict[str, Any]:
    """Return the parameters of a batch with what its import counted beside the reasons."""
    told = dict(batch.parameters)
    for name in COUNTED:
        told[name] = told.get(name, 0) + getattr(account, name)
    for name, more in (
        ("trips", account.trips),
        ("changed_in", account.changed_in),
        ("feature_sets_said", account.feature_sets),
    ):
        totals = dict(told.get(name) or {})
        for key, count in more.items():
            totals[key] = totals.get(key, 0) + count
        told[name] = totals
    ignored = dict(told.get("ignored") or {})
    sum_ignored(ignored, account.ignored)
    told["ignored"] = ignored
    if "partial" in told:
        left = sum(
            entry["count"] for reason, entry in batch.skipped.items() if reason != ALREADY_KNOWN
        )
        told["partial"] = not_in_it(left, batch.asked, batch.file_name)
        if not left:
            del told["partial"]
    return told
