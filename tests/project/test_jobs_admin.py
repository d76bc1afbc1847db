"""The pages of jobs and schedules: what they show, and to whom."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pydantic import Field

from project.jobs import contract
from project.jobs.contract import Arguments
from project.jobs.models import Job, JobLogLine, Process, Schedule
from project.jobs.processes import beat
from project.jobs.questions import Ask, Word
from project.jobs.runner import run_job
from project.jobs.said import Figure, Outcome, Said
from project.jobs.services import enqueue, retry_job, stop_job
from project.refusal import Refusal
from tests.factories import make_seed_user, make_staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
Declare = Callable[..., str]


def login(*codenames: str, name: str = "staff") -> Client:
    """Return a client of a staff member with just these permissions of the jobs app."""
    user = User.objects.create_user(name, is_staff=True)
    wanted = Permission.objects.filter(content_type__app_label="jobs", codename__in=codenames)
    assert wanted.count() == len(codenames)
    user.user_permissions.set(wanted)
    client = Client()
    client.force_login(user)
    return client


def work(run: Any) -> dict[str, Any]:
    run.log("<b>first line</b>")
    run.add_record(User.objects.first() or User.objects.create_user("made"))
    with run.stage("count"):
        run.report(3, 4, "nearly there")
    return {"rows": 1234567, "is_new": True, "shares": [{"name": "a", "share": 0.25}]}


def fail(run: Any) -> dict[str, Any]:
    raise ValueError("the file has <no> rows")


def failed(kind: str) -> Job:
    job = enqueue(kind)
    with pytest.raises(ValueError, match="no"):
        run_job(str(job.pk))
    return Job.objects.get(pk=job.pk)


def page(job: Job, name: str = "change") -> str:
    return reverse(f"admin:jobs_job_{name}", args=[job.pk])


# --- Job pages ------------------------------------------------------------------------------------


def test_page_of_a_job_shows_all_there_is(declare: Declare, admin_client: Client) -> None:
    job = enqueue(declare(work), count=1000)
    run_job(str(job.pk))
    html = admin_client.get(page(job)).content.decode()
    for text in ("1,234,567", "Is new", "0.25", "1,000", "count", "Try the ledger", "Succeeded"):
        assert text.lower() in html.lower(), text
    assert "&lt;b&gt;first line" in html
    assert reverse("admin:auth_user_change", args=[User.objects.first().pk]) in html
    assert "data-live-url" not in html


def test_page_of_a_failed_job_shows_error_and_traceback(
    declare: Declare, admin_client: Client
) -> None:
    html = admin_client.get(page(failed(declare(fail)))).content.decode()
    assert "ValueError: the file has &lt;no&gt; rows" in html
    assert "Traceback (most recent call last)" in html
    assert "in fail" in html


def test_page_of_an_active_job_renews_itself(declare: Declare, admin_client: Client) -> None:
    job = enqueue(declare(work))
    html = admin_client.get(page(job)).content.decode()
    assert f'data-live-url="{page(job, "live")}"' in html
    assert "No worker is running" in html
    live = admin_client.get(page(job, "live")).json()
    assert live["is_active"]
    run_job(str(job.pk))
    live = admin_client.get(page(job, "live")).json()
    assert (live["is_active"], live["state"]) == (False, "succeeded")
    assert "1,234,567" in live["parts"]["result"]


def test_parts_of_a_page_are_the_same_while_the_job_is(
    declare: Declare, admin_client: Client
) -> None:
    """A part that is another one is replaced under the hands of its reader: no token, no clock."""
    job = enqueue(declare(work))
    Job.objects.filter(pk=job.pk).update(stages=[{"name": "count", "state": "running"}])
    shown = admin_client.get(page(job))
    first, second = (admin_client.get(page(job, "live")).json() for _ in range(2))
    assert first["parts"] == second["parts"] == shown.context["live"]["parts"]
    assert first["said"] == "Try the ledger waits: count."
    html = shown.content.decode()
    assert f'data-live-said="{first["said"]}"' in html
    for name, part in first["parts"].items():
        assert f'<div data-live-part="{name}">{part}</div>' in html, name
        assert "csrfmiddlewaretoken" not in part
        assert "<form" not in part


def test_page_of_an_unknown_job_says_so(admin_client: Client) -> None:
    for key in ("nothing", "00000000-0000-0000-0000-000000000000"):
        assert admin_client.get(reverse("admin:jobs_job_change", args=[key])).status_code == 404


def test_failed_job_and_its_retry_link_to_each_other(
    declare: Declare, admin_client: Client
) -> None:
    job = failed(declare(fail))
    response = admin_client.post(page(job, "retry"))
    retried = job.retries.get()
    assert response["Location"] == page(retried)
    assert page(retried) in admin_client.get(page(job)).content.decode()
    assert page(job) in admin_client.get(page(retried)).content.decode()


def test_pages_of_jobs_need_the_permission_to_view_them(declare: Declare) -> None:
    job = enqueue(declare(work))
    stranger, viewer = login(name="stranger"), login("view_job", name="viewer")
    for name in ("change", "live"):
        assert stranger.get(page(job, name)).status_code == 403
        assert viewer.get(page(job, name)).status_code == 200
        assert Client().get(page(job, name)).status_code == 302
    assert stranger.get(reverse("admin:jobs_job_changelist")).status_code == 403
    assert viewer.get(reverse("admin:jobs_job_add")).status_code == 403
    assert viewer.post(page(job), {"state": "succeeded"}).status_code == 200
    job.refresh_from_db()
    assert job.state == Job.State.QUEUED


@pytest.mark.parametrize("verb", ["stop", "retry"])
@pytest.mark.parametrize("way", ["page", "action"])
def test_stop_and_retry_need_their_permissions(declare: Declare, verb: str, way: str) -> None:
    job = enqueue(declare(work))
    if verb == "retry":
        stop_job(job)

    def post(client: Client) -> int:
        if way == "page":
            return client.post(page(job, verb)).status_code
        data = {"confirmed": "1", "action": verb, "_selected_action": [job.pk]}
        return client.post(reverse("admin:jobs_job_changelist"), data).status_code

    def is_done() -> bool:
        job.refresh_from_db()
        return job.stop_requested if verb == "stop" else job.retries.exists()

    post(login("view_job", name="viewer"))
    assert not is_done()
    # add_schedule is the permission of the kind itself, which a retry needs as well.
    post(login("view_job", f"{verb}_job", "add_schedule", name="operator"))
    assert is_done()


def test_retry_needs_the_permission_of_the_kind(declare: Declare) -> None:
    job = stop_job(enqueue(declare(work)))
    response = login("view_job", "retry_job").post(page(job, "retry"), follow=True)
    assert "you may not start" in response.content.decode()
    assert not job.retries.exists()


def test_stop_and_retry_by_link_alone_do_nothing(declare: Declare, admin_client: Client) -> None:
    waits = enqueue(declare(work))
    html = admin_client.get(page(waits, "stop")).content.decode()
    assert "1 job that waits is stopped." in html
    waits.refresh_from_db()
    assert not waits.stop_requested
    job = failed(declare(fail))
    assert '<button class="sb-btn sb-primary">' not in (
        admin_client.get(page(job, "stop")).content.decode()  # it has ended
    )
    html = admin_client.get(page(job, "retry")).content.decode()
    assert "1 job is asked again, as a new job with your rights" in html
    assert "No worker is running" in html
    assert not job.retries.exists()
    admin_client.post(page(job, "retry"))
    again = admin_client.get(page(job, "retry")).content.decode()
    assert "1 job stays" in again
    assert '<button class="sb-btn sb-primary">' not in again


def test_only_ended_jobs_can_be_deleted(declare: Declare, admin_client: Client) -> None:
    kind = declare(work)
    active, ended = enqueue(kind), stop_job(enqueue(kind))
    changelist = reverse("admin:jobs_job_changelist")

    def delete(*jobs: Job) -> str:
        data = {"action": "delete_selected", "_selected_action": [job.pk for job in jobs]}
        return admin_client.post(changelist, {**data, "post": "yes"}).content.decode()

    assert "stop it first" in delete(active, ended)
    assert Job.objects.count() == 2
    assert admin_client.post(page(active, "delete"), {"post": "yes"}).status_code == 403
    delete(ended)
    assert list(Job.objects.all()) == [active]


def test_list_takes_as_many_queries_for_many_jobs_as_for_one(
    declare: Declare, admin_client: Client, django_assert_num_queries: Any
) -> None:
    kind, user = declare(work), User.objects.get()
    changelist = reverse("admin:jobs_job_changelist")
    enqueue(kind, by=user)
    admin_client.get(changelist)  # content types are remembered from here on
    with django_assert_num_queries(9) as first:  # one is the strip's: something is active
        admin_client.get(changelist)
    for number in range(30):
        enqueue(kind, by=make_staff("jobs.add_schedule", name=f"user {number}"))
    with django_assert_num_queries(len(first)):
        html = admin_client.get(changelist).content.decode()
    assert html.count("sb-badge") >= 31


def test_list_is_filtered_by_state_and_kind(declare: Declare, admin_client: Client) -> None:
    one, other = declare(work), declare(fail)
    enqueue(one)
    stop_job(enqueue(other))
    changelist = reverse("admin:jobs_job_changelist")
    for query, count in (({"state__exact": "queued"}, 1), ({"kind": other}, 1), ({}, 2)):
        assert len(admin_client.get(changelist, query).context["cl"].result_list) == count


# --- Schedules ------------------------------------------------------------------------------------


class Days(Arguments):
    days: Annotated[int, Field(ge=1, le=30, description="Days to look back."), Ask(unit="days")] = 7
    reason: Annotated[Word, Ask(is_override=True)] = ""


def form(**changes: Any) -> dict[str, Any]:
    fields = {"name": "hourly", "days": "1", "cron": "0 * * * *", "is_enabled": "on"}
    return {**fields, "interval_seconds": "", **changes}


def add_url(kind: str) -> str:
    return f"{reverse('admin:jobs_schedule_add')}?kind={kind}"


def test_schedule_is_made_and_changed_in_the_admin(declare: Declare, admin_client: Client) -> None:
    kind = declare(work, arguments=Days)
    chosen = admin_client.get(reverse("admin:jobs_schedule_add")).content.decode()
    assert f"?kind={kind}" in chosen
    assert "kind=matching.import_events" not in chosen  # a file is there once
    page = admin_client.get(add_url(kind)).content.decode()
    assert "A whole number of days from 1 to 30." in page
    assert "arguments" not in page
    response = admin_client.post(add_url(kind), form())
    assert response.status_code == 302
    schedule = Schedule.objects.get()
    owner = User.objects.get()
    assert (schedule.kind, schedule.arguments) == (kind, {"days": 1, "reason": ""})
    assert (schedule.owner, schedule.next_run_at.minute) == (owner, 0)
    change = reverse("admin:jobs_schedule_change", args=[schedule.pk])
    admin_client.post(change, form(cron="30 * * * *", days="2"))
    schedule.refresh_from_db()
    assert (schedule.next_run_at.minute, schedule.arguments["days"]) == (30, 2)
    assert ":30 UTC" in admin_client.get(change).content.decode()  # in the message as well
    assert admin_client.get(change).content.decode().count(":30 UTC") == 5
    assert [row.history_actor for row in schedule.history.all()] == [owner.username] * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cron": "often"}, "is no cron expression"),
        ({"interval_seconds": "60"}, "not both"),
        ({"cron": ""}, "either an interval or a cron"),
        ({"cron": "", "interval_seconds": "5"}, "shortest interval is 10 seconds"),
        ({"days": "0"}, "greater than or equal to 1"),
        ({"days": "many"}, "Enter a whole number"),
        ({"reason": "because I can"}, "nothing is overridden by a schedule"),
    ],
)
def test_schedule_that_could_not_run_is_not_saved(
    declare: Declare, admin_client: Client, changes: dict[str, Any], message: str
) -> None:
    kind = declare(work, arguments=Days)
    response = admin_client.post(add_url(kind), form(**changes))
    assert message in response.content.decode()
    assert not Schedule.objects.exists()


def test_schedule_is_limited_to_kinds_that_its_maker_may_start(declare: Declare) -> None:
    kind = declare(work, arguments=Days)
    stranger = login("add_schedule", "view_schedule", name="stranger")
    # The right to schedules alone gives none to what other kinds do.
    assert (
        "kind=training.train_model"
        not in stranger.get(reverse("admin:jobs_schedule_add")).content.decode()
    )
    stranger.post(add_url("training.train_model"), form(seed="0"))
    assert not Schedule.objects.exists()
    assert stranger.post(add_url(kind), form()).status_code == 302
    schedule = Schedule.objects.get()
    other = login("change_schedule", "delete_schedule", "view_schedule", name="other")
    change = reverse("admin:jobs_schedule_change", args=[schedule.pk])
    assert other.post(change, form(days="9")).status_code == 403
    delete = reverse("admin:jobs_schedule_delete", args=[schedule.pk])
    assert other.post(delete, {"post": "yes"}).status_code == 403
    changelist = reverse("admin:jobs_schedule_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [schedule.pk], "post": "yes"}
    other.post(changelist, chosen)
    assert Schedule.objects.get().arguments["days"] == 1


def test_run_now_needs_its_permission_and_that_of_the_kind(declare: Declare) -> None:
    schedule = Schedule.objects.create(name="hourly", kind=declare(work), cron="0 * * * *")
    data = {"confirmed": "1", "action": "run_now", "_selected_action": [schedule.pk]}
    changelist = reverse("admin:jobs_schedule_changelist")
    login("view_schedule", name="viewer").post(changelist, data)
    login("view_schedule", "run_schedule", name="runner").post(changelist, data)
    assert not Job.objects.exists()
    operator = login("view_schedule", "run_schedule", "add_schedule", name="operator")
    operator.post(changelist, data)
    job = Job.objects.get()
    assert (job.schedule, job.user.username) == (schedule, "operator")
    html = operator.post(changelist, data, follow=True).content.decode()
    assert "has an active run" in html
    assert page(job) in html


def test_schedule_list_takes_as_many_queries_for_many_as_for_one(
    declare: Declare, admin_client: Client, django_assert_num_queries: Any
) -> None:
    kind, changelist = declare(work), reverse("admin:jobs_schedule_changelist")

    def add(name: str) -> None:
        retry_job(
            stop_job(
                enqueue(
                    kind, schedule=Schedule.objects.create(name=name, kind=kind, cron="0 * * * *")
                )
            )
        )

    add("first")
    admin_client.get(changelist)
    with django_assert_num_queries(7) as first:  # one is the strip's: something is active
        admin_client.get(changelist)
    for number in range(20):
        add(f"more-{number}")
    with django_assert_num_queries(len(first)):
        admin_client.get(changelist)


# --- Front page -----------------------------------------------------------------------------------


def test_front_page_says_what_runs_what_failed_and_what_is_down(
    declare: Declare, admin_client: Client
) -> None:
    job, other = enqueue(declare(work)), failed(declare(fail))
    html = admin_client.get(reverse("admin:index")).content.decode()
    assert page(job) in html
    assert page(other) in html
    assert "No worker and no scheduler runs. What is started waits" in html
    assert "manage.py" not in html
    cache.clear()  # what the navigation counts is kept for some seconds
    beat(Process.Role.WORKER)
    html = admin_client.get(reverse("admin:index")).content.decode()
    assert "No scheduler runs. What is started waits" in html


def test_front_page_hides_jobs_from_who_may_not_see_them(declare: Declare) -> None:
    enqueue(declare(work))
    html = login().get(reverse("admin:index")).content.decode()
    assert "Try the ledger" not in html


def test_log_of_a_job_is_cut_to_its_end(declare: Declare, admin_client: Client) -> None:
    job = enqueue(declare(work))
    JobLogLine.objects.bulk_create(
        JobLogLine(job=job, message=f"line number {n};") for n in range(600)
    )
    html = admin_client.get(page(job)).content.decode()
    assert "line number 599;" in html
    assert "line number 99;" not in html
    assert "The last 500 lines" in html


def test_a_form_that_is_not_saved_shows_no_error_of_the_clock(
    declare: Declare, admin_client: Client
) -> None:
    kind = declare(work, arguments=Days)
    admin_client.post(add_url(kind), form())
    change = reverse("admin:jobs_schedule_change", args=[Schedule.objects.get().pk])
    for changes in (
        {"cron": "on"},
        {"cron": "", "interval_seconds": str(10**30)},
        {"cron": "", "interval_seconds": str(2**31 - 1)},
        {"cron": "0 0 30 2 *"},
    ):
        response = admin_client.post(change, form(**changes))
        assert response.status_code == 200, changes


def test_an_earlier_state_is_saved_only_by_who_may_change_it_now(
    declare: Declare, admin_client: Client
) -> None:
    """The page of an earlier state in the history saves what is posted to it."""
    kind = declare(work, arguments=Days)
    admin_client.post(add_url(kind), form())
    schedule = Schedule.objects.get()
    state = schedule.history.latest()
    page = reverse("admin:jobs_schedule_simple_history", args=[schedule.pk, state.history_id])
    for number, rights in enumerate([("view_schedule",), ("view_schedule", "change_schedule")]):
        looker = login(*rights, name=f"looker {number}")
        assert looker.get(page).status_code == 200
        assert looker.post(page, form(days="9")).status_code == 403
    assert Schedule.objects.get().arguments["days"] == 1
    assert admin_client.post(page, form(days="9")).status_code == 302
    assert Schedule.objects.get().arguments["days"] == 9


def test_schedule_of_a_kind_that_is_gone_says_so_and_can_be_removed(admin_client: Client) -> None:
    schedule = Schedule.objects.create(name="old", kind="tests.removed", interval_seconds=60)
    change = reverse("admin:jobs_schedule_change", args=[schedule.pk])
    assert admin_client.get(change).status_code == 200
    html = admin_client.post(change, form(cron="0 * * * *")).content.decode()
    assert "No app declares the job kind" in html
    delete = reverse("admin:jobs_schedule_delete", args=[schedule.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 302
    assert not Schedule.objects.exists()


def test_the_front_page_shows_what_went_wrong_to_who_may_start_such_jobs(declare: Declare) -> None:
    failed(declare(fail))
    front = reverse("admin:index")
    assert (
        "the file has"
        in login("view_job", "add_schedule", name="starter").get(front).content.decode()
    )
    html = login("view_job", name="looker").get(front).content.decode()
    assert "the file has" not in html


def test_what_cannot_be_started_from_a_list_is_said(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An action on more records than a job can name, for one."""
    monkeypatch.setattr(contract, "MAX_ARGUMENT_BYTES", 10)
    user = make_seed_user()
    data = {"confirmed": "1", "action": "create_sessions", "_selected_action": [user.pk]}
    listing = reverse("admin:matching_seeduser_changelist")
    html = admin_client.post(listing, data, follow=True).content.decode()
    assert "Choose fewer records" in html
    assert not Job.objects.exists()


