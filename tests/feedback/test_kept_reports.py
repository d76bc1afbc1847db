"""Reports that are kept say what the rows of now say, or that they do not."""

import hashlib
import json
from typing import Any

import numpy as np
import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from feedback.domain.words import REPORT_KINDS
from feedback.jobs import counting
from feedback.models import (
    CollectionRun,
    Explanation,
    FeedbackSource,
    KeptReport,
    QualityFeedback,
    RowsState,
    Table,
    model_of,
)
from feedback.queries.reports import build_report
from feedback.queries.reports.kept import FORMULAS, Asked, counts_asked, rows_now
from feedback.queries.sources import choose_scope
from feedback.queries.status import count_tables, feedback_status
from feedback.services import reports
from feedback.services.gone import mark_gone, mark_returned
from feedback.services.reports import count_report, feedback_at_a_glance, kept_answer
from feedback.services.shared import mark_shared_rows
from project.jobs.models import Job
from project.jobs.runner import run_job
from project.jobs.services import enqueue
from tests.factories import make_admin
from tests.feedback.collected import DAY, answer, judge, rate, real_source, synthetic

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any row is too many to be counted where it is looked at."""
    monkeypatch.setattr(reports, "AT_ONCE_ROWS", -1)
    monkeypatch.setattr(counting, "AT_ONCE_ROWS", -1)


def states() -> dict[tuple[int, str], tuple[int, int]]:
    return {(s.source_id, s.table): (s.revision, s.rows) for s in RowsState.objects.all()}


def some(turn: int) -> list[Asked]:
    """Every kind of report, each turn of other scopes, and what else may be asked of it."""
    scopes = [choose_scope(), choose_scope(origin="combined")]
    scopes += [choose_scope(source="others"), choose_scope(days=20)]
    asked = [
        Asked(kind, scopes[(turn + place) % len(scopes)]) for place, kind in enumerate(REPORT_KINDS)
    ]
    more = (
        Asked("csat", scopes[0], edges=(0.1, 0.4, 0.9)),
        Asked("baselines", scopes[0], levels={"provider": "a", "model": "new"}),
        Asked("experiments", scopes[0], planned_sessions=31),
    )
    return [*asked, more[turn % len(more)]]


def from_rows(asked: Asked) -> Any:
    scope = choose_scope(
        source=asked.scope.sources[0].name if len(asked.scope.sources) == 1 else "",
        origin=asked.scope.origin,
        days=asked.scope.days,
    )
    return build_report(
        asked.kind, scope, edges=asked.edges, levels=asked.levels,
        planned_sessions=asked.planned_sessions,
    )  # fmt: skip


def draw(rng: np.random.Generator, source: FeedbackSource, count: int, days_ago: float) -> None:
    """Land rows of all tables that share responses, sessions and factors."""
    words = np.array(["a", "b", "c", ""])
    common = {
        "provider": rng.choice(words, count),
        "model": rng.choice(words, count),
        "action_type": rng.choice(words, count),
        "response_id": [f"r{n}" if n % 7 else "" for n in rng.integers(0, 60, count).tolist()],
        "days_ago": days_ago,
    }
    sessions = [f"s{n}" if n % 5 else "" for n in rng.integers(0, 30, count).tolist()]
    rate(source, rng.beta(5, 3, count), session_id=sessions, **common)
    judge(source, rng.beta(5, 3, count), scenario_id=rng.choice(words, count), **common)
    answer(
        source, rng.beta(5, 3, count), predicted_quality=rng.beta(5, 3, count),
        experiment_name=rng.choice(words, count), variant=rng.choice(words, count), **common,
    )  # fmt: skip


def same(told: Any, counted: Any) -> bool:
    """Whether two reports say the same; a period's beginning moves with the clock."""
    told, counted = ({**one, "scope": {**one["scope"], "since": None}} for one in (told, counted))
    return bool(told == counted)


