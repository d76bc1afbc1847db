"""Turns the JSON of a job into what a page can show to people."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypedDict

from project import words
from project.jobs.contract import title_of
from project.jobs.models import Job
from project.jobs.references import Links

LONG_TEXT = 200  # characters; beyond that a cell of a table is cut
ROWS_SHOWN = 200
OPEN_ROWS = 8  # a part of a result with more lines is folded
RAW_BYTES = 200_000  # of the JSON of a result; of a longer one the command prints all
NO_LINKS: Links = MappingProxyType({})
STAGE_WORDS = {"pending": "waits", "done": ""}


class Headline(TypedDict):
    """How a job is, in words: a sentence, and the word of its badge."""

    text: str
    verdict: str


def headline(job: Job, *, may_see: bool = True) -> Headline:
    """Return what is said of a job; of its result and error only to who may see them."""
    title = title_of(job.kind)
    if job.state == Job.State.SUCCEEDED:
        said = job.said.get("text", "") if may_see else ""
        return {"text": said or f"“{title}” is done.", "verdict": job.verdict}
    text = {
        Job.State.QUEUED: f"“{title}” waits for a worker.",
        Job.State.RUNNING: f"“{title}” is running{_stage_in_words(job)}.",
        Job.State.REFUSED: f"“{title}” was refused.",
        Job.State.FAILED: f"“{title}” has failed.",
        Job.State.CANCELLED: f"“{title}” was stopped.",
    }[Job.State(job.state)]
    return {"text": text, "verdict": job.verdict}


def _stage_in_words(job: Job) -> str:
    names = [stage["name"] for stage in job.stages]
    now = next((n for n, s in enumerate(job.stages) if s.get("state") == "running"), None)
    return "" if now is None else f": {names[now]}, stage {now + 1} of {len(names)}"


def present_stages(job: Job) -> list[dict[str, Any]]:
    """Return the stages with their mark, what they took and, of the running one, what it does."""
    shown = []
    for stage in job.stages:
        state = stage.get("state", "pending")
        word = STAGE_WORDS.get(state, state)
        if state not in ("done", "running") and job.is_finished:
            word = word if state in Job.State else "left out"
        shown.append(
            {
                "name": stage["name"],
                "mark": {"done": "done", "running": "now"}.get(state, "wait"),
                "word": words.duration(stage.get("seconds")) if state == "done" else word,
                "note": job.progress_message if state == "running" else "",
            }
        )
    return shown


def present_figures(job: Job, result: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the figures that a kind tells; else the numbers that stand in a result by name."""
    told: list[dict[str, str]] = list(job.said.get("figures", ())) if result else []
    if told:
        return told
    return [
        {"label": label(name), "value": _text(value), "note": ""}
        for name, value in result.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]


def present_result(
    result: Mapping[str, Any], *, hidden: Iterable[str], links: Links = NO_LINKS
) -> dict[str, Any] | None:
    """Return a result as `pairs` of a table, `parts` that fold when long, and the raw JSON."""
    shown = {name: value for name, value in result.items() if name not in hidden}
    if not result:
        return None
    nested = {name: value for name, value in shown.items() if isinstance(value, dict | list)}
    plain = {name: value for name, value in shown.items() if name not in nested}
    raw = json.dumps(result, indent=2, ensure_ascii=False, default=str)
    return {
        "pairs": present(plain, links=links) if plain else None,
        "parts": [
            {
                "name": label(name),
                "block": present(value, name, links=links),
                "count": len(value),
                "is_open": _lines(value) <= OPEN_ROWS,
            }
            for name, value in nested.items()
            if value
        ],
        "raw": raw[:RAW_BYTES],
        "size": words.size(len(raw.encode())),
        "is_cut": len(raw) > RAW_BYTES,
    }


def _lines(value: Any) -> int:
    """About how many lines of a table a value takes."""
    if isinstance(value, dict):
        return sum(_lines(item) for item in value.values())
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        return 1 + len(value) + sum(_lines(item) for item in value if isinstance(item, list))
    return 1


def present(value: Any, name: str = "", *, links: Links = NO_LINKS) -> dict[str, Any]:
    """Return a JSON value as nested blocks for the template `jobs/value.html`.

    Parameters
    ----------
    value : any JSON value
    name : under which it stands
    links : (name, value as text) to the address of the record that it names

    Returns
    -------
    dict
        One of {text, url}, {named: [{text, url}], cut}, {pairs: [(label, block)]},
        {header, rows: [[block]], cut} or {entries, cut}.
    """
    if isinstance(value, dict):
        pairs = [(label(key), present(item, key, links=links)) for key, item in value.items()]
        return {"pairs": pairs}
    if isinstance(value, list) and value:
        shown, cut = value[:ROWS_SHOWN], max(0, len(value) - ROWS_SHOWN)
        if all(isinstance(item, dict) for item in value):
            names = list(dict.fromkeys(key for item in shown for key in item))
            rows = [[present(item.get(key), key, links=links) for key in names] for item in shown]
            return {"header": [label(key) for key in names], "rows": rows, "cut": cut}
        if any(isinstance(item, dict | list) for item in value):
            return {"entries": [present(item, name, links=links) for item in shown], "cut": cut}
        if any((name, str(item)) in links for item in shown):
            return {"named": [present(item, name, links=links) for item in shown], "cut": cut}
        more = f", and {cut} more" if cut else ""
        return {"text": ", ".join(_text(item) for item in shown) + more}
    return {"text": _text(value), "url": links.get((name, str(value)), "")}


def label(name: str) -> str:
    """Return a name of the JSON as words."""
    spaced = name.replace("_", " ").strip()
    return spaced[:1].upper() + spaced[1:]


def _text(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return words.number(value)
    text = str(value)
    return text if len(text) <= LONG_TEXT else f"{text[:LONG_TEXT]}..."
