"""The audit list: one line for each act, by whom and from where; nobody changes it."""

import inspect

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.management import call_command, get_commands, load_command_class
from django.db import DatabaseError, transaction
from django.test import Client, RequestFactory
from django.urls import reverse

from feedback.models import FeedbackSource
from matching.models import SeedUser
from project.acting import operator
from project.audit.models import Act, AuditEntry
from project.audit.services import record
from project.jobs.command import JobCommand
from project.pages.admins import AuditedAdmin
from tests.factories import make_group, make_seed_user, make_staff
from tests.feedback.conftest import READER_PASSWORD
from tests.feedback.test_admin import form_of, url
from tests.rooms import ROOMS
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.kinds import get_kind
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]

LIST = "/admin/audit/auditentry/"
FROM = {"REMOTE_ADDR": "192.0.2.1"}
RIGHT = "correct horse battery"


@pytest.fixture(autouse=True)
def artifact_root(settings, tmp_path) -> None:
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password=RIGHT)


@pytest.fixture
def at_work(ada) -> Client:
    """Give somebody who is signed in; the list begins after that."""
    client = Client(**FROM)
    client.force_login(ada)
    return client


def since(entry: AuditEntry) -> list[tuple[str, str, str]]:
    """Return act, who and from where of what was added after an entry."""
    added = AuditEntry.objects.filter(pk__gt=entry.pk).order_by("pk")
    return [(one.act, one.actor, one.address) for one in added]


def latest() -> AuditEntry:
    return AuditEntry.objects.first()  # type: ignore[return-value]


def read(download) -> bytes:
    return b"".join(download.streaming_content)


def sign_in(client: Client, password: str, name: str = "ada"):
    return client.post("/admin/login/", {"username": name, "password": password})


def test_signing_in_failing_being_locked_out_and_signing_out(ada) -> None:
    client = Client(**FROM)
    for _ in range(7):  # two of them while locked out: nobody looks at those
        sign_in(client, "wrong")
    acts = list(AuditEntry.objects.order_by("pk").values_list("act", flat=True))
    assert acts == [Act.SIGN_IN_FAILED] * 4 + [Act.LOCKED_OUT, Act.SIGN_IN_FAILED]
    assert {(one.actor, one.title, one.address) for one in AuditEntry.objects.all()} == {
        ("nobody", "ada", "192.0.2.1")
    }
    elsewhere = Client(REMOTE_ADDR="2001:db8::1")
    begun = latest()
    sign_in(elsewhere, RIGHT)
    elsewhere.post("/admin/logout/")
    assert since(begun) == [
        (Act.SIGN_IN, "ada", "2001:db8::1"),
        (Act.SIGN_OUT, "ada", "2001:db8::1"),
    ]


def test_a_password_that_was_typed_as_a_name_is_not_kept() -> None:
    sign_in(Client(), "x", name="canary-of-a-password")
    entry = AuditEntry.objects.get()
    assert entry.title == "under a name that nobody has"
    assert "canary" not in str(list(AuditEntry.objects.values()))


def test_promotion_rollback_and_override_name_the_model(ada) -> None:
    dataset = make_dataset(make_good_batch(400))
    first, second = make_model(dataset), make_model(dataset)
    begun = record(Act.KEY)
    registry.promote(first, by=ada, reason="the first one")
    registry.promote(second, by=ada, reason="newer", override_reason="for this test only")
    registry.rollback(get_kind(first.kind), by=ada, reason="drift")
    acts = [act for act, _, _ in since(begun)]
    assert [act for act in acts if act != Act.OVERRIDE] == [
        *(Act.PROMOTION, Act.PROMOTION, Act.ROLLBACK)
    ]
    assert {who for _, who, _ in since(begun)} == {"ada"}
    assert AuditEntry.objects.of(Act.ROLLBACK).about(first).count() == 1


def test_an_act_that_fails_leaves_no_line(ada, monkeypatch) -> None:
    model = make_model(make_dataset(make_good_batch(400)))
    begun = record(Act.KEY)

    def fail(*_, **__):
        raise RuntimeError("no room")

    monkeypatch.setattr(registry.Promotion.objects, "create", fail)
    with pytest.raises(RuntimeError), transaction.atomic():
        registry.promote(model, by=ada)
    assert since(begun) == []


def test_a_source_tells_of_passwords_and_addresses_and_not_which(at_work, settings) -> None:
    host = settings.DATABASES["default"]["HOST"]
    settings.FEEDBACK_ALLOWED_HOSTS = [f"{host}:*"]
    new = FeedbackSource(name="new", host=host, database="d", user="u", sslmode="disable")
    at_work.post(url("feedback_feedbacksource_add"), form_of(new, new_password=READER_PASSWORD))
    source = FeedbackSource.objects.get()
    page = url("feedback_feedbacksource_change", source.pk)
    at_work.post(page, form_of(source))  # nothing changes, nothing is said
    at_work.post(page, form_of(source, port="5444", new_password="another-canary"))
    at_work.post(page, form_of(source, port="5444", remove_password="on"))
    said = AuditEntry.objects.of(Act.SOURCE).order_by("pk").values_list("detail", flat=True)
    assert [line.split(";")[0] for line in said] == [
        *("added", "password entered", "password removed")
    ]
    assert f"address: u@{host}:5444/d with sslmode disable" in said[1]
    assert READER_PASSWORD not in str(list(said))
    assert "canary" not in str(list(said))
    assert source.history.first().history_user.username == "ada"