def test_what_is_kept_is_what_the_rows_say_after_whatever_happens_to_them() -> None:
    rng = np.random.default_rng(1)
    people, others, drawn = real_source(), real_source("others"), synthetic(60)
    run = CollectionRun.objects.create(
        source=people, table=Table.QUALITY_FEEDBACK, state="complete", found=0, new=0
    )

    def uids(count: int = 8) -> list[Any]:
        found = QualityFeedback.objects.filter(source=people).values_list("pk", flat=True)
        return rng.choice(np.array(found, dtype=object), count, replace=False).tolist()

    def corrected() -> None:
        QualityFeedback.objects.filter(pk__in=uids()).update(
            quality_rating=0.123, session_id="other"
        )

    def shared() -> None:
        moment = timezone.now() - 3 * DAY
        for source in (people, others):
            one = QualityFeedback.objects.filter(source=source).first()
            assert one is not None
            QualityFeedback.objects.filter(pk=one.pk).update(external_id="1", created_at=moment)
        mark_shared_rows(run)

    gone = []

    def vanished() -> None:
        gone.extend(uids())
        mark_gone(run, gone)

    happenings = [
        lambda: [draw(rng, source, 60, ago) for source in (people, others) for ago in (2, 40)],
        lambda: draw(rng, others, 9, 100.0),  # late: before all that is known
        lambda: draw(rng, drawn, 5, 1.0),
        corrected,
        shared,
        vanished,
        lambda: mark_returned(run, gone),
        lambda: Explanation.objects.filter(source=others, provider="a").delete(),
        lambda: FeedbackSource.objects.filter(pk=others.pk).update(hidden_by={"explanations": "x"}),
    ]
    for turn, happen in enumerate(happenings):
        happen()
        for asked in some(turn):
            told = kept_answer(asked)
            assert told.is_current
            assert same(told.content, from_rows(asked)), asked
        counts = kept_answer(counts_asked(FeedbackSource.objects.all()))
        assert counts.content == count_tables()
        said, now = feedback_status(counts.content), feedback_status()
        assert {**said, "tables": None} == {**now, "tables": None}
    assert not KeptReport.objects.exists()  # whoever looks writes nothing
    for asked in (Asked("csat", choose_scope()), counts_asked(FeedbackSource.objects.all())):
        count_report(asked)
    with CaptureQueriesContext(connection) as queries:
        glance = feedback_at_a_glance()
    assert len(queries) == 3
    report = build_report("csat", choose_scope())
    assert glance["csat"] is not None
    assert all(
        glance["csat"][name] == report[name] for name in ("rows", "overall", "days", "trend")
    )
    assert glance["samples"] == feedback_status()["samples"]


def test_whatever_moves_rows_is_told_in_its_transaction_and_undone_with_it() -> None:
    people = real_source()
    rate(people, [0.1, 0.2, 0.3])
    key = (people.pk, "quality_feedback")
    first, rows = states()[key]
    assert rows == 3
    with transaction.atomic():
        rate(people, [0.9])
        assert states()[key] == (first + 1, 4)
        transaction.set_rollback(True)
    assert states()[key] == (first, 3)
    QualityFeedback.objects.update(provider="x")
    assert states()[key] == (first + 1, 3)
    QualityFeedback.objects.filter(quality_rating__lt=0.25).delete()
    assert states()[key] == (first + 2, 1)
    other = real_source("others")
    QualityFeedback.objects.update(source=other)
    assert states()[key] == (first + 3, 0)
    assert states()[other.pk, "quality_feedback"] == (1, 1)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE feedback_qualityfeedback")
    assert states()[other.pk, "quality_feedback"] == (2, 0)


@pytest.mark.parametrize("table", Table.values)
def test_every_table_tells(table: str) -> None:
    name = model_of(table)._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass", [name])
        found = {row[0] for row in cursor.fetchall()}
    assert {"rows_came", "rows_went", "rows_changed", "rows_emptied"} <= found


