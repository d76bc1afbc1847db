"""Setting a refusal aside, or answering for an input: who may, and that a reason is kept."""

from dataclasses import dataclass

from django.contrib.auth.models import User

from project import words
from project.acting import Actor, current_actor
from project.refusal import Refusal

PERMISSION = "training.override_refusal"
CONFIRM_PERMISSION = "training.promote_model"
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
    return _claim(
        reason,
        user,
        permission=PERMISSION,
        act="override refusals",
        permitted="Can override a refusal, with a reason",
        remedy="Say why the refusal does not hold here.",
    )


def claim_confirmation(reason: str, user: User | None) -> Override | None:
    """Return the word of a person who answers for suspicious inputs, None without a reason.

    It takes somebody who may promote. No job asks for such a reason, so that nothing that runs by
    itself can give one.
    """
    return _claim(
        reason,
        user,
        permission=CONFIRM_PERMISSION,
        act="confirm inputs",
        permitted="Can promote models and roll back",
        remedy="Say how it is known that the input was written before.",
    )


def _claim(
    reason: str, user: User | None, *, permission: str, act: str, permitted: str, remedy: str
) -> Override | None:
    reason = reason.strip()
    if not reason:
        return None
    if len(reason) < REASON_MIN_LENGTH:
        raise Refusal(
            f"The reason to {act} has {words.tally(len(reason), 'character')}, "
            f"{REASON_MIN_LENGTH} are expected: "
            "it is kept for ever.",
            remedy=remedy,
        )
    actor = current_actor() if user is None else Actor.of(user)
    if not actor.may(permission):
        raise Refusal(
            f"{actor} may not {act}.",
            remedy=f"Ask somebody with the permission '{permitted}'.",
        )
    return Override(reason, actor.name)
