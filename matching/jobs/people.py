"""The work of jobs on seed users and sessions."""

from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar, cast

from matching.domain.doors import PEOPLE
from matching.domain.lexicon.plain import singular
from matching.domain.profile_files import LIMITS, MAX_BYTES, first_rows, origin_said, profile_rows
from matching.jobs.arguments import (
    CheckSessions,
    CompleteUsers,
    CreateSessions,
    ImportUsers,
    SeedUsers,
)
from matching.models import ProfileImport, RefusedProfile
from matching.models.live import ValkeyUnavailable
from matching.queries.people import plan_completion
from matching.queries.session_checks import SessionReport
from matching.queries.session_checks import check_sessions as report_on_sessions
from matching.queries.sessions import plan_sessions, travellers
from matching.queries.words import SHOWN, describe_unknown, in_order
from matching.services import people, session_repairs, sessions
from matching.services.refused_profiles import Source, import_rows
from project import clock
from project.jobs.contract import Run, stored_arguments
from project.mappings.arguments import ASKS_ORIGIN
from project.mappings.door import Decision, OpenTable, open_table, reopen_table
from project.refusal import Refusal
from project.uploads.models import Upload
from project.uploads.services import get_upload, path_of, release_upload
from project.words import bend, tally

T = TypeVar("T")
HELD_SHOWN: Final = 20  # travellers named whose session another application has
FILLED_SHOWN: Final = 200  # users named with their filled fields; the counts are always whole


def seed_users(run: Run, asked: SeedUsers) -> dict[str, Any]:
    """Add the named users and groups, and the first `count` users of the population of `seed`."""
    count, seed = asked.count, asked.seed
    total = dict(run.once("seed_users.named", partial(people.seed_named, by=run.user)))
    for block, start in enumerate(range(0, count, people.BLOCK)):
        size = min(people.BLOCK, count - start)
        made = run.once(
            "seed_users.block",
            partial(people.seed_block, seed=seed, block=block, count=size, by=run.user),
            block,
        )
        for name, number in made.items():
            total[name] += number
        run.report(start + size, count, "Drawing users")
    return {"count": count, "seed": seed, **total}


def import_users(run: Run, asked: ImportUsers) -> dict[str, Any]:
    """Add or update the users of a file; rows with errors are named and left out.

    The result lists each word once that was folded to a known one, and each that nobody knows.

    Users that are there change only where the right to change users goes with the job.
    """
    upload = get_upload(asked.file)
    may_change = run.by.may("matching.change_seeduser")
    if upload.size > MAX_BYTES:
        raise Refusal(
            f"Expected at most {MAX_BYTES:,} bytes of profiles, got {upload.size:,}.",
            remedy="Split the file and import the parts.",
        )
    table = _open_profiles(run, upload, asked)
    rows = [row for chunk in table.chunks() for row in profile_rows(chunk.came, chunk.mapped)]
    if not asked.origin and not any(origin_said(row.values) for row in rows):
        raise Refusal(
            f"{upload.name} says neither that its people are real nor that they are synthetic. "
            "Nothing has landed.",
            remedy="Say it with --origin real or --origin synthetic, or in a column origin.",
            details=ASKS_ORIGIN,
        )
    seen = first_rows(rows)
    source = Source(
        upload=upload.pk,
        file_name=upload.name,
        is_csv=table.file.found.format in ("csv", "xlsx", "parquet"),
        mapping=table.mapping,
        origin=asked.origin,
    )
    total: dict[str, Any] = {"added": 0, "updated": 0, "unchanged": 0, "rows_refused": 0}
    errors: list[dict[str, Any]] = []
    words: dict[str, Counter[tuple[str, ...]]] = {"folded": Counter(), "unknown": Counter()}
    for number, start in enumerate(range(0, len(rows), people.CHUNK)):
        chunk = rows[start : start + people.CHUNK]
        made = run.once(
            "import_users.rows",
            partial(
                import_rows, chunk, seen=seen, source=source, by=run.user, may_change=may_change
            ),
            number,
        )
        for name in total:
            total[name] += made[name]
        errors += made["errors"]
        for name, counted in words.items():
            for *word, count in made.get(name, ()):
                counted[tuple(word)] += count
        run.report(start + len(chunk), len(rows), "Importing users")
    for file in ProfileImport.objects.filter(upload=upload.pk, refused__isnull=False)[:1]:
        run.add_list(RefusedProfile, f"Refused rows of {file}", file=file.pk, state="open")
    with run.transaction():
        release_upload(upload)
    decision = table.decision
    result = {
        "file": upload.name,
        "rows": len(rows),
        **total,
        "mapping": decision["mapping_name"],
        "notes": [*decision["notes"], *decision["unusable"]],
        "errors": errors[: people.ERRORS_KEPT],
        **_listed_words(words["folded"], words["unknown"]),
    }
    if total["rows_refused"] == len(rows):
        first = errors[0]
        raise Refusal(
            f"None of the {tally(len(rows), 'row')} of {upload.name} landed. Line "
            f"{first['line']}, "
            f"{first['field']}: {first['message']}",
            remedy="Mend the file and import it again, or its rows in the admin: Refused rows.",
            details=result,
        )
    return result


def _open_profiles(run: Run, upload: Upload, asked: ImportUsers) -> OpenTable:
    """Decide how a file is read, once for a job, whoever works on it."""
    decided = run.result_of("import_users.reading")
    if decided is not None:
        return reopen_table(
            path_of(upload), upload.name, PEOPLE, asked, cast(Decision, decided), LIMITS
        )
    opened = open_table(
        path_of(upload), upload.name, PEOPLE, asked, limits=LIMITS, columns=asked.columns,
        kind="matching.import_users", arguments=stored_arguments(asked), by=run.by,
        add_record=run.add_record,
    )  # fmt: skip
    run.once("import_users.reading", lambda: opened.decision)
    return opened