# --- The strip of running jobs --------------------------------------------------------------------

STRIP = "admin:jobs_strip"


def strip(client: Client, *watched: Job) -> Any:
    return client.get(reverse(STRIP), {"watched": ",".join(str(job.pk) for job in watched)}).json()


def test_every_page_shows_what_runs_and_nothing_where_nothing_does(
    declare: Declare, admin_client: Client, django_assert_num_queries: Any
) -> None:
    address = reverse("admin:auth_user_changelist")
    admin_client.get(address)
    with CaptureQueriesContext(connection) as quiet:
        html = admin_client.get(address).content.decode()
    assert 'id="jobs-strip"' in html
    assert 'data-mine="" hidden></aside>' in html
    job = enqueue(declare(work), by=User.objects.get())
    for _ in range(5):
        enqueue(job.kind, by=User.objects.get())
    with django_assert_num_queries(len(quiet) + 1):  # a single one, however many run
        html = admin_client.get(address).content.decode()
    assert "Try the ledger" in html
    assert "and 3 more" in html
    assert str(job.pk) in html


def test_the_strip_shows_ones_own_jobs_and_those_of_others_to_who_may_see_jobs(
    declare: Declare,
) -> None:
    kind = declare(work)
    own, other = make_staff("jobs.add_schedule", name="own"), make_staff("jobs.add_schedule")
    mine, theirs = enqueue(kind, by=own), enqueue(kind, by=other)
    client = Client()
    client.force_login(own)
    told = strip(client)
    assert told["mine"] == [str(mine.pk)]
    assert "Try the ledger" in told["html"]
    assert page(mine) not in told["html"]  # whose page this person may not open
    assert other.username not in told["html"]
    told = strip(login("view_job", name="viewer"))
    assert told["mine"] == []
    for job in (mine, theirs):
        assert page(job) in told["html"]
    assert own.username in told["html"]
    stranger = strip(login(name="stranger"))
    assert stranger == {"html": "", "mine": [], "ended": []}
    assert Client().get(reverse(STRIP)).status_code == 302


