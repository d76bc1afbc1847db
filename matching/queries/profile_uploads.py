"""Profiles of a file that was handed over."""

from pathlib import PurePath

from matching.domain.profile_files import MAX_BYTES, Row, UnreadableFile, read_profiles
from project.uploads.models import Upload
from project.uploads.services import open_upload

SUFFIXES = (".csv", ".json")


def read_profile_upload(upload: Upload) -> list[Row]:
    """Return the rows of an upload, whose name says whether they are CSV or JSON.

    Raises
    ------
    UnreadableFile
        When the name says neither, it is too large, or is no table of profiles.
    """
    suffix = PurePath(upload.name.lower().removesuffix(".gz")).suffix
    if suffix not in SUFFIXES:
        raise UnreadableFile(f"Expected a file named .csv or .json, got {upload.name}.")
    if upload.size > MAX_BYTES:
        raise UnreadableFile(
            f"Expected at most {MAX_BYTES:,} bytes of profiles, got {upload.size:,}. Split it."
        )
    with open_upload(upload) as stream:
        return read_profiles(stream.read(), is_csv=suffix == ".csv")
