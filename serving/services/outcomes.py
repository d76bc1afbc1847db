"""What came of scored pairs: told by an application, or found among imported events."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import connection, transaction

from matching.domain.words import Outcome
from matching.models import EventBatch
from serving.domain.responses import read_response_id
from serving.models import ScoredPair, WatchState

EVENT_DAYS: Final = 14  # after a score in which an event of its pair is what came of it


class Taken(StrEnum):
    """What became of a told outcome."""

    NEW = "new"
    KNOWN = "known"
    REPLACED = "replaced"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Told:
    """An outcome that is told: of which response, what, and when it happened."""

    response_id: str
    outcome: Outcome
    at: datetime


@transaction.atomic
def record_outcomes(told: Sequence[Told]) -> list[Taken]:
    """Keep what came of responses; return what became of each, in the order told.

    Each counts once: the same again is known, another one takes its place, and how often that
    happened is kept. A response that was not written to the log, or is none, is unknown.
    """
    named = [read_response_id(one.response_id) for one in told]
    rows = _lock([name for name in named if name is not None])
    answers: list[Taken] = []
    changed: dict[int, tuple[int, datetime, int]] = {}
    for one, name in zip(told, named, strict=True):
        found = None if name is None else rows.get(name)
        if found is None or name is None:
            answers.append(Taken.UNKNOWN)
            continue
        key, before, changes = found
        if before == one.outcome.code:
            answers.append(Taken.KNOWN)
            continue
        answers.append(Taken.NEW if before is None else Taken.REPLACED)
        changes += before is not None
        rows[name] = (key, one.outcome.code, changes)
        changed[key] = (one.outcome.code, one.at, changes)
    if changed:
        codes, moments, counts = zip(*changed.values(), strict=True)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE serving_scoredpair pair SET outcome = told.outcome, outcome_at = told.at, "
                "told_by = %s, outcome_changes = told.changes FROM unnest(%s::bigint[], "
                "%s::smallint[], %s::timestamptz[], %s::smallint[]) AS told(id, outcome, at, "
                "changes) WHERE pair.id = told.id",
                [ScoredPair.ToldBy.API, [*changed], [*codes], [*moments], [*counts]],
            )
    return answers


def count_taken(answers: Sequence[Taken]) -> dict[str, int]:
    """Return how many became what, each word once."""
    counts = Counter(answers)
    return {word.value: counts[word] for word in Taken}


def match_events() -> int:
    """Give logged pairs without an outcome that of the event that was imported of them.

    An event is of a pair by the names of its log, or others of the same people. It tells of the
    last time the pair was scored in the `EVENT_DAYS` before it; of several events the last one
    counts, whichever batch it came with. Each row is looked for once, also of a batch that takes
    more, and what an application told stays. Returns how many pairs got one.
    """
    matched = 0
    with transaction.atomic():
        state, _ = WatchState.objects.select_for_update().get_or_create(pk=1)
        batches = EventBatch.objects.complete().filter(method=EventBatch.Method.IMPORTED)
        for batch in batches.order_by("pk").only("pk", "asked", "made"):
            before, now = state.batches.get(str(batch.pk)), [batch.asked, batch.made]
            if before == now:
                continue
            asked, made = before or (0, 0)
            # More landed than came: refused rows were mended, and stand where they stood.
            is_mended = batch.made - made > batch.asked - asked
            matched += _match(batch, 0 if is_mended else asked)
            state.batches[str(batch.pk)] = now
        state.save(update_fields=["batches"])
    return matched


def _match(batch: EventBatch, rows: int) -> int:
    """Look for the events of a batch beyond so many of its rows."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH named AS (
                SELECT person_id, external_id FROM matching_personalias
                 UNION ALL SELECT id, external_id FROM matching_seeduser
                 WHERE id IN (SELECT person_id FROM matching_personalias)),
            same AS (
                SELECT one.external_id AS said, other.external_id AS name
                  FROM named one JOIN named other USING (person_id)
                 WHERE one.external_id <> other.external_id),
            said AS (
                SELECT id, outcome, occurred_at, external ->> 'userId' AS asked,
                       coalesce(external ->> 'targetId', external ->> 'groupId') AS whom
                  FROM matching_matchevent WHERE id BETWEEN %s AND %s),
            by_asked AS (
                SELECT * FROM said
                 UNION ALL SELECT said.id, outcome, occurred_at, same.name, whom
                  FROM said JOIN same ON same.said = asked),
            by_both AS (
                SELECT * FROM by_asked
                 UNION ALL SELECT by_asked.id, outcome, occurred_at, asked, same.name
                  FROM by_asked JOIN same ON same.said = whom),
            of_event AS (
                SELECT DISTINCT ON (event.id) pair.id, event.outcome, event.occurred_at
                  FROM by_both event
                  JOIN serving_scoredpair pair
                    ON pair.left_id = event.asked AND pair.right_id = event.whom
                   AND pair.at <= event.occurred_at
                   AND pair.at > event.occurred_at - make_interval(days => %s)
                 ORDER BY event.id, pair.at DESC, pair.id DESC),
            last_of_pair AS (
                SELECT DISTINCT ON (id) * FROM of_event ORDER BY id, occurred_at DESC)
            UPDATE serving_scoredpair pair
               SET outcome = found.outcome, outcome_at = found.occurred_at, told_by = %s
              FROM last_of_pair found
             WHERE pair.id = found.id AND (pair.outcome IS NULL OR (
                   pair.told_by = %s AND pair.outcome_at < found.occurred_at))
            """,
            [
                batch.first_event_id + rows,
                batch.last_event_id,
                EVENT_DAYS,
                ScoredPair.ToldBy.EVENT,
                ScoredPair.ToldBy.EVENT,
            ],
        )
        return int(cursor.rowcount)


def _lock(names: Sequence[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int | None, int]]:
    """Return id, outcome and changes of the rows of responses, locked until the end."""
    if not names:
        return {}
    answers, places = zip(*names, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT answer, place, id, outcome, outcome_changes FROM serving_scoredpair "
            "WHERE (answer, place) IN (SELECT * FROM unnest(%s::text[], %s::smallint[])) "
            "ORDER BY id FOR UPDATE",
            [list(answers), list(places)],
        )
        return {(row[0], row[1]): (row[2], row[3], row[4]) for row in cursor.fetchall()}