def test_downloads_name_the_file_and_the_record(at_work) -> None:
    dataset = make_dataset(make_good_batch(400))
    batch = dataset.batches.get()
    begun = latest()
    read(at_work.get(reverse("admin:training_dataset_zip", args=[dataset.pk])))
    zipped = latest()
    assert (zipped.act, zipped.model, zipped.object_id) == (
        *(Act.EXPORT, "training.dataset", str(dataset.pk)),
    )
    assert zipped.title.endswith(".zip")
    read(at_work.get(reverse("admin:matching_eventbatch_export", args=[batch.pk])))
    assert latest().title == f"events-{batch.pk}.jsonl.gz"
    assert since(begun) == [(Act.EXPORT, "ada", "192.0.2.1")] * 2
    at_work.get("/admin/")
    assert len(since(begun)) == 2  # a page is no download


def test_commands_that_export_name_who_runs_them(tmp_path) -> None:
    batch = make_good_batch(400)
    model = make_model(make_dataset(batch))
    call_command("export_events", "--batch", str(batch.pk), "--output", str(tmp_path / "e.jsonl"))
    assert (latest().act, latest().actor) == (Act.EXPORT, operator().name)
    assert latest().address is None
    call_command("models", "export", str(model.version), "--output", str(tmp_path / "model"))
    assert AuditEntry.objects.of(Act.EXPORT).about(model).count() == 1


@pytest.mark.parametrize("way", ["page", "list"])
def test_what_is_removed_keeps_its_name_in_the_list(at_work, way) -> None:
    gone = make_group("somebody")
    begun = latest()
    if way == "page":
        at_work.post(reverse("admin:matching_travelgroup_delete", args=[gone.pk]), {"post": "yes"})
    else:
        at_work.post(
            reverse("admin:matching_travelgroup_changelist"),
            {"action": "delete_selected", "_selected_action": [gone.pk], "post": "yes"},
        )
    assert since(begun) == [(Act.REMOVAL, "ada", "192.0.2.1")]
    assert "somebody" in latest().title
    assert latest().object_id == str(gone.pk)


def test_a_removal_that_fails_leaves_no_line(at_work, monkeypatch) -> None:
    gone = make_group("somebody")
    begun = latest()

    def fail(*_):
        raise RuntimeError("no room")

    monkeypatch.setattr(type(admin.site._registry[type(gone)]), "delete_queryset", fail)
    with pytest.raises(RuntimeError):
        at_work.post(
            reverse("admin:matching_travelgroup_changelist"),
            {"action": "delete_selected", "_selected_action": [gone.pk], "post": "yes"},
        )
    assert since(begun) == []


def test_every_list_of_the_admin_notes_what_is_removed() -> None:
    admin.autodiscover()
    strangers = [
        model.__name__
        for model, one in admin.site._registry.items()
        if not isinstance(one, AuditedAdmin)
    ]
    assert strangers == []


# What each command of ours that is no job leaves in the audit list, None: nothing worth it.
COMMANDS: dict[str, str | None] = {
    "adopt_folder": Act.FOLDER,
    "backup": Act.EXPORT,
    "restore": Act.FOLDER,
    "tend_store": None,  # files that no record names
    "export_events": Act.EXPORT,
    "models": Act.EXPORT,  # and promotions, rollbacks
    "api_keys": Act.KEY,
    "rotate_keys": Act.KEY,
    **dict.fromkeys(
        ("analyze_dataset", "debug_features", "explain_match", "predict", "verify_scores"), None
    ),  # of files, or shown
    **dict.fromkeys(("check_profiles", "feedback_report", "feedback_status", "status"), None),
    # Schedules and jobs have a history.
    **dict.fromkeys(("auto_collect", "jobs", "monitor_scores"), None),
    "demo": None,  # of jobs
    **dict.fromkeys(("directory", "scheduler", "serve", "services", "worker"), None),
}
IN_A_SERVICE = ("models", "api_keys", "backup", "restore")  # whose services the admin calls as well


def test_a_command_that_acts_by_itself_has_its_line_here_and_there() -> None:
    ours = set(ROOMS)
    found = {
        name: command
        for name, app in get_commands().items()
        if app.partition(".")[0] in ours
        and not isinstance(command := load_command_class(app, name), JobCommand)
    }
    assert found.keys() == COMMANDS.keys()
    for name, act in COMMANDS.items():
        if act is not None:
            program = inspect.getsource(inspect.getmodule(type(found[name])))
            assert "record(" in program or name in IN_A_SERVICE, name