def test_the_end_of_a_job_is_told_to_who_asked_for_it_alone(declare: Declare) -> None:
    says = lambda result: Said("0 of 2 landed.", Outcome.IN_VAIN)  # noqa: E731
    own = make_staff("jobs.add_schedule", "jobs.view_job", name="own")
    job = enqueue(declare(work, says=says), by=own)
    client = Client()
    client.force_login(own)
    assert strip(client, job)["ended"] == []
    run_job(str(job.pk))
    (ended,) = strip(client, job)["ended"]
    assert (ended["text"], ended["url"]) == ("0 of 2 landed.", page(job))
    assert "without effect" in ended["html"]
    assert "sb-good" not in ended["html"]
    assert strip(login("view_job", name="viewer"), job)["ended"] == []
    assert client.get(reverse(STRIP), {"watched": "x,é,1"}).json()["ended"] == []


def test_no_worker_is_said_before_a_job_is_started(admin_client: Client) -> None:
    for name in ("matching_seeduser_seed", "training_dataset_build"):
        said = "What you start here waits"
        assert said in admin_client.get(reverse(f"admin:{name}")).content.decode()
    beat(Process.Role.WORKER)
    assert said not in admin_client.get(reverse(f"admin:{name}")).content.decode()


# --- What a page says of a job that ended ---------------------------------------------------------


