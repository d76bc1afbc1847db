"""What can be wrong with files, each in words with a remedy that can be followed."""

from pathlib import Path

from project.refusal import Refusal

RESTORE = "Restore it from a backup."


class ArtifactCorrupt(Refusal):
    """A file is not what was written: it must not be used."""


class ArtifactMissing(ArtifactCorrupt):
    """A file, or the whole folder, is not there."""


class ArtifactUnreadable(ArtifactCorrupt):
    """A file is there, and this process cannot read it."""


class StoreRefused(ArtifactUnreadable):
    """The store answers, and does not let us in: no such bucket, or a key that it does not take."""


class StoreAway(ArtifactUnreadable):
    """The store does not answer: what is asked again later may well succeed."""


class ArtifactUnwritable(Exception):
    """The system does not let a file be written: no space, no right to the folder."""

    def __init__(self, place: Path | str, error: OSError) -> None:
        super().__init__(
            f"{place} could not be written: {error.strerror or error}. Nothing was kept of it. "
            "Free space there, or give the user that runs Seedbed the right to write, and try "
            "again."
        )


class ArtifactRefused(ValueError):
    """A name or a place outside what artefacts may be called and where they may lie."""


class KeyTaken(Exception):
    """There is something under the key already: nothing was written."""
