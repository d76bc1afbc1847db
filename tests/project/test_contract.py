"""What jobs are asked: one declaration, checked at every door."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from matching.domain.words import BOTH_MATCH_TYPES, MATCH_TYPES_ASKED, MatchType
from matching.jobs.arguments import GenerateEvents
from project.acting import Actor, acting
from project.jobs.contract import (
    RESERVED,
    Arguments,
    JobKind,
    UnusableArguments,
    all_kinds,
    get_kind,
    job,
    read_arguments,
    stored_arguments,
)
from project.jobs.forms import form_for
from project.jobs.models import Job, Schedule
from project.jobs.questions import Question, Shape
from project.jobs.reference import reference
from project.jobs.runner import run_job
from project.jobs.said import Said
from project.jobs.services import NotPermitted, enqueue, retry_job
from project.refusal import Refusal
from project.removal.registry import all_removals
from tests.factories import make_admin, make_staff
from training.services.overrides import claim_override

OURS = [kind for kind in all_kinds() if not kind.name.startswith("tests.")]
QUESTIONS = [(kind, question) for kind in OURS for question in kind.questions]
REQUIRED = {
    "feedback.import_feedback": {
        "file": "6f2b1c1e-0f5e-4f0e-9d43-6b7c3f1f7a11",
        "table": "quality_feedback",
    },
    "serving.tell_alarm": {"alarm": 1},
    "matching.import_events": {"files": ["6f2b1c1e-0f5e-4f0e-9d43-6b7c3f1f7a11"]},
    "matching.export_events": {"batches": [1]},
    "matching.import_groups": {"file": "6f2b1c1e-0f5e-4f0e-9d43-6b7c3f1f7a11"},
    "matching.import_sessions": {"file": "6f2b1c1e-0f5e-4f0e-9d43-6b7c3f1f7a11"},
    "matching.import_users": {"file": "6f2b1c1e-0f5e-4f0e-9d43-6b7c3f1f7a11"},
    "matching.merge_people": {"keep": 1, "gone": 2},
    "matching.retry_events": {"batch": 1},
    **{how.kind: {"number": 1, "why": "a test"} for how in all_removals()},
}
POISON = [
    *(float("nan"), float("inf"), 1e400, 10**5000, -1, True, "", "\0", "a\0b", "\ud800"),
    *([], {}, None, [None], [[1]], {"a": {"b": 1}}, "../../etc/passwd", b"bytes", object()),
]


def of_kind(kind: JobKind) -> str:
    return kind.name


def of_question(value: Any) -> str:
    return value.name


# --- The declarations -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OURS, ids=of_kind)
def test_a_kind_is_named_app_verb_noun_and_its_permission_is_there(kind: JobKind, db: None) -> None:
    app, _, name = kind.name.partition(".")
    module = kind.work.__module__.removeprefix("project.")
    assert re.sub(r"\.(removals|erasing)$", "", module) == f"{app}.jobs"
    assert name.count("_") == 1, f"{kind.name} should be app.verb_noun"
    admin = make_admin()
    for permission in kind.permissions_for(kind.arguments.model_construct(**_defaults(kind))):
        assert admin.has_perm(permission)
        assert permission in admin.get_all_permissions(), f"There is no permission {permission}."
        assert "view_" not in permission, "To look at something starts nothing."
    assert kind.summary.endswith(".")


def _defaults(kind: JobKind) -> dict[str, Any]:
    return {question.name: question.default for question in kind.questions}


@pytest.mark.parametrize(("kind", "question"), QUESTIONS, ids=of_question)
def test_every_argument_has_a_help_a_limit_and_a_default_that_fits(
    kind: JobKind, question: Question
) -> None:
    assert question.help.endswith("."), question.name
    assert question.name not in RESERVED
    if question.shape in (Shape.INTEGER, Shape.NUMBER):
        assert question.minimum is not None
        assert question.maximum is not None
    if question.shape is Shape.TEXT and not question.is_list:
        assert question.max_length
    if not question.is_required:
        read_arguments(kind, {**REQUIRED.get(kind.name, {}), question.name: question.default})


def test_one_limit_for_one_thing() -> None:
    """A question of the same name asks the same everywhere."""
    limits: dict[tuple[str, str], set[tuple[Any, Any]]] = {}
    for _, question in QUESTIONS:
        key = (question.name, question.ask.unit)
        limits.setdefault(key, set()).add((question.minimum, question.maximum))
    assert {key: found for key, found in limits.items() if len(found) > 1} == {}
    assert limits["seed", ""] == {(0, 2**32 - 1)}


def test_the_words_of_a_generation_are_those_of_the_domain() -> None:
    (asked,) = (q for q in get_kind("matching.generate_events").questions if q.name == "match_type")
    assert set(asked.choices) == {*MatchType, BOTH_MATCH_TYPES} == set(MATCH_TYPES_ASKED)


def test_the_page_of_the_jobs_is_made_from_them(settings: Any) -> None:
    page = (settings.BASE_DIR / "docs" / "jobs.md").read_text()
    assert page == reference(), "Run `manage.py jobs reference > docs/jobs.md`."


def test_a_kind_that_no_door_could_ask_is_refused_when_declared() -> None:
    class Taken(Arguments):
        schedule: int = 1

    class Odd(Arguments):
        given: complex = 1j

    with pytest.raises(ValueError, match="may not be called schedule"):
        job("tests.taken", title="", permission="", says=lambda result: Said(""), arguments=Taken)(
            lambda run, asked: {}
        )
    with pytest.raises(TypeError, match="can ask for given"):
        JobKind(  # noqa: B018
            "tests.odd", "", "", lambda run, asked: {}, "", Odd, says=lambda result: Said("")
        ).questions


# --- What is taken --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", OURS, ids=of_kind)
def test_what_is_taken_comes_back_the_same(kind: JobKind) -> None:
    asked = read_arguments(kind, REQUIRED.get(kind.name, {}))
    assert stored_arguments(asked) == REQUIRED.get(kind.name, {})
    everything = asked.model_dump(mode="json")
    assert read_arguments(kind, everything).model_dump(mode="json") == everything


@pytest.mark.parametrize("kind", OURS, ids=of_kind)
def test_an_unknown_name_is_an_error_that_names_the_known_ones(kind: JobKind) -> None:
    with pytest.raises(UnusableArguments, match="no argument 'cuont'") as refused:
        read_arguments(kind, {**REQUIRED.get(kind.name, {}), "cuont": 5})
    for question in kind.questions:
        assert question.name in str(refused.value)


@pytest.mark.parametrize(("kind", "question"), QUESTIONS, ids=of_question)
def test_poison_is_refused_in_words_or_is_a_good_answer(kind: JobKind, question: Question) -> None:
    for value in POISON:
        said = answer_to(kind, {**REQUIRED.get(kind.name, {}), question.name: value})
        assert "\0" not in said
        assert len(said) < 1000


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_else_than_arguments_is_refused_in_words(anything: Any) -> None:
    assert answer_to(get_kind("training.train_model"), anything)


def answer_to(kind: JobKind, given: Any) -> str:
    """Return the words of the refusal, or what was taken."""
    try:
        return repr(read_arguments(kind, given))
    except UnusableArguments as error:
        return str(error)


def test_a_number_of_another_type_is_no_number() -> None:
    kind = get_kind("matching.generate_events")
    for value in (True, "5", 5.0, 5.5, [5]):
        with pytest.raises(UnusableArguments, match="a whole number of events from 1 to"):
            read_arguments(kind, {"count": value})
    assert isinstance(read_arguments(kind, {"count": 5}), GenerateEvents)


# --- Every door -----------------------------------------------------------------------------------

WRONG = [
    ("training.train_model", {"datset": 99}, "no argument 'datset'"),
    ("matching.generate_events", {"cuont": 5}, "no argument 'cuont'"),
    ("matching.generate_events", {"count": 100_000_001}, "from 1 to 100,000,000"),
    ("training.build_dataset", {"split": "moon"}, "split"),
    ("feedback.collect_feedback", {"days": 3, "start": "2026-01-01T00:00Z"}, "either days"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "arguments", "words"), WRONG)
def test_each_door_refuses_what_the_kind_does_not_take(
    kind: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnusableArguments, match=words):
        enqueue(kind, **arguments)
    schedule = Schedule(name="s", kind=kind, arguments=arguments, cron="0 * * * *")
    with pytest.raises(ValidationError, match=words):
        schedule.full_clean()
    # A row that an earlier version wrote, or somebody with a client of the database.
    stored = Job.objects.create(kind=kind, arguments=arguments, is_by_operator=True, actor="x")
    run_job(str(stored.pk))
    stored.refresh_from_db()
    assert (stored.state, stored.attempts) == (Job.State.REFUSED, 1)
    assert stored.result["refused"]["remedy"] == "Start it anew."
    with pytest.raises(UnusableArguments, match=words):
        retry_job(stored)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [kind for kind in OURS if not kind.can_be_scheduled], ids=of_kind)
def test_no_schedule_takes_a_file(kind: JobKind) -> None:
    for arguments in ({}, REQUIRED[kind.name], {"path": "/etc/passwd"}, {"file": "/etc/passwd"}):
        schedule = Schedule(name="s", kind=kind.name, arguments=arguments, cron="0 * * * *")
        with pytest.raises(ValidationError, match="no schedule can"):
            schedule.full_clean()


@pytest.mark.django_db
def test_nothing_is_overridden_by_a_schedule() -> None:
    reason = {"override_reason": "because nobody looks"}
    schedule = Schedule(
        name="s", kind="training.train_model", arguments=reason, interval_seconds=60
    )
    with pytest.raises(ValidationError, match="nothing is overridden by a schedule"):
        schedule.full_clean()


# --- Who did it -----------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("kind", OURS, ids=of_kind)
def test_nobody_starts_a_job_without_its_right(kind: JobKind) -> None:
    arguments = REQUIRED.get(kind.name, {})
    stranger = make_staff("jobs.add_schedule", "jobs.retry_job")
    with pytest.raises(NotPermitted, match=kind.permission):
        enqueue(kind.name, by=stranger, **arguments)
    inactive = make_staff(kind.permission)
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    with pytest.raises(NotPermitted):
        enqueue(kind.name, by=User.objects.get(pk=inactive.pk), **arguments)
    assert not Job.objects.exists()


@pytest.mark.django_db
def test_an_override_needs_its_right_on_every_way() -> None:
    asked = {"override_reason": "the rows are few and known"}
    trainer = make_staff("training.train_model", "jobs.retry_job")
    with pytest.raises(NotPermitted, match="override_refusal"):
        enqueue("training.train_model", by=trainer, **asked)
    allowed = make_staff("training.train_model", "training.override_refusal")
    job = enqueue("training.train_model", by=allowed, **asked)
    assert (job.actor, job.user) == (allowed.username, allowed)
    Job.objects.update(state=Job.State.REFUSED)
    job.refresh_from_db()
    with pytest.raises(NotPermitted, match="override_refusal"):
        retry_job(job, by=trainer)


@pytest.mark.django_db
def test_an_account_that_is_gone_has_no_rights_left() -> None:
    """Nobody is no operator: what a job may is asked of its account when it runs."""
    reason = "the rows are few and known"
    asker = make_staff("training.train_model", "training.override_refusal")
    job = enqueue("training.train_model", by=asker, override_reason=reason)
    with acting(job.by):
        override = claim_override(reason, job.user)
        assert override is not None
        assert override.by == asker.username
    asker.delete()
    job = Job.objects.get()
    assert (job.user, job.actor) == (None, asker.username)
    with acting(job.by), pytest.raises(Refusal, match="may not override"):
        claim_override(reason, job.user)


@pytest.mark.django_db
def test_a_command_names_the_user_of_the_operating_system() -> None:
    job = enqueue("matching.seed_users", count=0)
    assert job.actor.endswith(" at the command line")
    assert (job.user, job.is_by_operator) == (None, True)
    # So does what it sets aside.
    override = claim_override("the rows are few and known", None)
    assert override is not None
    assert override.by == job.actor


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_a_page_that_names_nobody_does_not_act_as_the_operator(client: Any) -> None:
    """Whoever is signed in acts, also where a view forgets to say so; nobody acts for nobody."""
    page = reverse("admin:training_dataset_build")
    assert client.post(page, {}).status_code == 302  # to the login
    client.force_login(make_staff("training.view_dataset"))
    assert client.post(page, {}).status_code == 403
    assert not Job.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("kind", [kind for kind in OURS if kind.can_be_scheduled], ids=of_kind)
def test_a_form_as_it_opens_is_a_good_answer(kind: JobKind) -> None:
    """Whoever presses the button at once asks for the defaults."""
    required = REQUIRED.get(kind.name, {})
    form_class = form_for(kind, by=Actor.of(make_admin()), given=required)
    opened = form_class()
    told = {name: opened[name].value() for name in opened.fields}
    form = form_class({k: v for k, v in told.items() if v is not None and v is not False})
    assert form.is_valid(), form.errors
    assert read_arguments(kind, form.arguments) == read_arguments(kind, required)


def test_a_record_is_asked_for_in_the_words_of_people() -> None:
    """Not “the number of a eventbatch”."""
    for kind, question in QUESTIONS:
        ask = question.ask
        assert bool(ask.records) == bool(ask.record), (kind.name, question.name)
        if ask.records:
            assert question.expected_one == f"the number of {ask.record}"
            assert ask.record.startswith(("a ", "an "))
            assert ask.records.rpartition(".")[2] not in ask.record


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_what_happens_once_is_not_offered_again(client: Any) -> None:
    admin = make_admin()
    client.force_login(admin)
    once = [kind.name for kind in OURS if kind.happens_once]
    assert {"matching.merge_people", "matching.remove_person"} < set(once)
    jobs = [
        Job.objects.create(kind=kind, arguments=REQUIRED[kind], state=state, user=admin)
        for kind in once
        for state in (Job.State.SUCCEEDED, Job.State.REFUSED)
    ]
    listed = client.get(reverse("admin:jobs_job_changelist")).content.decode()
    for one in jobs:
        again = reverse("admin:jobs_job_again", args=[one.pk])
        page = client.get(reverse("admin:jobs_job_change", args=[one.pk])).content.decode()
        assert again not in page + listed, one.kind
        answer = client.post(again, {}, follow=True)
        assert "it happens once" in answer.content.decode()
    assert Job.objects.count() == len(jobs)


@pytest.mark.django_db
@pytest.mark.usefixtures("valkey")
def test_a_job_is_run_again_with_changes(client: Any) -> None:
    admin = make_admin()
    client.force_login(admin)
    job = enqueue("matching.generate_events", by=admin, count=77, seed=5, preset="strict")
    Job.objects.update(state=Job.State.CANCELLED)
    again = reverse("admin:jobs_job_again", args=[job.pk])
    page = client.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    assert again in page
    form = client.get(again).context["form"]
    assert (form["count"].value(), form["preset"].value()) == (77, "strict")
    data = {"count": 78, "seed": 5, "preset": "strict"}
    client.post(again, {**data, "match_type": "user_user", "feature_set": "smooth-1"})
    other = Job.objects.exclude(pk=job.pk).get()
    assert (other.arguments["count"], other.arguments["preset"]) == (78, "strict")
    client.force_login(make_staff("jobs.view_job"))
    assert client.get(again).status_code == 403
    # What a job was asked and made is for who may start such jobs.
    page = client.get(reverse("admin:jobs_job_change", args=[job.pk])).content.decode()
    assert "matching.generate_events" in page
    assert "strict" not in page
