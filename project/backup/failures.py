"""Why there is no backup, or why one is not restored, each with what to do."""

from project.refusal import Refusal


class BackupRefused(Refusal):
    """No backup was made, and what stands in its place is none."""


class BackupBroken(Refusal):
    """It is no whole backup, or not the one that was made: nothing was restored from it."""


class RestoreRefused(Refusal):
    """The backup is right, and must not be restored here: nothing was changed."""


class ProgramUnusable(Refusal):
    """pg_dump or pg_restore is not there, too old, or has failed."""


class WrongPassphrase(Refusal):
    """The secrets do not open with it."""
