"""The admin of feedback: every page and action, with and without permission."""

import io

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from feedback.jobs.collection import collect
from feedback.jobs.source_mapping import HowAsked
from feedback.jobs.synthetic import fill_synthetic
from feedback.models import CollectionRun, FeedbackSource, QualityFeedback, RejectedRecord
from feedback.models.passwords import password_of
from project.jobs.models import Job, Schedule
from tests.factories import make_staff
from tests.feedback.conftest import QUALITY, READER_PASSWORD
from tests.feedback.test_imports import import_text
from tests.refused_rows import correct_row, page_of

# Each alone makes another address of the source of the tests.
ELSEWHERE = {"host": "192.0.2.7", "port": "5444", "database": "elsewhere", "user": "somebody"}
LISTS = (
    "feedbacksource", "collectionrun", "qualityfeedback", "explanation", "abtestresult",
    "rejectedrecord",
)  # fmt: skip


@pytest.fixture
def looker(db, client):
    """Log in somebody who may look at everything and do nothing."""
    user = User.objects.create_user("looker", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


@pytest.fixture
def refused(customer, source):
    """Give a row that was refused for its rating."""
    customer.execute(
        f"INSERT INTO {QUALITY} (id, quality_rating, created_at, provider) "
        "VALUES (gen_random_uuid(), 7, now(), '=cmd()')"
    )
    collect(source, how=HowAsked(mapping="as-is"))
    return RejectedRecord.objects.get()


def correct(client, record):
    """Correct the rating of a refused row, so that it would land."""
    assert correct_row(client, record, quality_rating="0.7").status_code == 302


def test_a_correction_can_be_taken_back(admin_client, refused):
    client = admin_client
    correct(client, refused)
    refused.refresh_from_db()
    assert refused.correction == {"quality_rating": 0.7}
    correct_row(client, refused, quality_rating="7")
    refused.refresh_from_db()
    assert refused.correction == {}


def test_the_column_at_fault_of_a_refused_row_is_marked(admin_client, refused):
    page = admin_client.get(page_of(refused))
    marked = [one["field"].label for one in page.context["shown"] if one["is_at_fault"]]
    assert marked == ["quality_rating"]
    assert "expected a value inside the range" in page.content.decode()


def url(name, *args):
    return reverse(f"admin:{name}", args=args)


def form_of(source, **changed):
    fields = {
        name: getattr(source, name)
        for name in (
            "name", "kind", "host", "port", "database", "user", "password_variable", "sslmode",
            "schema", "naive_timezone", "overlap_hours",
        )
    }  # fmt: skip
    return {**fields, "is_enabled": "on", "mapping": "{}", "new_password": "", **changed}


@pytest.mark.parametrize("name", LISTS)
def test_lists_need_as_many_queries_for_many_rows_as_for_one(admin_client, customer, source, name):
    def queries():
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert admin_client.get(url(f"feedback_{name}_changelist")).status_code == 200
        return len(captured)

    customer.execute(f"INSERT INTO {QUALITY} (id, created_at) VALUES (gen_random_uuid(), now())")
    customer.fill(1)
    collect(source)
    queries()
    few = queries()
    customer.execute(
        f"INSERT INTO {QUALITY} (id, created_at, quality_rating) SELECT gen_random_uuid(), now(), "
        "CASE WHEN n < 10 THEN .5 END FROM generate_series(1, 20) n"
    )
    collect(source)
    assert queries() == few


def test_every_record_says_that_it_is_synthetic(admin_client):
    fill_synthetic(count=100)
    row = QualityFeedback.objects.first()
    for page in (
        url("feedback_qualityfeedback_changelist"),
        url("feedback_qualityfeedback_change", row.pk),
    ):
        assert "sb-synthetic" in admin_client.get(page).content.decode()


def test_importing_needs_its_permission(looker, admin_client):
    assert looker.get(url("feedback_import")).status_code == 403
    assert admin_client.get(url("feedback_import")).status_code == 200


def test_the_password_is_written_and_never_read(admin_client, source):
    page = url("feedback_feedbacksource_change", source.pk)
    saved = admin_client.post(page, form_of(source, new_password="another-secret-word"))
    assert saved.status_code == 302
    source.refresh_from_db()
    assert password_of(source) == "another-secret-word"
    assert admin_client.post(page, form_of(source)).status_code == 302
    source.refresh_from_db()
    assert password_of(source) == "another-secret-word"  # empty: it stays
    shown = admin_client.get(page).content.decode()
    assert "another-secret-word" not in shown
    assert source.password_encrypted not in shown
    history = admin_client.get(url("feedback_feedbacksource_history", source.pk)).content.decode()
    assert "another-secret-word" not in history


@pytest.mark.parametrize("field", ELSEWHERE)
def test_a_kept_password_does_not_follow_a_changed_address(admin_client, source, settings, field):
    settings.FEEDBACK_ALLOWED_HOSTS = [*settings.FEEDBACK_ALLOWED_HOSTS, "192.0.2.7:*"]
    page = url("feedback_feedbacksource_change", source.pk)
    for kind in FeedbackSource.Kind.values:  # what is no database today may be one again tomorrow
        moved = admin_client.post(page, form_of(source, kind=kind, **{field: ELSEWHERE[field]}))
        assert "Enter the password again" in moved.content.decode()
        stored = FeedbackSource.objects.get()
        assert getattr(stored, field) == getattr(source, field)
        assert password_of(stored) == READER_PASSWORD


@pytest.mark.parametrize("field", ELSEWHERE)
def test_a_changed_address_takes_a_new_password_or_none(admin_client, source, settings, field):
    settings.FEEDBACK_ALLOWED_HOSTS = [*settings.FEEDBACK_ALLOWED_HOSTS, "192.0.2.7:*"]
    page = url("feedback_feedbacksource_change", source.pk)
    moved = form_of(source, new_password="fresh", **{field: ELSEWHERE[field]})
    assert admin_client.post(page, moved).status_code == 302
    stored = FeedbackSource.objects.get()
    assert (str(getattr(stored, field)), password_of(stored)) == (ELSEWHERE[field], "fresh")
    back = form_of(source, remove_password="on")
    assert admin_client.post(page, back).status_code == 302
    stored.refresh_from_db()
    assert (getattr(stored, field), password_of(stored)) == (getattr(source, field), "")


@pytest.mark.parametrize("field", ELSEWHERE)
def test_a_kept_password_does_not_go_back_to_an_earlier_address(admin_client, source, field):
    """The history's page of an earlier state begins with its address, as if nothing changed."""
    FeedbackSource.objects.update(**{field: ELSEWHERE[field]})
    earlier = url("feedback_feedbacksource_simple_history", source.pk, source.history.get().pk)
    reverted = admin_client.post(earlier, form_of(source))
    assert "Enter the password again" in reverted.content.decode()
    assert str(getattr(FeedbackSource.objects.get(), field)) == ELSEWHERE[field]


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "/run"])
def test_an_address_inside_is_refused_unless_it_is_listed(admin_client, source, settings, host):
    settings.FEEDBACK_ALLOWED_HOSTS = []
    page = url("feedback_feedbacksource_change", source.pk)
    answer = admin_client.post(page, form_of(source, host=host, new_password="x"))
    assert "SEEDBED_FEEDBACK_ALLOWED_HOSTS" in answer.content.decode()


