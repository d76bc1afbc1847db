"""Remedies as they are said in the admin: by the page that does it, not by the command.

Refusals and checks name commands, for most are read where they were typed. Who reads one on a page
is led to the page instead.
"""

import re
from collections.abc import Mapping
from typing import Final

# A command: what does the same in the admin. Longer ones first where one begins with another.
PAGES: Final[Mapping[str, str]] = {
    "analyze_dataset": "the page of the dataset",
    "auto_collect": "the schedule above the list of Sources",
    "build_dataset": "“Build a dataset” (Datasets)",
    "check_profiles": "the list of People",
    "check_sessions --repair": "“Repair live copies” (Trips)",
    "check_sessions": "“Check live copies” (Trips)",
    "collect_feedback": "“Collect from these sources” (Sources)",
    "create_sessions": "“Create sessions” (Trips)",
    "debug_features": "“What production sees” (Answers)",
    "explain_match": "Scores",
    "feedback_report": "“What feedback says” (Sources)",
    "feedback_status": "“What feedback says” (Sources)",
    "generate_events": "“Generate events” (Events)",
    "import_events": "“Import a log” (Events)",
    "import_feedback": "“Import a file” (Sources)",
    "jobs show": "Jobs",
    "models list": "the list of Models",
    "models promote": "“Make it live” on the page of the version",
    "models rollback": "“Return to …” on the page of the live version",
    "monitor_scores --every": "“Watch the answers” (Answers)",
    "monitor_scores": "Answers",
    "rebuild": "“Rebuild everything” (Models)",
    "remove": "“Remove …” on the page of the record",
    "seed_users": "“Draw seed users” (People)",
    "status": "Home",
    "train_model": "“Train a model” on the page of its dataset",
}
_COMMAND = re.compile(r"`(?:python )?(?:manage\.py )?([a-z_]+)((?: [^`]*)?)`")
_FLAG = re.compile(r"(?<![\w-])--([a-z][a-z-]*)(?: ([\w.-]+))?(?=[\s,.;:)]|$)")
_VALUED: Final = frozenset({"columns", "mapping", "origin", "source", "table"})
_OPTION = re.compile(r"--([a-z][a-z-]*)[ =]([\w.,]+)")


def in_pages(text: str) -> str:
    """Name the pages in a text for the commands that it has between backticks."""
    return _FLAG.sub(_field_of, _COMMAND.sub(_page_of, text))


def _field_of(found: re.Match[str]) -> str:
    """Name the field of the form that asks what an option says."""
    name, value = found[1], found[2]
    field = name.replace("-", " ")
    if name in _VALUED and value:
        end = "." if value.endswith(".") else ""
        return f"{field} “{value.removesuffix('.')}”{end}"
    return f"“{field.capitalize()}”{f' {value}' if value else ''}"


def _page_of(found: re.Match[str]) -> str:
    said = f"{found[1]}{found[2]}"
    page = next((page for command, page in PAGES.items() if said.startswith(command)), None)
    if page is None:
        return found[0]
    # What stands in capitals is for the reader to fill in, and the page asks it.
    asked = [f"{name.replace('-', ' ')} {value}" for name, value in _OPTION.findall(found[2])
             if not value.isupper()]  # fmt: skip
    return f"{page} with {', '.join(asked)}" if asked else page
