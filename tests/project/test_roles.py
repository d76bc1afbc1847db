"""Who may do what: every page, action, job and command against every role, as a table.

What the table does not know, or knows and is not there any more, fails. A rule is a permission, or
several: `a + b` needs both, `a | b` one of them.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission, User
from django.contrib.messages import get_messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.management import call_command, get_commands, load_command_class
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from django.utils import timezone

from feedback.models import CollectionRun, FeedbackChange, RejectedRecord, Table
from matching.models import EventChange, RejectedEvent, TravelGroup
from project import urls
from project.acting import Actor, operator
from project.audit.models import Act
from project.audit.services import record
from project.jobs.command import JobCommand
from project.jobs.contract import UnusableArguments, all_kinds, get_kind
from project.jobs.models import Job, Schedule
from project.jobs.reconciler import tick
from project.jobs.services import enqueue, retry_job, run_schedule, save_schedule, start_due
from project.uploads.services import keep_upload
from tests.factories import (
    make_alarm,
    make_api_key,
    make_export,
    make_group,
    make_mapping,
    make_receipt,
    make_refused_profile,
    make_seed_user,
    make_session,
    make_word,
)
from tests.feedback.collected import answer, judge, rate, real_source
from tests.project.fuzz import addresses
from tests.roles import rights_of_roles
from tests.rooms import ROOMS
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.services import registry

# --- The table ------------------------------------------------------------------------------------

ANYBODY = "anybody"  # also who is not signed in
STAFF = "staff"  # whoever is signed in
NOBODY = "nobody"  # not even a superuser
SUPERUSER = "superuser"
KEY = "key"  # 401 without a key, whoever is signed in: tests/serving has what keys open
NO_METHOD = "no method"  # 405 for whoever is signed in

# What a page of one record needs beyond the right to its model, or what nobody may.
RECORDS: dict[str, dict[str, str]] = {
    "audit.auditentry": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "auth.group": {},
    "auth.user": {"add": "auth.add_user + auth.change_user"},
    "exports.export": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "feedback.abtestresult": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "feedback.collectionrun": {"add": NOBODY, "change": NOBODY},
    "feedback.explanation": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "feedback.feedbackchange": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "feedback.feedbacksource": {},
    "feedback.qualityfeedback": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "feedback.rejectedrecord": {"add": NOBODY, "delete": NOBODY},
    "jobs.job": {"add": NOBODY, "change": "only shown"},
    "mappings.importmapping": {"add": NOBODY, "change": "only shown"},
    "jobs.schedule": {
        "change": "jobs.change_schedule + matching.add_seeduser",
        "delete": "jobs.delete_schedule + matching.add_seeduser",
    },
    "matching.eventbatch": {"add": NOBODY, "change": "only shown"},
    "matching.eventchange": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "matching.matchevent": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "matching.profileimport": {
        "add": NOBODY,
        "change": NOBODY,
        "delete": "matching.delete_seeduser",
    },
    "matching.refusedprofile": {"add": NOBODY},
    "matching.rejectedevent": {"add": NOBODY, "delete": NOBODY},
    "matching.seeduser": {},
    # Their session goes with them, and to say so needs less than to do it.
    "matching.travelgroup": {
        "removal": "matching.delete_travelgroup + matching.delete_travelsession"
    },
    "matching.travelsession": {},
    "matching.word": {},
    "removal.receipt": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "serving.alarm": {"add": NOBODY, "change": NOBODY, "delete": NOBODY},
    "serving.apikey": {"change": NOBODY, "delete": NOBODY},
    "training.dataset": {"add": NOBODY, "change": "only shown"},
    "training.modelversion": {"add": NOBODY, "change": "only shown"},
    "training.promotion": {"add": NOBODY, "change": "only shown", "delete": NOBODY},
}
WITH_HISTORY = {
    *("feedback.feedbacksource", "jobs.schedule", "mappings.importmapping"),
    *("matching.seeduser", "matching.travelgroup", "matching.travelsession", "matching.word"),
}

SEES_JOB = "jobs.view_job | jobs.change_job"
SEES_DATASET = "training.view_dataset | training.change_dataset"
SEES_MODEL = "training.view_modelversion | training.change_modelversion"

# Address: the rule of GET and that of POST.
PAGES: dict[str, tuple[str, str]] = {
    "/": (ANYBODY, ANYBODY),
    "/healthz": (ANYBODY, NO_METHOD),
    "/readyz": (ANYBODY, NO_METHOD),
    "/metrics": (ANYBODY, NO_METHOD),  # of this machine, as tests are; else with a key
    "/api/v1/": (ANYBODY, ANYBODY),  # names the API for `reverse`; there is nothing
    "/api/v1/docs": (ANYBODY, ANYBODY),
    "/api/v1/openapi.json": (ANYBODY, ANYBODY),
    "/api/v1/events": (KEY, KEY),
    "/api/v1/feedback": (KEY, KEY),
    "/api/v1/feedback/predict": (KEY, KEY),
    "/api/v1/match/explain": (KEY, KEY),
    "/api/v1/match/rank": (KEY, KEY),
    "/api/v1/match/score": (KEY, KEY),
    "/api/v1/models": (KEY, KEY),
    "/api/v1/outcomes": (KEY, KEY),
    "/api/v1/models/%(kind)s/champion": (KEY, KEY),
    "/api/v1/people/%(external_id)s": (KEY, KEY),
    "/api/v1/sessions/%(external_id)s": (KEY, KEY),
    "/admin/remove/person/": ("matching.delete_seeduser",) * 2,
    "/admin/remove/batch/": ("matching.delete_eventbatch",) * 2,
    "/admin/remove/rejected-events/": ("matching.delete_rejectedevent",) * 2,
    "/admin/remove/rejected-profiles/": ("matching.delete_refusedprofile",) * 2,
    "/admin/remove/import/": ("matching.delete_seeduser",) * 2,
    "/admin/remove/run/": ("feedback.delete_collectionrun",) * 2,
    "/admin/remove/source/": ("feedback.delete_feedbacksource",) * 2,
    "/admin/remove/rejected-feedback/": ("feedback.delete_rejectedrecord",) * 2,
    "/admin/remove/dataset/": ("training.delete_dataset",) * 2,
    "/admin/remove/model/": ("training.delete_modelversion",) * 2,
    "/admin/remove/mapping/": ("mappings.delete_importmapping",) * 2,
    "/admin/answers/person/": ("serving.view_alarm + matching.view_seeduser",) * 2,
    "/admin/backups/": ("storage.make_backup",) * 2,
    "/admin/backups/start/": ("storage.make_backup",) * 2,
    # Who may see the list is not given what is inside: see tests/overview/test_exports.py.
    "/admin/exports/export/%(pk)s/download/": ("exports.view_export + matching.export_people",) * 2,
    **{
        f"/admin/exports/start/{name}/": (right,) * 2
        for right, names in {
            "matching.export_people": ("people", "groups", "sessions", "refused-people"),
            "matching.export_events": ("events", "refused-events"),
            "feedback.export_feedback": (
                *("quality-feedback", "explanations", "ab-testing", "refused-feedback"),
            ),
            "training.download_dataset": ("dataset",),
            "serving.export_scores": ("scores",),
        }.items()
        for name in names
    },
    "/admin/answers/": ("serving.view_alarm", "serving.view_alarm + serving.monitor_scores"),
    "/admin/answers/rest/": ("serving.view_alarm + serving.monitor_scores",) * 2,
    "/admin/answers/watch/": ("serving.view_alarm + serving.monitor_scores",) * 2,
    "/admin/serving/apikey/%(pk)s/revoke/": ("serving.change_apikey", "serving.change_apikey"),
    "/admin/": (STAFF, STAFF),
    "/admin/find/": (STAFF, STAFF),
    "/admin/home/live/": (STAFF, STAFF),
    "/admin/home/begin/%(step)s/": (NO_METHOD, "matching.add_seeduser"),
    "/admin/login/": (ANYBODY, ANYBODY),
    "/admin/logout/": (NO_METHOD, STAFF),
    "/admin/password_change/": (STAFF, STAFF),
    "/admin/password_change/done/": (STAFF, STAFF),
    "/admin/autocomplete/": ("matching.view_seeduser | matching.change_seeduser", NO_METHOD),
    "/admin/jsi18n/": (STAFF, STAFF),
    # Answers 404 where there is nothing to see.
    "/admin/%(app_label)s/": ("audit.view_auditentry", "audit.view_auditentry"),
    "/admin/%(url)s": (STAFF, STAFF),
    # Jobs
    "/admin/jobs/job/strip/": (STAFF, STAFF),
    "/admin/jobs/job/%(object_id)s/live/": (SEES_JOB, SEES_JOB),
    "/admin/jobs/job/%(object_id)s/stop/": (f"{SEES_JOB} + jobs.stop_job",) * 2,
    # Whether the kind may be started is said by a message; see the table of the kinds.
    "/admin/jobs/job/%(object_id)s/retry/": (f"{SEES_JOB} + jobs.retry_job",) * 2,
    "/admin/jobs/job/%(object_id)s/offer/": (
        NO_METHOD,
        f"{SEES_JOB} + matching.add_seeduser",
    ),
    "/admin/jobs/job/%(object_id)s/again/": (
        f"{SEES_JOB} + matching.add_seeduser",
        f"{SEES_JOB} + matching.add_seeduser",
    ),
    "/admin/jobs/queue/": ("jobs.view_job",) * 2,
    "/admin/jobs/queue/ring/": ("jobs.view_job + jobs.retry_job",) * 2,
    "/admin/jobs/queue/empty/": (SUPERUSER, SUPERUSER),
    "/admin/mappings/importmapping/%(pk)s/confirm/": (
        "mappings.change_importmapping + feedback.import_feedback",
    )
    * 2,
    # Matching
    "/admin/matching/eventbatch/generate/": ("matching.generate_events",) * 2,
    "/admin/matching/eventbatch/import/": ("matching.import_events",) * 2,
    "/admin/matching/eventbatch/%(pk)s/export/": ("matching.export_events",) * 2,
    "/admin/matching/eventbatch/%(pk)s/rejected.csv": ("matching.view_rejectedevent",) * 2,
    "/admin/matching/seeduser/seed/": ("matching.add_seeduser",) * 2,
    "/admin/matching/seeduser/import/": ("matching.add_seeduser",) * 2,
    "/admin/matching/seeduser/%(pk)s/rename/": ("matching.change_seeduser",) * 2,
    "/admin/matching/seeduser/%(pk)s/merge/": (
        "matching.change_seeduser + matching.delete_seeduser",
    )
    * 2,
    "/admin/matching/word/unknown/": ("matching.view_word",) * 2,
    "/admin/matching/travelsession/create/": ("matching.add_travelsession",) * 2,
    "/admin/matching/travelsession/import/": ("matching.add_travelsession",) * 2,
    "/admin/matching/travelgroup/import/": ("matching.add_travelgroup",) * 2,
    # Feedback
    "/admin/feedback/feedbacksource/import/": ("feedback.import_feedback",) * 2,
    "/admin/feedback/feedbacksource/schedule/": (NOBODY, "feedback.collect_feedback"),
    "/admin/feedback/feedbacksource/%(pk)s/test/": ("feedback.change_feedbacksource",) * 2,
    "/admin/feedback/says/%(kind)s/": ("feedback.report_feedback",) * 2,
    # Training
    "/admin/training/dataset/build/": ("training.build_dataset",) * 2,
    "/admin/training/dataset/%(pk)s/train/": (f"{SEES_DATASET} + training.train_model",) * 2,
    "/admin/training/dataset/%(pk)s/files.zip": (f"{SEES_DATASET} + training.download_dataset",)
    * 2,
    "/admin/training/dataset/%(pk)s/files/%(file)s": (
        f"{SEES_DATASET} + training.download_dataset",
    )
    * 2,
    "/admin/training/dataset/%(pk)s/compare/": (SEES_DATASET,) * 2,
    "/admin/training/modelversion/rebuild/": ("training.rebuild_model",) * 2,
    "/admin/training/modelversion/%(pk)s/promote/": (f"{SEES_MODEL} + training.promote_model",) * 2,
    "/admin/training/modelversion/%(pk)s/rollback/": (f"{SEES_MODEL} + training.promote_model",)
    * 2,
    "/admin/training/modelversion/%(pk)s/compare/": (SEES_MODEL,) * 2,
    "/admin/training/modelversion/%(pk)s/retrain/": (f"{SEES_MODEL} + training.train_model",) * 2,
    "/admin/training/modelversion/%(pk)s/files.zip": (f"{SEES_MODEL} + training.export_model",) * 2,
    "/admin/scores/": ("training.view_modelversion",) * 2,
    # Accounts
    "/admin/auth/user/%(id)s/password/": ("auth.change_user",) * 2,
}

# Model: what each action on its list needs, beside the right to see the list.
ACTIONS: dict[str, dict[str, str]] = {
    "auth.group": {"delete_selected": "auth.delete_group"},
    "auth.user": {"delete_selected": "auth.delete_user"},
    "feedback.feedbacksource": {
        "delete_selected": "feedback.delete_feedbacksource",
        "collect_now": "feedback.collect_feedback",
        "test_connection": "feedback.change_feedbacksource",
    },
    "feedback.rejectedrecord": {
        "retry": "feedback.retry_rejectedrecord",
        "correct": "feedback.change_rejectedrecord",
        "download": "feedback.view_rejectedrecord | feedback.change_rejectedrecord",
        "download_to_mend": "feedback.view_rejectedrecord | feedback.change_rejectedrecord",
        "remove_rows": "feedback.delete_rejectedrecord",
    },
    "jobs.job": {
        "delete_selected": "jobs.delete_job",
        "stop": "jobs.stop_job",
        "retry": "jobs.retry_job + matching.add_seeduser",
    },
    "jobs.schedule": {
        "delete_selected": "jobs.delete_schedule + matching.add_seeduser",
        "run_now": "jobs.run_schedule + matching.add_seeduser",
    },
    "mappings.importmapping": {"delete_selected": "mappings.delete_importmapping"},
    "matching.eventbatch": {
        "delete_selected": "matching.delete_eventbatch",
        "export": "matching.export_events",
        "build_dataset": "training.build_dataset",
    },
    "matching.refusedprofile": {
        "delete_selected": "matching.delete_refusedprofile",
        "retry": "matching.retry_refusedprofile",
        "correct": "matching.change_refusedprofile",
        "download_to_mend": "matching.view_refusedprofile | matching.change_refusedprofile",
        "remove_rows": "matching.delete_refusedprofile",
    },
    "matching.rejectedevent": {
        "retry": "matching.retry_rejectedevent",
        "correct": "matching.change_rejectedevent",
        "download_to_mend": "matching.view_rejectedevent | matching.change_rejectedevent",
        "remove_rows": "matching.delete_rejectedevent",
    },
    "matching.seeduser": {
        "delete_selected": "matching.delete_seeduser",
        "fill_in": "matching.change_seeduser",
        "create_sessions": "matching.add_travelsession",
    },
    "matching.travelgroup": {
        "delete_selected": "matching.delete_travelgroup + matching.delete_travelsession",
        "create_sessions": "matching.add_travelsession",
    },
    "matching.travelsession": {
        "delete_selected": "matching.delete_travelsession",
        "check_copies": "matching.change_travelsession",
        "repair_copies": "matching.change_travelsession",
    },
    "matching.word": {"delete_selected": "matching.delete_word"},
    "training.dataset": {
        "delete_selected": "training.delete_dataset",
        "train": "training.train_model",
    },
    "training.modelversion": {
        "delete_selected": "training.delete_modelversion",
        "compare_versions": SEES_MODEL,
    },
    "feedback.collectionrun": {"delete_selected": "feedback.delete_collectionrun"},
}

# Kind: what starting it needs, by every way, and whether a schedule can.
KINDS: dict[str, tuple[str, bool]] = {
    "feedback.collect_feedback": ("feedback.collect_feedback", True),
    "feedback.count_reports": ("feedback.report_feedback", True),
    "feedback.export_feedback": ("feedback.export_feedback", True),
    "feedback.import_feedback": ("feedback.import_feedback", False),
    "matching.check_sessions": ("matching.change_travelsession", True),
    "matching.complete_users": ("matching.change_seeduser", True),
    "matching.create_sessions": ("matching.add_travelsession", True),
    "matching.export_events": ("matching.export_events", True),
    "matching.export_people": ("matching.export_people", True),
    "matching.generate_events": ("matching.generate_events", True),
    "matching.import_events": ("matching.import_events", False),
    "matching.import_groups": ("matching.add_travelgroup", False),
    "matching.import_sessions": ("matching.add_travelsession", False),
    "matching.import_users": ("matching.add_seeduser", False),
    "matching.merge_people": ("matching.delete_seeduser", False),
    "matching.repair_sessions": ("matching.change_travelsession", True),
    "matching.retry_events": ("matching.retry_rejectedevent", True),
    "matching.seed_users": ("matching.add_seeduser", True),
    "overview.rebuild_model": ("training.rebuild_model", True),
    "overview.make_backup": ("storage.make_backup", True),
    "serving.export_scores": ("serving.export_scores", True),
    "serving.monitor_scores": ("serving.monitor_scores", True),
    "serving.tell_alarm": ("serving.monitor_scores", True),
    "training.build_dataset": ("training.build_dataset", True),
    "training.export_dataset": ("training.download_dataset", True),
    "training.train_model": ("training.train_model", True),
    "overview.tidy_rows": ("removal.apply_retention", True),
    "matching.remove_person": ("matching.delete_seeduser", False),
    "matching.remove_batch": ("matching.delete_eventbatch", False),
    "matching.remove_import": ("matching.delete_seeduser", False),
    "matching.remove_rejectedevents": ("matching.delete_rejectedevent", False),
    "matching.remove_rejectedprofiles": ("matching.delete_refusedprofile", False),
    "feedback.remove_run": ("feedback.delete_collectionrun", False),
    "feedback.remove_source": ("feedback.delete_feedbacksource", False),
    "feedback.remove_rejected": ("feedback.delete_rejectedrecord", False),
    "training.remove_dataset": ("training.delete_dataset", False),
    "training.remove_model": ("training.delete_modelversion", False),
    "mappings.remove_mapping": ("mappings.delete_importmapping", False),
}
# Kind and argument: the right that the answer needs. Who lacks it is not asked, and an answer that
# is the default, or no, is taken: a rebuild that may not promote trains only.
ANSWERS: dict[tuple[str, str], str] = {
    ("overview.rebuild_model", "promote"): "training.promote_model",
    ("training.train_model", "override_reason"): "training.override_refusal",
}
# Command: the kinds of the jobs that it starts, in the name of the operating system's user.
COMMANDS: dict[str, str] = {
    "build_dataset": "training.build_dataset",
    "check_sessions --repair": "matching.repair_sessions",
    "collect_feedback": "feedback.collect_feedback",
    "create_sessions": "matching.create_sessions",
    "export people": "matching.export_people",
    "generate_events": "matching.generate_events",
    "import_events {file}": "matching.import_events",
    "import_groups --origin real {file}": "matching.import_groups",
    "import_sessions --origin real {file}": "matching.import_sessions",
    "import_feedback {file} --table quality_feedback": "feedback.import_feedback",
    "people merge {keep} {gone}": "matching.merge_people",
    "rebuild": "overview.rebuild_model",
    "remove batch 1 --why wrong": "matching.remove_batch",
    "tidy": "overview.tidy_rows",
    "remove model match_compatibility/1 --why wrong": "training.remove_model",
    "seed_users": "matching.seed_users",
    "seed_users --complete": "matching.complete_users",
    "seed_users --origin real --file {profiles}": "matching.import_users",
    "train_model": "training.train_model",
}


# --- Reading the table ----------------------------------------------------------------------------


@cache
def table_of_pages() -> dict[str, tuple[str, str]]:
    """Return the rules of all addresses, those of records written out."""
    table = dict(PAGES)
    for label, rules in RECORDS.items():
        app, model = label.split(".")
        right = {verb: f"{app}.{verb}_{model}" for verb in ("view", "add", "change", "delete")}
        sees = right["view"]
        if label != "audit.auditentry":  # whose only right is to look
            sees += f" | {right['change']}"
        add, delete = (rules.get(verb, right[verb]) for verb in ("add", "delete"))
        change = rules.get("change", right["change"])
        at = f"/admin/{app}/{model}/"
        table |= {
            at: (sees, sees),
            f"{at}add/": (add, add),
            f"{at}%(object_id)s/": (STAFF, STAFF),  # leads to the page of the record
            f"{at}%(object_id)s/change/": (sees, sees if change == "only shown" else change),
            f"{at}%(object_id)s/delete/": (delete, rules.get("removal", delete)),
            f"{at}%(object_id)s/history/": (sees, sees),
        }
        if label in WITH_HISTORY:
            back = NOBODY if change == "only shown" else change
            table[f"{at}%(_0)s/history/%(_1)s/"] = (sees, back)
    return table


def is_met(rule: str, rights: frozenset[str]) -> bool:
    """Whether somebody with these rights, who is signed in, is let through."""
    if rule in (STAFF, ANYBODY, NO_METHOD):
        return True
    if rule == NOBODY:
        return False
    if SUPERUSER in rights or rule == SUPERUSER:
        return SUPERUSER in rights
    return all(any(one.strip() in rights for one in part.split("|")) for part in rule.split(" + "))


# --- What there is --------------------------------------------------------------------------------

PLAIN = ("view_", "add_", "change_", "delete_")
SEEING = ("view", "change")  # either of them opens the list
LOCAL = set(ROOMS)
SEED = "matching.seed_users"  # of the job and the schedule in the world
MINUTE = timedelta(minutes=1)


def rights_there_are() -> list[str]:
    """Return every permission in the database."""
    found = Permission.objects.values_list("content_type__app_label", "codename")
    return sorted(f"{app}.{codename}" for app, codename in found)


def roles() -> dict[str, frozenset[str]]:
    """Return every role by name, with its rights; who is not signed in is `anonymous`."""
    every = rights_there_are()
    of_verb = {
        verb: frozenset(one for one in every if one.partition(".")[2].startswith(verb))
        for verb in PLAIN
    }
    special = [one for one in every if not one.partition(".")[2].startswith(PLAIN)]
    return {
        "anonymous": frozenset(),
        "without any right": frozenset(),
        **{f"{verb.rstrip('_')} only": rights for verb, rights in of_verb.items()},
        "every special right, no other": frozenset(special),
        **{f"{one} only": frozenset({one}) for one in special},
        **{f"the role {name}": frozenset(rights) for name, rights in rights_of_roles().items()},
        "superuser": frozenset({SUPERUSER}),
    }


@pytest.fixture(scope="module")
def world(
    django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """One record of each model, for all tests of this module; gives the key of each by label."""
    root = tmp_path_factory.mktemp("roles")
    elsewhere = override_settings(
        ARTIFACT_ROOT=root / "artifacts",
        MEDIA_ROOT=root / "uploads",
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    )
    with django_db_blocker.unblock(), elsewhere, transaction.atomic():
        yield _make_world()
        transaction.set_rollback(True)


def _make_world() -> dict[str, str]:
    owner = User.objects.create_superuser("the_owner")
    batch = make_good_batch(400)
    dataset = make_dataset(batch)
    model = make_model(dataset)
    promotion = registry.promote(model, by=owner)
    source = real_source("of_roles")
    for land in (rate, judge, answer):
        land(source, [0.2, 0.6])
    run = CollectionRun.objects.first()
    assert run is not None
    schedule = Schedule(name="of-roles", kind=SEED, arguments={"count": 1}, cron="0 6 * * *")
    save_schedule(schedule, by=owner)
    job = enqueue(SEED, by=owner, count=1)
    Job.objects.update(state=Job.State.FAILED)
    rejected = RejectedRecord.objects.create(
        row_uid=uuid4(),
        source=source,
        run=run,
        table=Table.QUALITY_FEEDBACK,
        reason="unreadable",
        payload={},
    )
    change = FeedbackChange.objects.create(
        uid=uuid4(),
        source=source,
        run=run,
        first_run=run,
        table=Table.QUALITY_FEEDBACK,
        action="replaced",
        before={"quality_rating": 0.2},
        after={"quality_rating": 0.6},
        row_digest=uuid4(),
    )
    line = RejectedEvent.objects.create(batch=batch, line=1, reason="x", message="y", text="z")
    EventChange.objects.create(
        event_id=batch.first_event_id, batch=batch, line=1, state="replaced", by="z"
    )
    records = [
        *(owner, Group.objects.create(name="of roles"), record(Act.KEY), job, schedule),
        *(source, run, rejected, change, batch, line, dataset, model, promotion),
        make_refused_profile(),
        *(user := make_seed_user(), group := make_group(), make_session(user), make_session(group)),
        make_word(),
        make_mapping(),
        make_alarm(),
        make_export(),
        make_api_key(),
        make_receipt(),
        # Who holds more than the reader is only shown: see test_rights.
        User.objects.create_user("who_holds_nothing"),
    ]
    keys = {one._meta.label_lower: str(one.pk) for one in records}
    for label in RECORDS.keys() - keys.keys():
        keys[label] = str(apps.get_model(label)._default_manager.values_list("pk", flat=True)[0])
    return keys


@pytest.fixture(autouse=True)
def _short_refusals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse without a page and without a line in the log, of which there would be thousands."""
    for status in (403, 404):
        answer = partial(_refuse, status)
        monkeypatch.setattr(urls, f"handler{status}", answer)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _refuse(status: int, request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse(str(exception), status=status)


@pytest.fixture
def people(world: dict[str, str], db: None) -> Callable[[frozenset[str]], User]:
    """Give a function that makes somebody with rights."""
    keys = {
        f"{app}.{codename}": pk
        for app, codename, pk in Permission.objects.values_list(
            "content_type__app_label", "codename", "pk"
        )
    }

    def somebody(rights: frozenset[str]) -> User:
        user = User.objects.create_user(
            f"somebody_{uuid4().hex}", is_staff=True, is_superuser=SUPERUSER in rights
        )
        user.user_permissions.add(*(keys[one] for one in rights - {SUPERUSER}))
        return user

    return somebody


@contextmanager
def written() -> Iterator[list[str]]:
    """Give the tables that are written to inside, in the order of the writing."""
    tables: list[str] = []

    def note(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        words = str(sql).replace('"', "").split()
        for verb, place in (("INSERT", 2), ("UPDATE", 1), ("DELETE", 2)):
            if verb in words[:1] or (words[:1] == ["WITH"] and verb in words):
                tables.append(words[words.index(verb) + place])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield tables


class Visitor:
    """Somebody in front of the admin, of whom nothing stays."""

    def __init__(self, user: User | None) -> None:
        self.client, self.user = Client(), user
        self.client.raise_request_exception = True
        self.enter()

    def enter(self) -> None:
        if self.user is not None:
            self.client.force_login(self.user)

    def ask(self, method: str, address: str, data: Any = None) -> tuple[Any, list[str]]:
        """Send a request and undo it; returns the answer, read, and the tables it wrote to."""
        with transaction.atomic(), written() as tables:
            response = getattr(self.client, method)(address, data)
            if response.streaming:
                b"".join(response.streaming_content)
            transaction.set_rollback(True)
        if "/logout/" in address:
            self.enter()
        return response, tables


def is_login(response: Any) -> bool:
    return response.status_code == 302 and response["Location"].startswith("/admin/login/")


def address_of(form: str, places: list[str], keys: dict[str, str]) -> str:
    """Return an address of the resolver with the keys of the records that there are."""
    app, _, model = form.removeprefix("/admin/").partition("/")
    pk = keys.get(f"{app}.{model.partition('/')[0]}", "1")
    values = {
        **dict.fromkeys(places, pk),
        "kind": "csat",
        "step": "people",
        "file": "train.csv",
        "app_label": "audit",
        "url": "nothing-there",
    }
    if "id" in places:
        values["id"] = keys["auth.user"]
    if "_1" in places:
        history: Any = apps.get_model(f"{app}.{model.partition('/')[0]}")
        values["_1"] = str(history.history.filter(**{history._meta.pk.name: pk})[0].pk)
    return form % values


# What has to be given along for a view to come to its question of rights.
GIVEN: dict[str, dict[str, str]] = {
    "/admin/autocomplete/": {
        "app_label": "matching",
        "model_name": "travelsession",
        "field_name": "user",
        "term": "",
    },
    "/admin/feedback/feedbacksource/schedule/": {"switch": "on"},
}
SURE = {"post": "yes"}  # the word that deletes
DOWNLOADED = ["audit_auditentry"]  # what stays of a download


# --- Pages ----------------------------------------------------------------------------------------


def test_the_table_knows_every_address_and_no_other() -> None:
    known = {form for form, _ in addresses()}
    assert known - table_of_pages().keys() == set(), "Say in the table who may open these."
    assert table_of_pages().keys() - known == set(), "These are not there any more."


@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("part", range(2))
def test_every_page_opens_for_whom_the_table_says(
    part: int, world: dict[str, str], people: Any
) -> None:
    faults: list[str] = []
    table, specials = table_of_pages(), roles()["every special right, no other"]
    for name, rights in list(roles().items())[part::2]:
        visitor = Visitor(None if name == "anonymous" else people(rights))
        for form, places in addresses():
            special = [*rights] if name.endswith(" only") and len(rights) == 1 else []
            # What all special rights together do not open, none of them does alone.
            if special and not any(one in rule for one in specials for rule in table[form]):
                continue
            faults += faults_of(visitor, name, rights, form, address_of(form, places, world))
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults)


@pytest.mark.usefixtures("valkey")
def test_the_rights_of_a_rule_are_enough_and_each_is_needed(
    world: dict[str, str], people: Any
) -> None:
    faults: list[str] = []
    places_of = dict(addresses())
    by_rule: dict[str, list[tuple[str, str]]] = {}
    for form, rules in table_of_pages().items():
        for method, rule in zip(("get", "post"), rules, strict=True):
            if "." in rule:
                by_rule.setdefault(rule, []).append((method, form))
    for rule, asked in by_rule.items():
        parts = [part.split("|")[0].strip() for part in rule.split(" + ")]
        for missing in [None, *parts]:
            rights = frozenset(parts) - {missing}
            visitor = Visitor(people(rights))
            for method, form in asked:
                address = address_of(form, places_of[form], world)
                name = f"{sorted(rights)}"
                faults += faults_of(visitor, name, rights, form, address, (method,))
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults)


