"""What the jobs of feedback say of their results."""

from collections.abc import Mapping
from typing import Any

from project import words
from project.jobs.said import Figure, Outcome, Said, landed

Result = Mapping[str, Any]


def say_collected(result: Result) -> Said:
    """Rows that are new, and sources that could not be read, or not whole."""
    tables = [table for source in result["sources"] for table in source["tables"]]
    refused = sum(table["rejected"] for table in tables)
    failed, incomplete = result["failed"], result["incomplete"]
    figures = (
        Figure("New rows", words.number(result["new"])),
        Figure("Known", words.number(sum(table["known"] for table in tables))),
        Figure("Refused", words.number(refused)),
        Figure("Sources", words.number(len(result["sources"])), f"{len(failed)} failed"),
    )
    if result["jobs"]:
        count = words.counted(len(result["jobs"]), "job")
        text = f"Handed out to {count}, one for each source: see what they say."
        return Said(text, Outcome.HANDED_ON)
    if result["busy"] and not tables:
        return Said("Nothing was handed out: every source is read already.", Outcome.UNCHANGED)
    if not tables:
        return Said("No source was read: none is there, or none is due.", Outcome.UNCHANGED)
    new = words.counted(result["new"], "new row")
    if failed:
        text = f"{', '.join(failed)} could not be read; {new} from the others."
        is_all = len(failed) >= len(result["sources"])
        return Said(text, Outcome.IN_VAIN if is_all else Outcome.IN_PART, figures)
    where = "generated feedback" if result["synthetic"] else _names(result)
    text = f"{new} from {where}"
    if incomplete:
        return Said(f"{text}; not all of its rows can be seen.", Outcome.IN_PART, figures)
    if refused:
        text += f"; {words.counted(refused, 'row')} refused"
        return Said(f"{text}.", Outcome.IN_PART if result["new"] else Outcome.IN_VAIN, figures)
    if not result["new"] and not any(table["changed"] for table in tables):
        return Said(f"{text}: all that is there is known.", Outcome.UNCHANGED, figures)
    return Said(f"{text}.", figures=figures)


def _names(result: Result) -> str:
    return ", ".join(source["source"] for source in result["sources"])


def say_imported(result: Result) -> Said:
    """Rows of a file that landed, or, of a rehearsal, that would."""
    found, refused = result["found"], result["rejected"]
    if result.get("dry_run"):
        counted: tuple[Figure, ...] = (
            Figure("Rows", words.number(found)),
            Figure("Would land", words.number(result["accepted"])),
            Figure("Would be refused", words.number(refused)),
        )
        text = f"Rehearsed: {words.number(result['accepted'])} of {words.counted(found, 'row')}"
        # What stands in the file twice lands once, and is no fault.
        return landed(
            found - refused, found, noun="rows", text=f"{text} would land, nothing was written",
            figures=counted,
        )  # fmt: skip
    figures = tuple(
        Figure(label, words.number(result[name]))
        for label, name in (
            ("Rows", "found"),
            ("New", "new"),
            ("Known", "known"),
            ("Changed", "changed"),
            ("Refused", "rejected"),
        )
    )
    if not result["new"] + result["changed"] + refused:
        return Said(
            f"Nothing is new: all {words.counted(found, 'row')} are known.",
            Outcome.UNCHANGED,
            figures,
        )
    text = f"{words.counted(result['new'], 'new row')} landed of {words.number(found)}"
    if refused:
        text += f", {words.number(refused)} refused"
    return landed(found - refused, found, noun="rows", text=text, figures=figures)


def say_counted(result: Result) -> Said:
    """Reports that were counted, of how many rows."""
    figures = (
        Figure("Reports", words.number(result["reports"])),
        Figure("Counted", words.number(len(result["counted"]))),
        Figure("Rows", words.number(result["rows"])),
    )
    if not result["counted"]:
        return Said("Every report is as its rows are.", Outcome.UNCHANGED, figures)
    count = words.counted(len(result["counted"]), "report")
    outcome = Outcome.REACHED if result["rows"] else Outcome.UNCHANGED
    text = f"Counted {count} of {words.counted(result['rows'], 'row')}."
    return Said(text, outcome, figures)
