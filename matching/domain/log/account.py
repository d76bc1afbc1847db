"""What became of the lines of a log."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NotRequired, TypedDict

from matching.domain.log.careful import sum_ignored
from matching.domain.log.reader import RejectedLine

SUMMED: Final = (
    *("found", "new", "known", "changed", "exposures"),
    *("with_features", "without_features", "people_known", "kept_bytes"),
)
EXAMPLES: Final = 5  # lines named per reason in a result; the admin lists all


class RefusedExample(TypedDict):
    """A line that was refused, and why."""

    line: int
    reason: str
    message: str


class ImportedLog(TypedDict):
    """The account of one file, as jobs, commands and pages report it.

    batch : None where nothing landed in a batch
    features : `COMPUTED` where the log had none and they were computed from profiles
    people_known : share of the events without features whose people are known; None of others
    nothing_usable : why nothing of it can be used, where that is so
    mapping, notes : by which mapping a table was read, and how; not of a log of ours
    """

    file: str
    sha256: str
    origin: str
    batch: int | None
    found: int
    new: int
    known: int
    known_in: dict[str, int]
    changed: int
    changed_in: dict[str, int]
    on_change: str
    exposures: int
    with_features: int
    without_features: int
    features: str
    people_known: float | None
    trips: dict[str, int]
    rejected: int
    rejected_by_reason: dict[str, int]
    ignored: dict[str, int]
    feature_set: str
    warnings: list[str]
    examples: list[RefusedExample]
    is_known_file: bool
    nothing_usable: NotRequired[str]
    mapping: NotRequired[str]
    notes: NotRequired[list[str]]


class LogPreview(ImportedLog):
    """What an import would find; `is_whole` says whether all of the file was read."""

    lines: int
    is_whole: bool


class ImportedLogs(TypedDict):
    """The accounts of files, and their sums."""

    batches: list[int]
    found: int
    new: int
    known: int
    changed: int
    exposures: int
    rejected: int
    rejected_by_reason: dict[str, int]
    files: list[ImportedLog]


@dataclass
class Account:
    """What became of the lines of one file; blank lines are not counted.

    known : events that are here already, as the line has them
    changed : events that are here with other content; replaced or kept, as the import was asked
    exposures : lines that say that somebody was shown and nothing more; no events
    with_features, without_features : good lines with any feature, and with none
    kept_bytes : of the refused lines that are kept whole
    people_known : new events without features whose people are known by id
    trips : which trips those had, see `matching.queries.behaviour.TRIPS`
    """

    found: int = 0
    new: int = 0
    known: int = 0
    changed: int = 0
    exposures: int = 0
    with_features: int = 0
    without_features: int = 0
    people_known: int = 0
    kept_bytes: int = 0
    trips: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    known_in: dict[str, int] = field(default_factory=dict)
    changed_in: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    feature_sets: dict[str, int] = field(default_factory=dict)
    examples: list[RefusedExample] = field(default_factory=list)

    def add(self, more: "Account") -> None:
        """Add what became of further lines."""
        for name in SUMMED:
            setattr(self, name, getattr(self, name) + getattr(more, name))
        sum_ignored(self.ignored, more.ignored)
        for name in ("rejected", "known_in", "changed_in", "feature_sets", "trips"):
            totals = getattr(self, name)
            for key, count in getattr(more, name).items():
                totals[key] = totals.get(key, 0) + count
        for example in more.examples:
            same = [one for one in self.examples if one["reason"] == example["reason"]]
            if len(same) < EXAMPLES:
                self.examples.append(example)

    def reject(self, lines: Sequence[RejectedLine]) -> None:
        """Count refused lines and name the first of each reason."""
        for line in lines:
            count = self.rejected.get(line.reason, 0)
            self.rejected[line.reason] = count + 1
            if count < EXAMPLES:
                self.examples.append(
                    {"line": line.line, "reason": line.reason, "message": line.message}
                )

    @property
    def rejected_count(self) -> int:
        """Lines refused, whatever the reason."""
        return sum(self.rejected.values())

    def as_result(self, name: str, sha256: str, origin: str) -> ImportedLog:
        """Return the account of a file as jobs and commands report it."""
        return {
            "file": name,
            "sha256": sha256,
            "origin": origin,
            "batch": None,
            "found": self.found,
            "new": self.new,
            "known": self.known,
            "known_in": self.known_in,
            "changed": self.changed,
            "changed_in": self.changed_in,
            "on_change": "",
            "exposures": self.exposures,
            "with_features": self.with_features,
            "without_features": self.without_features,
            "features": "",
            "people_known": None,
            "trips": self.trips,
            "rejected": self.rejected_count,
            "rejected_by_reason": self.rejected,
            "ignored": self.ignored,
            "feature_set": "",
            "warnings": [],
            "examples": self.examples,
            "is_known_file": False,
        }


def summarise_files(results: Sequence[ImportedLog]) -> ImportedLogs:
    """Return the accounts of files with their sums."""
    by_reason: dict[str, int] = {}
    for result in results:
        for reason, count in result["rejected_by_reason"].items():
            by_reason[reason] = by_reason.get(reason, 0) + count
    return {
        "batches": [result["batch"] for result in results if result["batch"] is not None],
        "found": sum(result["found"] for result in results),
        "new": sum(result["new"] for result in results),
        "known": sum(result["known"] for result in results),
        "changed": sum(result["changed"] for result in results),
        "exposures": sum(result["exposures"] for result in results),
        "rejected": sum(by_reason.values()),
        "rejected_by_reason": by_reason,
        "files": list(results),
    }