def faults_of(
    visitor: Visitor,
    name: str,
    rights: frozenset[str],
    form: str,
    address: str,
    methods: tuple[str, ...] = ("get", "post"),
) -> Iterator[str]:
    """Yield what is wrong with the answers that somebody gets at an address."""
    rules = dict(zip(("get", "post"), table_of_pages()[form], strict=True))
    for method in methods:
        rule = rules[method]
        data = dict(GIVEN.get(form, {}))
        if method == "post" and form.endswith("/delete/"):
            data |= SURE
        response, tables = visitor.ask(method, address, data)
        said = f"{name}: {method.upper()} {address} answers {response.status_code}"
        if rule == KEY:
            if response.status_code not in (401, 405):
                yield f"{said}, expected 401 or 405"
            may_write = False
        elif visitor.user is None and rule != ANYBODY:
            # A page that takes no such method may say so to anybody.
            if not is_login(response) and "/logout/" not in form and response.status_code != 405:
                yield f"{said} and does not lead to the login"
            may_write = False
        elif not is_met(rule, rights):
            refused = 404 if form == "/admin/%(app_label)s/" else 403
            if response.status_code != refused:
                yield f"{said}, expected {refused}: it needs {rule}"
            may_write = False
        else:
            if rule == NO_METHOD and response.status_code != 405:
                yield f"{said}, expected 405"
            if response.status_code == 403 or is_login(response) or response.status_code >= 500:
                yield f"{said}, expected to be let through by {rule}"
            # To look at something changes nothing, and a GET never does.
            looks = all(".view_" in part for part in rule.split(" + "))
            may_write = method == "post" and not looks
        is_download = response.get("Content-Disposition", "").startswith("attachment")
        if tables and not may_write and not (is_download and tables == DOWNLOADED):
            yield f"{said} and writes {tables}"


