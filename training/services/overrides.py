"""Setting a refusal aside: who may, and that a reason is kept."""

from dataclasses import dataclass

from django.contrib.auth.models import User

from project.refusal import Refusal
from training.services.versions import actor_name

PERMISSION = "training.override_refusal"
REASON_MIN_LENGTH = 10  # characters; "ok" is no reason


@dataclass(frozen=True)
class Override:
    """A reason to go on in spite of a refusal, and who gives it."""

    reason: str
    by: str


def claim_override(reason: str, user: User | None) -> Override | None:
    """Return the override that a reason asks for, None without a reason.

    A user needs the permission `training.override_refusal`; without a user the operator of this
    machine asks, on the command line.
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
    if user is not None and not user.has_perm(PERMISSION):
        raise Refusal(
            f"{user.get_username()} may not override refusals.",
            remedy="Ask somebody with the permission 'Can override a refusal, with a reason'.",
        )
    return Override(reason, actor_name(user))
