"""Corrects rows that are known with other content, and keeps what they said before."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import connection

from feedback.domain.changes import CHANGES_KEPT, REFUSED_AS_ASKED, OnChange
from feedback.models import CollectionRun, FeedbackChange, model_of
from project import clock
from project.acting import current_actor, current_actor_name
from project.bulk import copy_rows

# Not content: the identity, and the digest of the bytes, which a changed mapping changes too.
NO_CONTENT = ("uid", "row_digest")


def settle_change(table: str, asked: str) -> tuple[str, str]:
    """Return what is done about changed rows of a table, and why they are refused, if they are.

    Only who may change its records has them replaced.
    """
    model = model_of(table)._meta
    actor, right = current_actor(), f"{model.app_label}.change_{model.model_name}"
    if asked == OnChange.REPLACE and not actor.may(right):
        return OnChange.REFUSE, f"{actor.name} has no right to change it ({right})"
    return asked, REFUSED_AS_ASKED


def correct_rows(
    cursor: Any, run: CollectionRun, table: str, columns: dict[str, Any], on_change: str
) -> dict[bytes, list[str]]:
    """Compare known rows with what is stored, and do what is asked where they differ.

    Returns the columns that differ, by the uid of each row that does.

    `columns` are the rows as for COPY, all of them stored already. Runs in the caller's
    transaction, which holds the lock of the table. Rows that differ by their bytes alone, as those
    that are read with another mapping, are no changes.
    """
    target = connection.ops.quote_name(table)
    names = [connection.ops.quote_name(name) for name in columns]
    cursor.execute("DROP TABLE IF EXISTS pg_temp.feedback_incoming, pg_temp.feedback_differing")
    cursor.execute(
        f"CREATE TEMP TABLE feedback_incoming ON COMMIT DROP AS "  # noqa: S608 - names of our own
        f"SELECT {', '.join(names)} FROM {target} WITH NO DATA"
    )
    copy_rows(connection, "feedback_incoming", columns)
    cursor.execute(
        "CREATE TEMP TABLE feedback_differing ON COMMIT DROP AS "  # noqa: S608 - names of our own
        "SELECT i.uid, i.row_digest, i.external_id, f.run_id, d.before, d.after "
        f"FROM feedback_incoming i JOIN {target} f USING (uid) CROSS JOIN LATERAL ("
        "SELECT jsonb_object_agg(a.key, b.value) AS before, "
        "jsonb_object_agg(a.key, a.value) AS after "
        "FROM jsonb_each(to_jsonb(i) - %s::text[]) a JOIN jsonb_each(to_jsonb(f)) b USING (key) "
        "WHERE a.value IS DISTINCT FROM b.value) d WHERE d.before IS NOT NULL",
        [list(NO_CONTENT)],
    )
    cursor.execute(
        "SELECT uid, ARRAY(SELECT jsonb_object_keys(before) ORDER BY 1) FROM feedback_differing"
    )
    differing = {uid.bytes: named for uid, named in cursor.fetchall()}
    if differing and on_change != OnChange.REFUSE:
        replaces = on_change == OnChange.REPLACE
        _keep_changes(
            cursor, run, FeedbackChange.Action.REPLACED if replaces else FeedbackChange.Action.KEPT
        )
    assignments = ", ".join(f"{name} = i.{name}" for name in names)
    if differing and on_change == OnChange.REPLACE:
        cursor.execute(
            f"UPDATE {target} f SET {assignments}, run_id = %s FROM feedback_incoming i "  # noqa: S608 - names of our own
            "WHERE f.uid = i.uid AND EXISTS (SELECT FROM feedback_differing d WHERE d.uid = f.uid)",
            [run.pk],
        )
    cursor.execute(
        f"UPDATE {target} f SET row_digest = i.row_digest FROM feedback_incoming i "  # noqa: S608 - names of our own
        "WHERE f.uid = i.uid AND NOT EXISTS "
        "(SELECT FROM feedback_differing d WHERE d.uid = f.uid)"
    )
    return differing


def _keep_changes(cursor: Any, run: CollectionRun, action: str) -> None:
    cursor.execute(
        'INSERT INTO feedback_feedbackchange (uid, source_id, "table", external_id, action, '
        "before, after, row_digest, run_id, first_run_id, actor, found_at) "
        "SELECT d.uid, %s, %s, d.external_id, %s, d.before, d.after, d.row_digest, %s, "
        "coalesce((SELECT min(c.first_run_id) FROM feedback_feedbackchange c WHERE c.uid = d.uid), "
        "d.run_id), %s, %s FROM feedback_differing d "
        "ON CONFLICT (uid, row_digest) WHERE action = 'kept' DO NOTHING",
        [run.source_id, run.table, action, run.pk, current_actor_name(), clock.now()],
    )
    _trim(cursor, "SELECT uid FROM feedback_differing", [])


def note_action(
    cursor: Any, run: CollectionRun, table: str, action: str, uids: Sequence[UUID]
) -> None:
    """Keep that something was done about rows whose content did not change."""
    cursor.execute(
        'INSERT INTO feedback_feedbackchange (uid, source_id, "table", external_id, action, '  # noqa: S608 - names of our own
        "before, after, row_digest, run_id, first_run_id, actor, found_at) "
        "SELECT f.uid, %s, %s, f.external_id, %s, '{}', '{}', f.row_digest, %s, "
        "coalesce((SELECT min(c.first_run_id) FROM feedback_feedbackchange c WHERE c.uid = f.uid), "
        f"f.run_id), %s, %s FROM {table} f WHERE f.uid = ANY(%s)",
        [
            *(run.source_id, run.table, action, run.pk),
            *(current_actor_name(), clock.now(), list(uids)),
        ],
    )
    _trim(cursor, "SELECT unnest(%s::uuid[])", [list(uids)])


def _trim(cursor: Any, uids: str, parameters: list[Any]) -> None:
    """Keep of each of these rows its first change and the newest."""
    cursor.execute(
        "DELETE FROM feedback_feedbackchange c USING ("  # noqa: S608 - text of this module
        "SELECT id, row_number() OVER (PARTITION BY uid ORDER BY id) AS from_first, "
        "row_number() OVER (PARTITION BY uid ORDER BY id DESC) AS from_last "
        f"FROM feedback_feedbackchange WHERE uid IN ({uids})) n "
        "WHERE n.id = c.id AND from_first > 1 AND from_last >= %s",
        [*parameters, CHANGES_KEPT],
    )