def test_rows_that_land_while_a_report_is_counted_make_it_old(
    monkeypatch: pytest.MonkeyPatch, many: None
) -> None:
    people = real_source()
    rate(people, [0.1] * 5)
    asked = Asked("csat", choose_scope())
    counts = Asked.count

    def counted(self: Asked) -> Any:
        found = counts(self)
        rate(people, [0.9])
        return found

    monkeypatch.setattr(Asked, "count", counted)
    count_report(asked)
    assert not kept_answer(asked).is_current
    monkeypatch.undo()
    assert kept_answer(asked).content["rows"] == 6


def test_few_rows_that_nobody_had_counted_are_counted_once_for_all_looks(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    cache.clear()
    source = real_source()
    rate(source, [0.2, 0.8] * 10)
    asked = Asked("csat", choose_scope())
    first = kept_answer(asked)
    with CaptureQueriesContext(connection) as queries:
        assert kept_answer(asked) == first
    assert not any("feedback_qualityfeedback" in query["sql"] for query in queries)
    assert not KeptReport.objects.exists()
    rate(source, [0.2])
    newer = kept_answer(asked)
    assert newer.is_current
    assert newer.content != first.content
    cache.clear()


def test_a_count_that_began_before_does_not_replace_a_newer_one() -> None:
    people = real_source()
    rate(people, [0.1] * 5)
    asked = Asked("csat", choose_scope())
    old, began = rows_now(asked.scope.sources), timezone.now()
    rate(people, [0.9])
    count_report(asked)
    older = KeptReport(key=asked.key, kind="csat", state=old.state, as_of=began, content=b"{}")
    reports._keep(older)
    assert json.loads(bytes(KeptReport.objects.get().content))["rows"] == 6


def test_the_newest_reports_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "KEPT_REPORTS", 2)
    rate(real_source(), [0.1] * 5)
    scope = choose_scope()
    for planned in (20, 30, 40):
        count_report(Asked("experiments", scope, planned_sessions=planned))
    assert KeptReport.objects.count() == 2
    assert not reports.is_counted(Asked("experiments", scope, planned_sessions=20))


# --- Many rows -----------------------------------------------------------------------------------


def _reader(client: Client, *more: str) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["report_feedback", *more]))
    client.force_login(user)


@pytest.mark.parametrize("kind", [*REPORT_KINDS, "status"])
def test_a_page_of_many_rows_reads_none_and_says_as_of_when_it_is(
    client: Client, many: None, kind: str
) -> None:
    _reader(client, "view_job")
    people = real_source()
    rate(people, np.linspace(0, 1, 40), session_id=[f"s{n}" for n in range(40)])
    address = reverse("admin:feedback_report", args=[kind])

    def look() -> str:
        with CaptureQueriesContext(connection) as asked:
            page = client.get(address).content.decode()
        assert not any('FROM "feedback_qualityfeedback"' in one["sql"] for one in asked)
        assert len(asked) <= 20
        return page

    assert "are not counted yet" in look()
    assert "Count now" in look()
    assert not Job.objects.exists()
    client.post(address)
    assert "being counted for the first time" in look()
    client.post(address)
    job = Job.objects.get()
    assert str(job.pk) in look()
    assert Job.objects.count() == 1
    run_job(str(job.pk))
    page = look()
    assert "every row of now is counted" in page
    assert Job.objects.count() == 1
    rate(people, [0.5])
    assert "newer feedback is not counted yet" in look()
    assert not Job.objects.active().exists()
    client.post(address)
    assert "newer feedback is being counted" in look()