def test_rights_that_are_given_and_accounts_that_go(at_work) -> None:
    begun = latest()
    eve = make_staff(name="eve")
    page = reverse("admin:auth_user_change", args=[eve.pk])
    shown = at_work.get(page).context["adminform"].form.initial
    fields = {name: value for name, value in shown.items() if value not in (None, False, [])}
    fields.pop("date_joined"), fields.pop("last_login", None)
    joined = {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    saved = at_work.post(page, {**fields, **joined, "is_superuser": "on"})
    assert saved.status_code == 302
    assert latest().act == Act.ACCOUNT
    assert "uperuser" in latest().detail
    at_work.post(reverse("admin:auth_user_delete", args=[eve.pk]), {"post": "yes"})
    at_work.post(reverse("admin:auth_group_add"), {"name": "curators"})
    assert Group.objects.filter(name="curators").exists()
    assert [act for act, _, _ in since(begun)] == [Act.ACCOUNT, Act.REMOVAL, Act.ACCOUNT]


def test_the_name_stays_when_the_account_is_gone(at_work, ada) -> None:
    begun = latest()
    record(Act.PROMOTION, by=ada)
    ada.delete()
    client = Client()
    client.force_login(User.objects.create_superuser("bob"))
    assert since(begun)[0][1] == "ada"
    assert "ada" in client.get(LIST).content.decode()
    assert client.get(f"{LIST}{begun.pk + 1}/change/").status_code == 200


def test_the_database_refuses_to_change_or_remove_a_line() -> None:
    entry = record(Act.KEY, title="kept")
    for attempt in (
        lambda: AuditEntry.objects.update(actor="somebody else"),
        lambda: AuditEntry.objects.all().delete(),
        entry.delete,
        entry.save,
    ):
        with pytest.raises(DatabaseError, match="only added to"), transaction.atomic():
            attempt()
    assert latest().title == "kept"


def test_nobody_adds_changes_or_removes_on_the_page(at_work) -> None:
    entry = record(Act.KEY, title="kept")
    for address in (f"{LIST}add/", f"{LIST}{entry.pk}/delete/"):
        assert at_work.get(address).status_code == 403
        assert at_work.post(address, {"post": "yes"}).status_code == 403
    page = at_work.get(f"{LIST}{entry.pk}/change/").content.decode()
    assert "kept" in page
    assert 'name="_save"' not in page


def test_the_list_needs_its_own_right(client) -> None:
    client.force_login(make_staff("jobs.view_job"))
    assert client.get(LIST).status_code == 403
    client.force_login(make_staff("audit.view_auditentry", name="auditor"))
    assert client.get(LIST).status_code == 200


def test_a_line_leads_to_its_record_for_who_may_see_that(client, at_work) -> None:
    user = make_seed_user("somebody")
    record(Act.EXPORT, about=user)
    page = reverse("admin:matching_seeduser_change", args=[user.pk])
    assert page in at_work.get(LIST).content.decode()
    client.force_login(make_staff("audit.view_auditentry", name="auditor"))
    shown = client.get(LIST).content.decode()
    assert "somebody" in shown
    assert page not in shown


def test_no_line_leads_to_a_record_that_is_gone(at_work) -> None:
    gone, stays = make_seed_user("gone"), make_seed_user("stays")
    for user in (gone, stays):
        record(Act.PERSON, about=user)
    record(Act.EXPORT, model="matching.ghost", pk=1, title="of an edition before")
    SeedUser.objects.filter(pk=gone.pk).delete()
    shown = at_work.get(LIST).content.decode()
    assert reverse("admin:matching_seeduser_change", args=[stays.pk]) in shown
    assert reverse("admin:matching_seeduser_change", args=[gone.pk]) not in shown
    assert "of an edition before" in shown


def test_the_list_is_filtered_and_searched(at_work) -> None:
    record(Act.KEY, title="a needle")
    record(Act.REMOVAL, title="some hay")
    for query in ("?act__exact=key", "?q=needle"):
        shown = at_work.get(LIST + query).content.decode()
        assert "a needle" in shown
        assert "some hay" not in shown
    assert "a needle" not in at_work.get(f"{LIST}?q=192.0.2.9").content.decode()


def test_names_from_outside_are_kept_as_text() -> None:
    entry = record(Act.EXPORT, title="a\0b\ud800" + "x" * 500)
    entry.refresh_from_db()
    assert entry.title.startswith("a\\0b\\ud800")
    assert len(entry.title) == 200


def test_an_act_outside_of_a_request_is_the_operators() -> None:
    assert record(Act.KEY).actor == operator().name
    request = RequestFactory().get("/")
    assert request.META["REMOTE_ADDR"]  # none is current: its address is nobody's
    assert latest().address is None
