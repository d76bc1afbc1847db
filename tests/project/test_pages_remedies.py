"""What is said of commands elsewhere is said of pages in the admin."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.management import get_commands
from django.urls import get_resolver

from project.pages.remedies import PAGES, in_pages
from tests.rooms import ROOMS

ROOT = Path(settings.BASE_DIR)
# Pages of who runs the machine, and what is too long for any page.
# What is done on the machine of Seedbed, by whoever runs it: no page can.
OF_THE_MACHINE = frozenset(
    {"adopt_folder", "axes_reset_ip", "axes_reset_username", "changepassword", "createsuperuser"}
    | {"directory", "migrate", "scheduler", "serve", "services", "worker"}
)
ONLY_READ_THERE = {  # in comments, and where a terminal shows it
    "project/jobs/command.py: jobs stop",
    "project/jobs/reference.py: jobs reference",
    "project/pages/site.py: check",
    "project/settings.py: rotate_keys",
    "serving/api/access.py: api_keys make",  # who makes keys may sit at the machine
}
OF_WHO_RUNS_IT = {"backups.html", "locked_out.html", "queue.html", "log.html", "result.html"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Run `manage.py seed_users`.", "Run “Draw seed users” (People)."),
        ("add `manage.py seed_users --count 4`", "add “Draw seed users” (People) with count 4"),
        ("`manage.py models promote VERSION`", "“Make it live” on the page of the version"),
        ("`manage.py check_sessions --repair`.", "“Repair live copies” (Trips)."),
        ("import it with --mapping as-is.", "import it with mapping “as-is”."),
        ("with --accept-partial the rest lands", "with “Accept partial” the rest lands"),
        ("Start it with `manage.py services start`.", "Start it with `manage.py services start`."),
        ("age_score - 0.4 -- odd", "age_score - 0.4 -- odd"),
    ],
)  # fmt: skip
def test_a_command_is_the_page_that_does_it(said: str, shown: str) -> None:
    assert in_pages(said) == shown


def test_every_command_that_a_remedy_names_has_a_page_or_is_for_who_runs_the_machine() -> None:
    unknown = []
    for app in ROOMS:
        for path in (ROOT / app).rglob("*.py"):
            if {"management", "migrations"} & set(path.parts):
                continue
            for said in re.findall(r"`manage\.py ([a-z_]+(?: [a-z]+)?)", path.read_text()):
                known = any(said.startswith(page) for page in PAGES)
                if not known and said.split()[0] not in OF_THE_MACHINE:
                    unknown.append(f"{path.relative_to(ROOT)}: {said}")
    assert set(unknown) == ONLY_READ_THERE


def test_each_page_is_called_as_it_calls_itself() -> None:
    sources = [*(ROOT / "templates").rglob("*.html")]
    for app in ROOMS:
        sources += [path for path in (ROOT / app).rglob("*.py") if path.name != "remedies.py"]
    written = "".join(path.read_text() for path in sources)
    named = {name for page in PAGES.values() for name in re.findall("“([^”…]+?) ?…?”", page)}
    places = {name for page in PAGES.values() for name in re.findall(r"\((\w+)\)$", page)}
    assert {name for name in named if name not in written} == set()
    assert {name for name in places if f'label="{name}"' not in written} == set()


def test_no_page_but_those_of_the_machine_names_a_command() -> None:
    templates = (ROOT / "templates").rglob("*.html")
    assert {one.name for one in templates if "manage.py" in one.read_text()} == OF_WHO_RUNS_IT


def test_no_page_says_a_remedy_twice() -> None:
    """A refusal as text has its remedy already."""
    again = re.compile(r"\{\{? ?(\w+)(?:\|here)? ?\}?\} \{\{? ?\1\.remedy")
    files = [
        *(ROOT / "templates").rglob("*.html"),
        *(p for a in ROOMS for p in (ROOT / a).rglob("*.py")),
    ]
    assert [str(path) for path in files if again.search(path.read_text())] == []
    assert again.search("{{ refusal|here }} {{ refusal.remedy|here }}")
    assert again.search('f"{refusal} {refusal.remedy}"')


# Each command, and the pages of the admin on which the same is done or seen.
DONE_AT: dict[str, tuple[str, ...]] = {
    "analyze_dataset": ("training_dataset_change", "training_scores"),
    "api_keys": ("serving_apikey_add", "serving_apikey_revoke"),
    "auto_collect": ("feedback_schedule",),
    "build_dataset": ("training_dataset_build",),
    "check_profiles": ("matching_seeduser_changelist",),
    "check_sessions": ("matching_travelsession_changelist",),
    "collect_feedback": ("feedback_feedbacksource_changelist",),
    "create_sessions": ("matching_travelsession_create",),
    "debug_features": ("serving_debug",),
    "explain_match": ("training_scores",),
    "export": (
        *("export_people", "export_groups", "export_sessions", "export_refused_people"),
        *("export_events", "export_refused_events", "export_quality_feedback"),
        *("export_explanations", "export_ab_testing", "export_refused_feedback"),
        *("export_dataset", "export_scores", "exports_export_changelist"),
    ),
    "export_events": ("matching_eventbatch_export",),
    "feedback_report": ("feedback_report",),
    "feedback_status": ("feedback_report",),
    "generate_events": ("matching_eventbatch_generate",),
    "import_events": ("matching_eventbatch_upload",),
    "import_feedback": ("feedback_import",),
    "import_groups": ("matching_travelgroup_import",),
    "import_sessions": ("matching_travelsession_import",),
    "jobs": ("jobs_job_changelist", "jobs_job_stop", "jobs_job_retry"),
    "models": ("training_modelversion_promote", "training_modelversion_rollback",
               "training_modelversion_zip", "training_modelversion_compare"),
    "monitor_scores": ("serving_monitoring", "serving_watch", "serving_rest"),
    "people": ("matching_seeduser_rename", "matching_seeduser_merge"),
    "predict": ("training_scores",),
    "rebuild": ("training_modelversion_rebuild",),
    "remove": ("remove_batch", "remove_source", "remove_model"),
    "seed_users": ("matching_seeduser_seed", "matching_seeduser_import"),
    "status": ("index",),
    "tidy": ("jobs_schedule_add",),
    "train_model": ("training_dataset_train",),
}  # fmt: skip
# What only who runs the machine, or an application with its key, can do.
NOT_BY_CLICKING = {
    *("adopt_folder", "demo", "directory", "rotate_keys", "scheduler", "serve", "services"),
    *("verify_scores", "worker"),
    # Places that only the machine knows, and files that go; a backup by the page goes to its one.
    *("backup", "restore", "tend_store"),
}


def test_everything_that_a_command_does_is_done_by_clicking() -> None:
    ours = {name for name, app in get_commands().items() if str(app).split(".")[0] in ROOMS}
    assert ours == DONE_AT.keys() | NOT_BY_CLICKING
    admin.autodiscover()
    named = {name for form in get_resolver().namespace_dict["admin"][1].reverse_dict
             for name in [form] if isinstance(name, str)}  # fmt: skip
    assert {page for pages in DONE_AT.values() for page in pages} - named == set()
