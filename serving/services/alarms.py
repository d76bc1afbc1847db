"""Alarms are opened once, and closed when what they tell has ended."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from project.jobs.services import enqueue
from serving.models import Alarm

TELL_KIND = "serving.tell_alarm"


@transaction.atomic
def open_alarm(
    kind: Alarm.Kind, subject: str, *, text: str, remedy: str, at: datetime, **numbers: Any
) -> Alarm | None:
    """Open an alarm; returns None where that very one is open already."""
    alarm, is_new = Alarm.objects.get_or_create(
        kind=kind,
        subject=subject,
        closed_at=None,
        defaults={"text": text, "remedy": remedy, "numbers": numbers, "opened_at": at},
    )
    if not is_new:
        return None
    _tell(alarm)
    return alarm


@transaction.atomic
def close_alarm(alarm: Alarm, *, at: datetime, **numbers: Any) -> bool:
    """Close an alarm whose condition has ended; returns whether it was this call."""
    found = Alarm.objects.select_for_update().filter(pk=alarm.pk, closed_at=None).first()
    if found is None:
        return False
    found.closed_at = alarm.closed_at = at
    found.numbers = alarm.numbers = {**found.numbers, **numbers}
    found.save(update_fields=["closed_at", "numbers"])
    _tell(found)
    return True


def _tell(alarm: Alarm) -> None:
    """Have it posted where somebody listens."""
    if settings.ALARM_WEBHOOK:
        enqueue(TELL_KIND, alarm=alarm.pk, state="open" if alarm.is_open else "closed")
