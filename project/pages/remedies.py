"""Remedies for who has no terminal: where a page does what a command does."""

import re
from typing import Final

# What a command does, as its page calls it, and where that page is found.
PAGES: Final = {
    "seed_users": ("Make seed users", "People"),
    "check_profiles": ("missing", "the filter of People"),
    "create_sessions": ("Create sessions", "Trips"),
    "check_sessions": ("Check sessions", "Trips"),
    "generate_events": ("Generate match events", "Batches"),
    "import_events": ("Import event logs", "Batches"),
    "export_events": ("Export", "the page of the batch"),
    "build_dataset": ("Build a dataset", "Datasets"),
    "analyze_dataset": ("Checks", "the page of the dataset"),
    "train_model": ("Train a model", "Models"),
    "models list": ("Versions", "Models"),
    "models show": ("Overview", "the page of the model"),
    "models promote": ("Make it live", "the page of the model"),
    "models rollback": ("Return to version", "the page of the live model"),
    "explain_match": ("Scores", "the menu"),
    "predict": ("Scores", "the menu"),
    "collect_feedback": ("Collect from these sources", "Sources"),
    "import_feedback": ("Import feedback", "Sources"),
    "feedback_status": ("What it says", "the menu"),
    "feedback_report": ("What it says", "the menu"),
    "auto_collect": ("every hour", "Sources"),
    "rebuild": ("Rebuild", "Home"),
    "status": ("Home", "the menu"),
    "jobs list": ("Jobs", "the menu"),
    "jobs show": ("Jobs", "the menu"),
    "jobs stop": ("Stop", "the page of the job"),
    "jobs retry": ("Run again", "the page of the job"),
}
_COMMAND = re.compile(
    r"`(?:manage\.py )?([a-z_]+(?: (?:list|show|stop|promote|rollback|retry))?)( [^`]*)?`"
)
_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")


def in_pages(text: str) -> str:
    """Say a remedy in words of the pages: `manage.py seed_users --count 9` is done under People."""

    def place(found: re.Match[str]) -> str:
        name, rest = found.group(1), (found.group(2) or "").strip()
        if name not in PAGES:
            return found.group()
        title, where = PAGES[name]
        said = ", ".join(part for part in re.split(r"\s*--", rest) if part)
        return f"“{title}” ({where}{f'; {_spaced(said)}' if said else ''})"

    return _OPTION.sub(
        lambda one: f"“{_spaced(one.group(1)).capitalize()}”", _COMMAND.sub(place, text)
    )


def _spaced(text: str) -> str:
    return re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text)