def test_the_connection_is_tested_on_request_only(admin_client, customer, source):
    customer.execute(f"DROP TABLE {QUALITY}")
    action = admin_client.post(
        url("feedback_feedbacksource_changelist"),
        {"action": "test_connection", "_selected_action": [source.pk]},
    )
    page = url("feedback_test_connection", source.pk)
    assert action.url == page
    assert "grant SELECT" not in admin_client.get(page).content.decode()
    assert "grant SELECT" in admin_client.post(page).content.decode()


def test_a_source_of_files_has_no_connection_to_test(admin_client, source):
    FeedbackSource.objects.filter(pk=source.pk).update(kind=FeedbackSource.Kind.FILE)
    action = {"action": "test_connection", "_selected_action": [source.pk]}
    answer = admin_client.post(url("feedback_feedbacksource_changelist"), action, follow=True)
    page = answer.content.decode()
    assert "is no database: it has no connection to test" in page
    assert url("feedback_test_connection", source.pk) not in page


def test_the_page_of_a_run_says_its_job_once_and_no_cross_for_what_is_good(admin_client, source):
    run = CollectionRun.objects.create(source=source, table="quality_feedback")
    page = admin_client.get(url("feedback_collectionrun_change", run.pk)).content.decode()
    assert page.count("<label>Job:</label>") == 1
    assert "Is partial" not in page
    assert "Taken in part" in page


