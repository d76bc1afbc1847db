"""Which workers and schedulers are alive."""

import os
import socket
from collections.abc import Mapping
from datetime import timedelta

from django.db.models import Count
from django.db.models.functions import Now

from project import clock, words
from project.jobs.contract import is_known
from project.jobs.models import Job, Process

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
    signs = {"beat_at": Now(), "works_as": works_as, "clock_ahead": clock.ahead()}
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


def clocks_off(found: Mapping[str, float] | None = None) -> dict[str, float]:
    """Return the hosts whose clock is more than a little off that of the database, and by how many
    seconds each is ahead; `found` are the processes that say so, where they are known."""
    if found is None:
        found = dict(Process.objects.with_clock_off().values_list("name", "clock_ahead"))
    off = {name.rpartition(":")[0]: ahead for name, ahead in found.items()}
    if abs(clock.ahead()) > clock.TOLERATED_SECONDS:
        off[socket.gethostname()] = clock.ahead()
    return off


def said_of_clock(host: str, ahead: float) -> str:
    """Say that a host's clock is off, and what to do."""
    how = "ahead of" if ahead > 0 else "behind"
    return (
        f"The clock of {host} is {words.duration(abs(ahead))} {how} the database's, by which "
        "Seedbed tells the time. Let NTP set it (timedatectl set-ntp true): its logs and "
        "files bear wrong times."
    )


def waiting_kinds() -> dict[str, int]:
    """Return how many jobs wait for a worker, by kind."""
    return dict(Job.objects.due().order_by("kind").values_list("kind").annotate(Count("pk")))


def unknown_kinds() -> dict[str, int]:
    """Return the kinds that jobs wait for and this version does not know, each with how many."""
    return {kind: count for kind, count in waiting_kinds().items() if not is_known(kind)}