@pytest.mark.usefixtures("valkey")
def test_who_may_only_look_does_not_go_back_to_an_earlier_state(
    world: dict[str, str], people: Any
) -> None:
    pk = world["matching.travelgroup"]
    group = TravelGroup.objects.get(pk=pk)
    begun = group.history.latest()
    group.name = "as it is now"
    group.save()
    page = f"/admin/matching/travelgroup/{pk}/history/{begun.pk}/"
    members = list(group.members.values_list("pk", flat=True))
    data = {"name": begun.name, "origin": begun.origin, "members": members}
    looks = Visitor(people(frozenset({"matching.view_travelgroup"})))
    response, tables = looks.ask("post", page, data)
    assert (response.status_code, tables) == (403, [])
    changes = frozenset({"matching.view_travelgroup", "matching.change_travelgroup"})
    response, tables = Visitor(people(changes)).ask("post", page, data)
    assert response.status_code == 302
    assert "matching_travelgroup" in tables
    # What was removed does not come back without the right to add.
    group.delete()
    response, tables = Visitor(people(changes)).ask("post", page, data)
    assert (response.status_code, tables) == (403, [])


# --- Actions --------------------------------------------------------------------------------------


def all_actions() -> dict[str, set[str]]:
    """Return the names of the actions of each list, for somebody who may do everything."""
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True, is_staff=True, is_active=True)
    found = {
        model._meta.label_lower: set(model_admin.get_actions(request))
        for model, model_admin in admin.site._registry.items()
    }
    return {label: names for label, names in found.items() if names}


