"""Which workers and schedulers are alive."""

import os
import socket
from datetime import timedelta

from django.db.models.functions import Now

from project.jobs.models import Process

FORGET_AFTER = timedelta(days=1)


def process_name() -> str:
    """Return host and process id of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def child_name(pid: int) -> str:
    """Return host and process id of a process that this one started."""
    return f"{socket.gethostname()}:{pid}"


def beat(role: Process.Role, *, works_as: str = "") -> None:
    """Note that this process is alive, and by which other one it works on a job."""
    name = process_name()
    signs = {"beat_at": Now(), "works_as": works_as}
    if not Process.objects.filter(name=name, role=role).update(**signs):
        Process.objects.filter(beat_at__lt=Now() - FORGET_AFTER).delete()
        Process.objects.update_or_create(
            name=name, defaults={"role": role, "started_at": Now(), **signs}
        )


def leave() -> None:
    """Note that this process ends, so that nobody waits for it."""
    Process.objects.filter(name=process_name()).delete()


def has_worker() -> bool:
    """Whether a worker is alive right now."""
    return Process.objects.alive().filter(role=Process.Role.WORKER).exists()
