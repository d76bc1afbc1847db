"""Setting a refusal aside: who may, and that a reason is kept."""

from dataclasses import dataclass

from django.contrib.auth.models import User

from project.acting import Actor, current_actor
from project.refusal import Refusal

PERMISSION = "training.override_refusal"
REASON_MIN_LENGTH = 10  # characters; "ok" is no reason


@dataclass(frozen=True)
class Override:
    """A reason to go on in spite of a refusal, and who gives it."""

    reason: str
    by: str


def claim_override(reason: str, user: User | None) -> Override | None:
    """Return the override that a reason asks for, None without a reason.

    Whoever asks needs the permission `training.override_refusal`; without a user that is who acts
    here: at the command line the operator of this machine, who may, and in a job whose asker's
    account is gone nobody.
    """
    reason = reason.strip()
    if not reason:
        return None
    if len(reason) < REASON_MIN_LENGTH:
        raise Refusal(
            f"The reason for the override has {len(reason)} characters, "
            f"{REASON_MIN_LENGTH} are expected: it is kept for ever.",
            remedy="Say why the refusal does not hold here.",
        )
    actor = current_actor() if user is None else Actor.of(user)
    if not actor.may(PERMISSION):
        raise Refusal(
            f"{actor} may not override refusals.",
            remedy="Ask somebody with the permission 'Can override a refusal, with a reason'.",
        )
    return Override(reason, actor.name)