def test_the_table_knows_every_action_and_no_other() -> None:
    addresses_are_there = dict(addresses())  # which registers the admins of the apps
    assert addresses_are_there
    unused = {
        label
        for label, rules in RECORDS.items()
        if rules.get("delete") == NOBODY and label not in ACTIONS
    }
    known = {label: set(rules) for label, rules in ACTIONS.items()}
    there_are = all_actions()
    assert {k: v for k, v in there_are.items() if k not in unused or v - {"delete_selected"}} == (
        known
    )


@pytest.mark.usefixtures("valkey")
def test_every_action_is_for_whom_the_table_says(world: dict[str, str], people: Any) -> None:
    faults: list[str] = []
    views = roles()["view only"]
    special = roles()["every special right, no other"]
    for label, rules in ACTIONS.items():
        page = f"/admin/{label.replace('.', '/')}/"
        for action, rule in rules.items():
            parts = [part.split("|")[0].strip() for part in rule.split(" + ")]
            everybody = [views, views | set(parts), frozenset({SUPERUSER})]
            everybody += [views | (set(parts) - {one}) for one in parts]
            # What all special rights together do not do, none of them does alone.
            everybody += [views | (special - {one}) for one in parts] + [special]
            everybody += [roles()[f"{verb} only"] for verb in ("add", "change", "delete")]
            for rights in dict.fromkeys(frozenset(one) for one in everybody):
                data = {
                    "confirmed": "1",
                    "action": action,
                    "_selected_action": [world[label]],
                    **SURE,
                }
                response, tables = Visitor(people(rights)).ask("post", page, data)
                said = f"{action} of {page} by {sorted(rights - views)}"
                acts = is_met(rule, rights)
                sees = any(f"{label.replace('.', f'.{verb}_')}" in rights for verb in SEEING)
                sees = sees or SUPERUSER in rights
                if not sees and response.status_code != 403:
                    faults.append(f"{said} answers {response.status_code} without the list")
                if not (acts and sees):
                    is_download = "Content-Disposition" in response
                    if tables or is_download:
                        faults.append(f"{said} writes {tables}, download: {is_download}")
                    continue
                told = [str(one) for one in get_messages(response.wsgi_request)]
                if response.status_code not in (200, 302) or "No action selected." in told:
                    faults.append(f"{said} answers {response.status_code}: {told}")
    assert not faults, f"{len(faults)} faults\n" + "\n".join(faults)