def test_a_refused_job_goes_to_its_form_and_a_failed_one_is_retried(
    declare: Declare, admin_client: Client
) -> None:
    def refuse(run: Any) -> dict[str, Any]:
        raise Refusal("Too few.", remedy="Ask for more.")

    job = enqueue(declare(refuse, arguments=Days), days=3)
    run_job(str(job.pk))
    html = admin_client.get(page(job)).content.decode()
    assert "was refused." in html
    assert "Change and try again" in html
    assert 'id="job-retry"' not in html
    response = admin_client.post(page(job, "retry"))
    assert response["Location"] == page(job, "again")
    assert 'value="3"' in admin_client.get(response["Location"]).content.decode()
    assert 'id="job-retry"' in admin_client.get(page(failed(declare(fail)))).content.decode()


def test_a_job_that_came_to_nothing_is_green_nowhere(
    declare: Declare, admin_client: Client
) -> None:
    says = lambda result: Said("0 of 2 landed.", Outcome.IN_VAIN)  # noqa: E731
    job = enqueue(declare(work, says=says))
    run_job(str(job.pk))
    for address in (page(job), reverse("admin:jobs_job_changelist")):
        html = admin_client.get(address).content.decode()
        assert "without effect" in html
        assert ">succeeded<" not in html.replace("\n", "")
    assert "0 of 2 landed." in admin_client.get(page(job)).content.decode()


def test_a_long_result_is_folded_and_so_is_its_json(declare: Declare, admin_client: Client) -> None:
    def long(run: Any) -> dict[str, Any]:
        rows = [{"name": f"row {n}", "share": 0.5} for n in range(100)]
        return {"rows": 100, "mean": 0.25, "few": {"a": 1}, "many": rows}

    says = lambda result: Said("Done.", figures=(Figure("Mean", "0.25", "0.2 to 0.3"),))  # noqa: E731
    job = enqueue(declare(long, says=says))
    run_job(str(job.pk))
    html = admin_client.get(page(job)).content.decode()
    assert '<dt>Mean</dt><dd>0.25</dd><dd class="sb-quiet">0.2 to 0.3</dd>' in html
    assert '<details class="sb-more" id="job-result-1" open>' in html
    assert '<details class="sb-more" id="job-result-2">' in html
    assert '<details class="sb-more" id="job-raw"><summary>Result as JSON, ' in html