def _listed_words(
    folded: Counter[tuple[str, ...]], unknown: Counter[tuple[str, ...]]
) -> dict[str, Any]:
    """What words came to, each once: those of most profiles first, and how many there are."""
    written: dict[tuple[str, str], Counter[str]] = {}
    for (kind, word), count in unknown.items():
        written.setdefault((kind, singular(word)), Counter())[word] += count
    nobody_knows = in_order(describe_unknown(kind, forms) for (kind, _), forms in written.items())
    ordered = sorted(folded.items(), key=lambda entry: (-entry[1], entry[0]))
    return {
        "folded_words": len(folded),
        "folded": [
            {"kind": kind, "written": form, "word": word, "profiles": count}
            for (kind, form, word), count in ordered[:SHOWN]
        ],
        "unknown_words": len(nobody_knows),
        "unknown": nobody_knows[:SHOWN],
    }


def complete_users(run: Run, asked: CompleteUsers) -> dict[str, Any]:
    """Fill in what is missing, in all synthetic users or those given; says which fields, with
    what, and how many real ones stay as they are."""
    plan = run.once("complete_users.plan", lambda: {**plan_completion(asked.users)})
    waiting = plan["users"]
    filled: list[dict[str, Any]] = []
    fields: dict[str, int] = {}
    for number, start in enumerate(range(0, len(waiting), people.CHUNK)):
        chunk = waiting[start : start + people.CHUNK]
        made = run.once(
            "complete_users.chunk",
            partial(people.complete_profiles, chunk, seed=asked.seed, by=run.user),
            number,
        )["users"]
        filled += made
        run.report(start + len(chunk), len(waiting), "Filling in profiles")
    for user in filled:
        for name in user["filled"]:
            fields[name] = fields.get(name, 0) + 1
    return {
        "completed": len(filled),
        "fields": fields,
        "users": filled[:FILLED_SHOWN],
        "real_left": plan.get("real", 0),  # not in the plan of an earlier version
    }


def create_sessions(run: Run, asked: CreateSessions) -> dict[str, Any]:
    """Draw a session for everybody who has no live one, and write their live copies.

    Whoever has one of another application is left out.
    """

    def make_plan() -> dict[str, Any]:
        now = clock.now()
        return {
            **_in_words(lambda: plan_sessions(users=asked.users, groups=asked.groups)),
            "today": clock.today().isoformat(),
            "expires_at": (now + timedelta(days=asked.ttl_days)).isoformat(),
        }

    plan = run.once("create_sessions.plan", make_plan)
    drawn: dict[str, Any] = {
        "seed": asked.seed,
        "expires_at": datetime.fromisoformat(plan["expires_at"]),
        "today": date.fromisoformat(plan["today"]),
        "by": run.user,
    }
    total = {"created": 0, "renewed": 0}
    count, done = len(plan["users"]) + len(plan["groups"]), 0
    for owners, create in (
        ("users", sessions.create_user_sessions),
        ("groups", sessions.create_group_sessions),
    ):
        for number, start in enumerate(range(0, len(plan[owners]), sessions.CHUNK)):
            chunk = plan[owners][start : start + sessions.CHUNK]
            made = run.once(
                f"create_sessions.{owners}",
                partial(create, chunk, chunk=number, **drawn),
                number,
            )
            for name in total:
                total[name] += made[name]
            done += len(chunk)
            run.report(done, count, "Drawing sessions")
    # After the records are committed; doing it again after a restart changes nothing.
    drawn_for = travellers(users=plan["users"], groups=plan["groups"])
    published = _in_words(lambda: sessions.publish_sessions(drawn_for, only_if_absent=True))
    held = plan.get("held_elsewhere", [])  # not in the plan of an earlier version
    return {
        **total,
        "users": len(plan["users"]),
        "groups": len(plan["groups"]),
        "already_live": plan["already_live"],
        "held_elsewhere": {"count": len(held), "examples": held[:HELD_SHOWN]},
        "published": published,
        "expires_at": plan["expires_at"],
    }


def check_sessions(asked: CheckSessions) -> SessionReport:
    """Compare the live copies with the records; refuse while something needs repair."""
    report = _in_words(lambda: report_on_sessions(minimum=asked.minimum, only=asked.only))
    if report["verdict"] == "refuse":
        raise Refusal(
            f"{tally(report['live'], 'session')} "
            f"{bend(report['live'], 'is', 'are')} in order, {report['repairable']:,} need "
            "repair.",
            remedy=report["remedy"],
            details=dict(report),
        )
    return report


def repair_sessions(run: Run, asked: CheckSessions) -> dict[str, Any]:
    """Restore lost copies, rewrite wrong ones, adopt those of others; then check again."""
    plan = run.once(
        "repair_sessions.records",
        lambda: _in_words(lambda: session_repairs.mend_records(asked.only, by=run.user)),
    )
    repaired = _in_words(
        lambda: session_repairs.mend_copies(cast(session_repairs.RepairPlan, plan))
    )
    return {
        **_in_words(lambda: report_on_sessions(minimum=asked.minimum, only=asked.only)),
        "repaired": repaired,
    }


def _in_words(work: Callable[[], T]) -> T:
    """An unreachable Valkey is no crash: say so and what to do."""
    try:
        return work()
    except ValkeyUnavailable as error:
        raise Refusal(
            str(error), remedy="Start it with `manage.py services start`, then retry."
        ) from error