# --- Kinds of jobs --------------------------------------------------------------------------------

OURS = [kind.name for kind in all_kinds() if not kind.name.startswith("tests.")]


def arguments_for(kind: str, owner: User) -> dict[str, Any]:
    """Return the least that a kind has to be asked; with an upload of this owner."""
    if KINDS[kind][1]:
        least: dict[str, dict[str, Any]] = {
            "matching.export_events": {"batches": [1]},
            "matching.retry_events": {"batch": 1},
            "serving.tell_alarm": {"alarm": 1},
        }
        return least.get(kind, {})
    if kind == "matching.merge_people":
        return {"keep": 1, "gone": 2}
    if ".remove_" in kind:
        return {"number": 1, "why": "a test"}
    upload = keep_upload(BytesIO(b"{}\n"), "x.jsonl", by=Actor.of(owner))
    asked: dict[str, dict[str, Any]] = {
        "feedback.import_feedback": {"file": str(upload.pk), "table": "quality_feedback"},
        "matching.import_events": {"files": [str(upload.pk)]},
        "matching.import_groups": {"file": str(upload.pk)},
        "matching.import_sessions": {"file": str(upload.pk)},
        "matching.import_users": {"file": str(upload.pk)},
    }
    return asked[kind]


# Other answers than the default, of what needs a right of its own.
OTHER_ANSWERS: dict[tuple[str, str], Any] = {
    ("overview.rebuild_model", "promote"): False,
    ("training.train_model", "override_reason"): "few rows, and known",
}


