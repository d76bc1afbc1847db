"""Every text that is kept is poisoned, and every command that shows something is run.

No text ends a command with a traceback, and none reaches the terminal as anything but text.
"""

from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import IntegrityError, models, transaction

from project.jobs.services import enqueue
from tests.factories import (
    make_admin,
    make_alarm,
    make_api_key,
    make_group,
    make_seed_user,
    make_session,
    make_word,
)
from tests.feedback.collected import answer, judge, rate, real_source
from tests.project.test_every_kind_and_command import commands
from tests.training.batches import make_dataset, make_good_batch, make_model
from training.services import registry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]

POISON = "[/x][red]\x1b[31m\x9b2J\r\u202e\nERROR"
RAW = set("\x1b\x9b\r\u202e")
# Texts that are words of the program: what else stands there is not from outside.
OUR_WORDS = {
    *("kind", "state", "role", "stage", "origin", "action", "level", "match_type", "name_key"),
    *(
        "table",
        "reason",
        "split",
        "label_source",
        "preset",
        "model_kind",
        "storage",
        "history_type",
    ),
    *("cron", "sslmode", "feature_set", "algorithm", "verdict", "metric", "row_digest"),
}

SHOWS: dict[str, list[list[str]]] = {
    "status": [[]],
    "feedback_report": [[], ["--origin", "real"]],
    "feedback_status": [[]],
    "jobs": [["list"], ["show", "{job}"]],
    "models": [["list"], ["show", "1"]],
    "check_profiles": [[]],
    "check_sessions": [[]],
    "analyze_dataset": [[]],
    "auto_collect": [["status"]],
    "rotate_keys": [[]],
    "collect_feedback": [["--now"]],
    "predict": [["--pair", "{user}", "{other}"], ["--pair", POISON, POISON]],
    "explain_match": [["{user}", "{other}"], [POISON, POISON]],
    "import_feedback": [["--now", "--table", "quality_feedback", "{csv}"]],
    "import_events": [["--now", "{jsonl}"], [POISON]],
    "remove": [["batch", "{batch}", "--plan"], ["source", POISON, "--plan"]],
    "people": [
        ["merge", "{user}", "{other}", "--plan"],
        ["rename", POISON, "x"],
        ["rename", "{user}", POISON],
        ["merge", "{user}", "{other}", "--now"],
    ],
    "seed_users": [["--now", "--origin", "real", "--file", "{csv}"]],
    "import_groups": [["--now", "--origin", "real", "{csv}"]],
    "import_sessions": [["--now", "--origin", "real", "{csv}"]],
    "create_sessions": [["--now"]],
    "export_events": [["--batch", "{batch}", "--output", "{out}"]],
    "export": [
        ["people", "--now"],
        ["refused-quality-feedback", "--now", "--output", "{out}"],
        ["quality-feedback", "--now", "--source", POISON],
    ],
    "generate_events": [["--now", "--count", "10"]],
    "build_dataset": [["--now"]],
    "train_model": [["--now"]],
    "adopt_folder": [[]],
    "tend_store": [[]],
    "tidy": [["--now"]],
    "api_keys": [["list"]],
    "monitor_scores": [[]],
    "debug_features": [["{user}"], [POISON]],
    "verify_scores": [[]],
    "backup": [[], ["{out}"]],
    "restore": [[POISON]],
}
# They show no record, only what they started and stopped.
SHOW_NOTHING_KEPT = {
    *("directory", "serve", "worker", "scheduler", "services", "demo", "rebuild"),
}


def poison_everything() -> int:
    """Put the poison into every text of every record that has a place for it."""
    poisoned = 0
    for model in apps.get_models():
        if model._meta.app_label not in ("matching", "feedback", "training", "serving", "jobs"):
            continue
        for field in model._meta.concrete_fields:
            is_text = isinstance(field, models.CharField | models.TextField)
            if not is_text or field.choices or field.primary_key or field.name in OUR_WORDS:
                continue
            for pk in model._default_manager.values_list("pk", flat=True)[:50]:
                end = f"{str(pk)[-6:]}" if field.unique else ""
                value = f"{POISON}{end}"[: field.max_length]
                try:
                    with transaction.atomic():
                        model._default_manager.filter(pk=pk).update(**{field.name: value})
                    poisoned += 1
                except IntegrityError:  # a constraint keeps it out
                    break
    return poisoned


@pytest.fixture
def kept(settings, tmp_path: Path) -> dict[str, str]:
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    settings.MEDIA_ROOT = tmp_path / "uploads"
    for number in range(3):
        make_session(make_seed_user(f"user{number}"))
    make_session(make_group())
    make_word()
    make_api_key()
    make_alarm()
    batch = make_good_batch(400)
    registry.promote(make_model(make_dataset(batch)))
    source = real_source()
    for land in (rate, judge, answer):
        land(source, [0.2, 0.4, 0.6, 0.8] * 5, provider=POISON, model=POISON, action_type=POISON)
    answer(source, [0.3] * 40, experiment_name=POISON, variant=[POISON, f"b{POISON}"] * 20)
    job = enqueue("matching.seed_users", by=make_admin(), count=1, seed=1)
    assert poison_everything() > 30
    csv = tmp_path / "[x] rows.csv"
    csv.write_text(f'id,quality_rating,created_at\n"{POISON}","{POISON}","{POISON}"\n')
    jsonl = tmp_path / "[x] rows.jsonl"
    jsonl.write_text('{"[/x]\\u001b": 1}\n[/x]\n')
    user, other = apps.get_model("matching.SeedUser").objects.values_list("external_id", flat=True)[
        :2
    ]
    return {
        "job": str(job.pk),
        "batch": str(batch.pk),
        "user": user,
        "other": other,
        "csv": str(csv),
        "jsonl": str(jsonl),
        "out": str(tmp_path / "out.jsonl"),
    }


def test_every_command_shows_poisoned_texts_as_texts(kept: dict[str, str]) -> None:
    assert SHOWS.keys() | SHOW_NOTHING_KEPT == commands().keys()
    said = {}
    for name, runs in SHOWS.items():
        for arguments in runs:
            words = [kept.get(each[1:-1], each) if each[0] == "{" else each for each in arguments]
            for more in ([], ["--json"]):
                out, err = StringIO(), StringIO()
                try:
                    call_command(name, *words, *more, stdout=out, stderr=err)
                except (SystemExit, CommandError) as end:
                    err.write(str(end))
                text = out.getvalue() + err.getvalue()
                assert not text.startswith("Error: "), (name, words, text)  # it was really run
                assert not RAW & set(text), (name, words, text)
                text.encode()
                said[name, bool(more)] = text
    for name in ("feedback_report", "feedback_status", "check_profiles"):
        assert r"[/x][red]\x1b[31m\x9b2J\r\u202e" in said[name, False].replace("\n", ""), name