def test_what_is_asked_of_a_page_is_counted_by_the_job_that_it_asks_for(
    client: Client, many: None
) -> None:
    _reader(client)
    rate(real_source(), np.linspace(0, 1, 40), provider="a")
    for kind, query in (
        ("csat", "edges=0,.3,.6&days=30"),
        ("csat", "source=people"),
        ("baselines", "provider=a&model=b"),
        ("experiments", "planned=55&origin=real"),
    ):
        address = f"{reverse('admin:feedback_report', args=[kind])}?{query}"
        page = client.post(address, follow=True).content.decode()
        assert "first time" in page
        (job,) = Job.objects.active()
        run_job(str(job.pk))
        assert "every row of now is counted" in client.get(address).content.decode()


def test_who_may_not_read_reports_lands_rows_and_leaves_the_count_to_others(many: None) -> None:
    user = User.objects.create_user("collector", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="collect_feedback"))
    job = enqueue("feedback.collect_feedback", by=user)
    run_job(str(job.pk))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    assert not Job.objects.filter(kind=counting.COUNT_KIND).exists()


def test_nothing_is_asked_for_beside_a_job_that_reads_rows(many: None) -> None:
    rate(real_source(), [0.5])
    reading = enqueue("feedback.collect_feedback", by=make_admin())
    assert counting.ask_for_count(Asked("csat", choose_scope()), by=make_admin()) == reading


def test_a_collection_counts_what_stands_when_its_rows_are_there(many: None) -> None:
    collecting = enqueue("feedback.collect_feedback", by=make_admin())
    run_job(str(collecting.pk))
    following = Job.objects.get(kind=counting.COUNT_KIND)
    run_job(str(following.pk))
    for job in (collecting, following):
        job.refresh_from_db()
        assert job.state == Job.State.SUCCEEDED, job.error
    scope = choose_scope()
    assert all(reports.is_counted(Asked(kind, scope)) for kind in REPORT_KINDS)
    assert feedback_at_a_glance()["is_current"]
    counts = enqueue("feedback.count_reports", by=make_admin())
    run_job(str(counts.pk))
    counts.refresh_from_db()
    assert counts.result["counted"] == []


def test_the_front_page_says_that_newer_ratings_are_not_counted(client: Client, many: None) -> None:
    client.force_login(make_admin())
    people = real_source()
    rate(people, [0.5, 0.7] * 20)
    cache.clear()
    assert "not counted yet" in client.get("/admin/").content.decode()
    for asked in (Asked("csat", choose_scope()), counts_asked(FeedbackSource.objects.all())):
        count_report(asked)
    assert "not counted yet" not in client.get("/admin/").content.decode()
    rate(people, [0.5])
    page = client.get("/admin/").content.decode()
    assert "newer ratings not counted yet" in page
    assert "as of" in page
    assert "40 ratings" in page


def test_one_press_has_all_of_what_stands_counted(client: Client, many: None) -> None:
    _reader(client)
    rate(real_source(), [0.5, 0.7] * 20)
    client.post(reverse("admin:feedback_report", args=["csat"]))
    run_job(str(Job.objects.get().pk))
    assert feedback_at_a_glance()["is_current"]
    for kind in (*REPORT_KINDS, "status"):
        client.get(reverse("admin:feedback_report", args=[kind]))
    assert Job.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_rows_that_were_there_before_are_counted_by_the_migration() -> None:
    people = real_source()
    rate(people, [0.5, 0.7])
    try:
        MigrationExecutor(connection).migrate([("feedback", "0011_refused_rows_name_their_column")])
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    assert states()[people.pk, "quality_feedback"] == (1, 2)
    rate(people, [0.1])
    assert states()[people.pk, "quality_feedback"] == (2, 3)


# --- The next version ----------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """The keys of what a report says, without its figures and the names of its groups."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return ""


def test_a_report_that_says_something_else_is_of_other_formulas() -> None:
    """Whoever changes what reports say raises FORMULAS, and gives its shape here."""
    synthetic(60)
    scope = choose_scope()
    told = {kind: shape(build_report(kind, scope)) for kind in REPORT_KINDS}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    assert (FORMULAS, digest) == (1, "43f3be7e8009de8b")