def needed(kind: str, arguments: dict[str, Any]) -> set[str]:
    """Return the rights that the table asks for a start."""
    more = {ANSWERS[kind, name] for name, answer in arguments.items() if answer}
    return {KINDS[kind][0], *more}


def test_the_table_knows_every_kind_and_every_answer_with_a_right() -> None:
    assert set(OURS) == KINDS.keys()
    assert {kind.name: kind.can_be_scheduled for kind in all_kinds() if kind.name in OURS} == {
        kind: can for kind, (_, can) in KINDS.items()
    }
    asked = {
        (kind, question.name): question.ask.permission
        for kind in OURS
        for question in get_kind(kind).questions
        if question.ask.permission
    }
    assert asked == ANSWERS
    assert OTHER_ANSWERS.keys() == ANSWERS.keys()


def ways_of(kind: str, arguments: dict[str, Any], user: User) -> dict[str, Callable[[], Any]]:
    """Return every way in which somebody starts a job of a kind."""
    owner = User.objects.get(username="the_owner")
    ways: dict[str, Callable[[], Any]] = {
        "enqueue": lambda: enqueue(kind, by=user, **arguments),
        "retry": lambda: retry_job(
            Job.objects.create(kind=kind, arguments=arguments, state="failed", user=owner), by=user
        ),
    }
    if not KINDS[kind][1]:
        return ways
    schedule = Schedule(name=f"of-{uuid4().hex}", kind=kind, arguments=arguments, cron="0 6 * * *")

    def by_tick() -> None:
        schedule.full_clean()
        save_schedule(schedule, by=user)
        Schedule.objects.filter(pk=schedule.pk).update(next_run_at=timezone.now() - MINUTE)
        tick()
        schedule.refresh_from_db()
        if schedule.last_error:
            raise PermissionDenied(schedule.last_error)

    def run_now() -> None:
        save_schedule(schedule, by=owner)
        run_schedule(schedule, by=user)

    return {**ways, "schedule": by_tick, "run now": run_now}