def test_collecting_needs_its_permission(looker, source):
    asked = {"confirmed": "1", "action": "collect_now", "_selected_action": [source.pk]}
    looker.post(url("feedback_feedbacksource_changelist"), asked)
    assert not Job.objects.exists()
    assert looker.get(url("feedback_test_connection", source.pk)).status_code == 403


def test_collecting_starts_a_job_without_the_password(admin_client, source):
    asked = {"confirmed": "1", "action": "collect_now", "_selected_action": [source.pk]}
    admin_client.post(url("feedback_feedbacksource_changelist"), asked)
    job = Job.objects.get()
    assert (job.kind, job.arguments) == ("feedback.collect_feedback", {"sources": ["customer"]})
    assert READER_PASSWORD not in str(job.arguments)


def test_a_file_is_imported_by_a_job(admin_client):
    upload = io.BytesIO(b"id,stars,created_at\n1,0.5,2026-05-01T00:00Z\n")
    upload.name = "own.csv"
    asked = {"table": "quality_feedback", "source": "files", "on_change": "keep"}
    asked |= {"decimal": "auto", "date_format": "auto"}
    fields = {"file": upload, **asked}
    wrong = admin_client.post(url("feedback_import"), {**fields, "columns": "colour=stars"})
    assert "there is no column colour" in wrong.content.decode()
    upload.seek(0)
    admin_client.post(url("feedback_import"), {**fields, "columns": "quality_rating=stars"})
    assert Job.objects.get().arguments["columns"] == {"quality_rating": "stars"}


def test_refused_rows_are_filtered_corrected_tried_again_and_downloaded(
    admin_client, looker, refused
):
    listing = url("feedback_rejectedrecord_changelist")
    chosen = {"_selected_action": [refused.pk]}
    assert "out_of_range" in looker.get(f"{listing}?state=open").content.decode()
    correct(admin_client, refused)
    download = admin_client.post(listing, {**chosen, "action": "download"})
    text = b"".join(download.streaming_content).decode()
    assert refused.external_id in text
    assert "expected a value inside the range" in text
    admin_client.post(listing, {**chosen, "action": "retry", "confirmed": "1"})
    assert not RejectedRecord.objects.open().exists()
    assert QualityFeedback.objects.get().csat == 0.7


@pytest.mark.parametrize(
    ("permissions", "lands"),
    [
        (["view"], False),
        (["view", "change"], False),
        (["view", "add", "change", "delete"], False),
        (["view", "retry"], True),
    ],
)
def test_refused_rows_are_tried_again_only_with_the_right(
    admin_client, client, refused, permissions, lands
):
    correct(admin_client, refused)  # from now on the row would land
    runs = CollectionRun.objects.count()
    client.force_login(make_staff(*(f"feedback.{one}_rejectedrecord" for one in permissions)))
    client.post(
        url("feedback_rejectedrecord_changelist"),
        {"confirmed": "1", "action": "retry", "_selected_action": [refused.pk]},
    )
    assert RejectedRecord.objects.open().exists() is not lands
    assert QualityFeedback.objects.exists() is lands
    assert CollectionRun.objects.count() == runs + lands


def test_the_schedule_is_switched_in_the_admin(admin_client, looker):
    switch, listing = url("feedback_schedule"), url("feedback_feedbacksource_changelist")
    assert looker.post(switch, {"switch": "on"}).status_code == 403
    assert admin_client.get(switch).status_code == 403
    admin_client.post(switch, {"switch": "on"})
    assert Schedule.objects.get().is_enabled
    assert "next at" in admin_client.get(listing).content.decode()
    admin_client.post(switch, {"switch": "off"})
    assert not Schedule.objects.get().is_enabled
    assert FeedbackSource.objects.count() == 0


def test_a_rating_is_found_by_both_of_its_ids(admin_client, tmp_path):
    text = "id,response_id,quality_rating,created_at\n"
    text += "".join(f"rating-{n},response-{n},0.5,2026-05-01T10:00:00Z\n" for n in range(40))
    _, result = import_text(tmp_path, text)
    assert result["new"] == 40
    there = reverse("admin:feedback_qualityfeedback_changelist")
    for term in ("rating-1", "response-1", " rating-1 "):
        (shown,) = admin_client.get(there, {"q": term}).context["cl"].result_list
        assert shown.external_id == "rating-1"
    assert not admin_client.get(there, {"q": "rating"}).context["cl"].result_list
