"""When what is older than it is kept goes by itself."""

from typing import Final

from django.contrib.auth.models import User
from django.db import transaction

from project.jobs.models import Schedule
from project.jobs.services import switch_schedule_off, switch_schedule_on
from project.removal.retention import SCHEDULE_NAME, TIDY_KIND, require_limits

DAY_SECONDS: Final = 24 * 3600


@transaction.atomic
def switch_on(*, owner: User, days: int) -> Schedule:
    """Remove old things every so many days with the rights of `owner`.

    Raises
    ------
    Refusal : the owner may not, or everything is kept for ever.
    """
    require_limits()
    return switch_schedule_on(
        SCHEDULE_NAME,
        TIDY_KIND,
        owner=owner,
        seconds=days * DAY_SECONDS,
        default_seconds=DAY_SECONDS,
        does="remove what is older than it is kept",
    )


def switch_off() -> Schedule | None:
    """Remove nothing by itself any more; returns None where it never did."""
    return switch_schedule_off(SCHEDULE_NAME)