@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("kind", KINDS)
def test_every_way_to_start_a_job_needs_all_its_rights(
    kind: str, world: dict[str, str], people: Any
) -> None:
    Schedule.objects.update(is_enabled=False)
    cases = [{}, *({name: answer} for (of, name), answer in OTHER_ANSWERS.items() if of == kind)]
    for more in cases:
        rule = needed(kind, more)
        others = frozenset(rights_there_are()) - rule
        everybody = {frozenset(rule), frozenset({SUPERUSER}), others}
        everybody |= {others | (rule - {one}) for one in rule}
        everybody |= {frozenset({one}) for one in roles()["every special right, no other"]}
        for rights in everybody:
            user = people(rights)
            asked = {**arguments_for(kind, user), **more}
            is_allowed = SUPERUSER in rights or rule <= rights
            for way in ways_of(kind, asked, user):
                if way in ("schedule", "run now") and "override_reason" in more:
                    continue  # no schedule takes it from anybody: see below
                before = Job.objects.count() + (way == "retry")
                said = f"{kind} {more} by {way} with {sorted(rights)[:5]}"
                with transaction.atomic():
                    try:
                        ways_of(kind, asked, user)[way]()
                    except PermissionDenied:
                        assert not is_allowed, said
                        assert Job.objects.count() == before, said
                    else:
                        assert is_allowed, said
                        assert Job.objects.count() == before + 1, said
                        newest = Job.objects.latest("created_at")
                        assert (newest.user, newest.is_by_operator) == (user, False), said
                    transaction.set_rollback(True)


