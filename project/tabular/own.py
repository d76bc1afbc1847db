"""How a table that was exported here is known again: then its values are taken as they stand."""

from typing import Final

MARK: Final = "seedbed_export"  # a column of every export; the last of CSV, the first of an object
BESIDE: Final = 4096  # bytes that an export writes beside what a row had when it was taken
EDITION: Final = 1  # of how values are written, which stands in that column


def begins_as_own(start: bytes) -> str:
    """Return the format of an export of ours by its first bytes, "csv" or "jsonl"; else nothing."""
    if start.startswith(f'{{"{MARK}":'.encode()):
        return "jsonl"
    first, end, _ = start.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    named = first.rstrip(b"\r").split(b",")
    return "csv" if end and len(named) > 1 and named[-1] == MARK.encode() else ""
