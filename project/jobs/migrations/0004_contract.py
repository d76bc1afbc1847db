"""Stored jobs and schedules in the words of the contract: names of kinds, arguments, people.

Kinds are named `app.verb_noun`. Files that waited for their job become uploads; a path that leads
out of the folder of uploads is dropped, and its job says that the file is not there. Schedules get
an owner, or are switched off with words.
"""

import hashlib
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile

from django.conf import settings
from django.db import migrations
from django.utils import timezone

from project.tabular.packed import Unpackable, unpacked

KINDS = {
    "feedback.collect": "feedback.collect_feedback",
    "feedback.import": "feedback.import_feedback",
    "training.rebuild": "overview.rebuild_model",
}
MATCH_TYPES = {"solo": "user_user", "group": "user_group"}
ACTIVE = ("queued", "running")
NOBODY = (
    "Nobody owned schedules before. There is not exactly one active superuser, so it was switched "
    "off: save it, and it runs with your rights."
)


def rewrite(apps, schema_editor):
    Job = apps.get_model("jobs", "Job")
    Schedule = apps.get_model("jobs", "Schedule")
    Upload = apps.get_model("uploads", "Upload")
    for job in Job.objects.select_related("user", "schedule").iterator(chunk_size=1000):
        is_active = job.state in ACTIVE
        asked = in_todays_words(job.kind, job.arguments)
        job.arguments = with_uploads(Upload, job, asked, is_active)
        job.kind = KINDS.get(job.kind, job.kind)
        if job.user is not None:
            job.actor = job.user.username
        else:
            job.actor = "a schedule" if job.schedule_id else "the command line"
            job.is_by_operator = is_active
        job.save(update_fields=["kind", "arguments", "actor", "is_by_operator"])
    owner = owner_of_before(apps)
    for schedule in Schedule.objects.all():
        schedule.arguments = in_todays_words(schedule.kind, schedule.arguments)
        schedule.kind = KINDS.get(schedule.kind, schedule.kind)
        schedule.owner = owner
        if owner is None:
            schedule.is_enabled = False
            schedule.last_error = NOBODY
        schedule.save()


def owner_of_before(apps):
    """Return who owns the schedules of before: whom the setting names, else the only superuser."""
    User = apps.get_model(settings.AUTH_USER_MODEL)
    active = User.objects.filter(is_active=True)
    named = getattr(settings, "SCHEDULE_OWNER", "")
    if named:
        return active.filter(username=named).first()
    superusers = list(active.filter(is_superuser=True)[:2])
    return superusers[0] if len(superusers) == 1 else None


def in_todays_words(kind, arguments):
    if not isinstance(arguments, dict):
        return arguments
    asked = {name: value for name, value in arguments.items() if value is not None}
    if kind in ("matching.import_events", "training.build_dataset") and "source" in asked:
        asked.setdefault("origin", asked.pop("source"))
        asked.pop("source", None)
    if kind in ("matching.generate_events", "training.rebuild"):
        named = asked.get("match_type")
        if isinstance(named, str):
            asked["match_type"] = MATCH_TYPES.get(named, named)
    return asked


def with_uploads(Upload, job, asked, is_active):
    """Put an upload for each file that waits; a job that has ended keeps no word of its path."""
    if not isinstance(asked, dict):
        return asked
    root = Path(settings.MEDIA_ROOT)
    if job.kind == "matching.import_events":
        logs = asked.pop("files", None)
        kept = [
            keep(Upload, job, root / "event-logs" / Path(str(one.get("sha256"))).name, one)
            for one in (logs if isinstance(logs, list) else [])
            if is_active and isinstance(one, dict)
        ]
        if any(kept):
            asked["files"] = [one for one in kept if one]
    elif job.kind in ("matching.import_users", "feedback.import"):
        said = {name: asked.pop(name, None) for name in ("file", "path", "name", "sha256")}
        path = Path(str(said["file"] or said["path"] or ""))
        if is_active and (kept := keep(Upload, job, path, said)):
            asked["file"] = kept
    return asked


def keep(Upload, job, path, said):
    """Put an upload for a file below the folder of uploads; None for anything else."""
    try:
        # Nothing checked what was asked: it may be no path at all.
        is_ours = path.resolve().is_relative_to(Path(settings.MEDIA_ROOT).resolve())
        if not path.is_absolute() or not is_ours or not path.is_file():
            return None
    except (OSError, ValueError):
        return None
    name = str(said.get("name") or path.name)
    store = Path(settings.MEDIA_ROOT) / "store"
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream, NamedTemporaryFile(dir=store, delete=False) as target:
        try:
            for block in unpacked(stream):
                digest.update(block)
                target.write(block)
                size += len(block)
        except Unpackable:
            Path(target.name).unlink()
            return None
    upload = Upload(
        sha256=digest.hexdigest(),
        name=Path(name).name[-255:] or "file",
        size=size,
        actor=job.user.username if job.user else "the command line",
        user=job.user,
        expires_at=timezone.now() + timedelta(days=7),
    )
    Path(target.name).rename(store / f"{upload.sha256}-{upload.pk}")
    upload.save(force_insert=True)
    return str(upload.pk)


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0003_who_did_it"),
        ("uploads", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [migrations.RunPython(rewrite, migrations.RunPython.noop)]