@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("kind", KINDS)
def test_a_job_is_run_again_by_whom_the_table_says(
    kind: str, world: dict[str, str], people: Any
) -> None:
    owner = User.objects.get(username="the_owner")
    arguments = arguments_for(kind, owner)
    job = Job.objects.create(kind=kind, arguments=arguments, state="failed", user=owner)
    page = reverse("admin:jobs_job_again", args=[job.pk])
    right = KINDS[kind][0]
    every = frozenset(rights_there_are())
    for rights in (frozenset({"jobs.view_job", right}), frozenset({SUPERUSER})):
        visitor = Visitor(people(rights))
        # What happens once leads back to the job, and says why.
        shown = 302 if get_kind(kind).happens_once else 200
        assert visitor.ask("get", page)[0].status_code == shown
        assert visitor.ask("post", page)[0].status_code in (200, 302)
    for rights in (every - {right}, frozenset({right}), frozenset({"jobs.view_job"})):
        visitor = Visitor(people(rights))
        for method in ("get", "post"):
            response, tables = visitor.ask(method, page)
            assert (response.status_code, tables) == (403, []), (method, sorted(rights)[:3])


# --- Commands -------------------------------------------------------------------------------------


def test_the_table_knows_every_command_that_starts_a_job() -> None:
    ours = {name: app for name, app in get_commands().items() if not app.startswith("django.")}
    starting = {
        name: command.kind
        for name, app in ours.items()
        if (app.split(".")[0] in LOCAL)
        and isinstance(command := load_command_class(app, name), JobCommand)
    }
    assert starting.keys() == {line.split()[0] for line in COMMANDS}
    # What removes is told by its first word which kind it starts.
    assert set(starting.values()) - {""} <= set(COMMANDS.values()) <= KINDS.keys()


@pytest.mark.usefixtures("valkey", "world", "db")
@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_the_way_of_the_operator(line: str, tmp_path: Path) -> None:
    file, profiles = tmp_path / "rows.jsonl", tmp_path / "profiles.json"
    file.write_text("{}\n")
    profiles.write_text('[{"external_id": "one_of_a_file"}]')
    keep, gone = make_seed_user(), make_seed_user()
    given = {"file": file, "profiles": profiles, "keep": keep, "gone": gone}
    name, *options = line.format(**given).split()
    before = set(Job.objects.values_list("pk", flat=True))
    call_command(name, *options, "--detach")
    job = Job.objects.exclude(pk__in=before).get()
    assert (job.kind, job.user, job.is_by_operator) == (COMMANDS[line], None, True)
    assert job.actor == operator().name


# --- Schedules ------------------------------------------------------------------------------------

# What somebody may try to have a schedule do: read, name or delete a file, set a refusal aside, or
# run with what the kind does not know.
TRIES: tuple[dict[str, Any], ...] = (
    {"path": "/etc/passwd"},
    {"file": "/etc/passwd"},
    {"files": ["/etc/passwd"]},
    {"upload": "../../etc/passwd", "delete": True},
    {"override_reason": "because nobody looks"},
    {"by": "root"},
    {"count": 1, "cuont": 5},
)


@pytest.mark.usefixtures("valkey")
def test_no_schedule_reads_a_file_overrides_or_takes_what_the_kind_does_not(
    world: dict[str, str], people: Any
) -> None:
    """With `jobs.add_schedule` and any one other right, and by every way to save one."""
    before = Job.objects.count()
    tried = 0
    for right in [SUPERUSER, *rights_there_are()]:
        user = people(frozenset({"jobs.add_schedule", right}))
        for kind in KINDS:
            for arguments in TRIES:
                schedule = Schedule(
                    name="try", kind=kind, arguments=arguments, cron="* * * * *", owner=user
                )
                with pytest.raises(ValidationError):
                    schedule.clean()
                with pytest.raises(UnusableArguments):  # a row that was written past the form
                    start_due(schedule)
                tried += 1
    assert tried > 1000
    assert Job.objects.count() == before


@pytest.mark.usefixtures("valkey")
@pytest.mark.parametrize("kind", KINDS)
def test_the_form_of_a_schedule_takes_no_more_than_the_kind_asks(
    kind: str, world: dict[str, str], people: Any
) -> None:
    user = people(frozenset({"jobs.add_schedule", KINDS[kind][0]}))
    client = Client()
    client.force_login(user)
    page = f"{reverse('admin:jobs_schedule_add')}?kind={kind}"
    asked = client.get(page).context
    form = asked["adminform"].form if "adminform" in asked else None
    assert (form is not None) is KINDS[kind][1]
    base = {"name": "try", "cron": "0 6 * * *", "is_enabled": "on"}
    base |= (
        {name: field.initial for name, field in form.fields.items() if field.initial}
        if (form)
        else {}
    )
    for number, arguments in enumerate(TRIES):
        data = {**base, **arguments, "arguments": json.dumps(arguments), "name": f"try-{number}"}
        client.post(page, data)
    names = {question.name for question in get_kind(kind).questions}
    for schedule in Schedule.objects.filter(name__startswith="try-"):
        assert schedule.arguments.keys() <= names
        assert "override_reason" not in schedule.arguments
        assert "passwd" not in json.dumps(schedule.arguments)
        assert schedule.owner == user
    if not KINDS[kind][1]:
        assert not Schedule.objects.filter(name__startswith="try-").exists()


@pytest.mark.usefixtures("valkey")
def test_a_tick_starts_nothing_of_what_was_written_past_the_form(
    world: dict[str, str], people: Any
) -> None:
    """Rows of a client of the database, of every kind, in the name of who may do everything."""
    owner = people(frozenset({SUPERUSER}))
    Schedule.objects.update(is_enabled=False)
    before = Job.objects.count()
    for kind in KINDS:
        for number, arguments in enumerate(TRIES):
            Schedule.objects.create(
                name=f"{kind.replace('.', '-')}-{number}",
                kind=kind,
                arguments=arguments,
                interval_seconds=60,
                owner=owner,
                next_run_at=timezone.now() - MINUTE,
            )
    tick()
    assert Job.objects.count() == before
    tried = Schedule.objects.filter(is_enabled=True)
    assert tried.count() == len(KINDS) * len(TRIES)
    assert not tried.filter(last_error="").exists()
