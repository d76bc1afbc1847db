"""Turns the JSON of a job into what a page can show to people."""

from typing import Any

from project import words

LONG_TEXT = 200  # characters; beyond that a cell of a table is cut
ROWS_SHOWN = 200


def present(value: Any) -> dict[str, Any]:
    """Return a JSON value as nested blocks for the template `jobs/value.html`.

    Parameters
    ----------
    value : any JSON value

    Returns
    -------
    dict
        One of {text}, {pairs: [(label, block)]}, {header, rows: [[block]], cut} or {entries, cut}.
    """
    if isinstance(value, dict):
        return {"pairs": [(label(key), present(item)) for key, item in value.items()]}
    if isinstance(value, list) and value:
        shown, cut = value[:ROWS_SHOWN], max(0, len(value) - ROWS_SHOWN)
        if all(isinstance(item, dict) for item in value):
            names = list(dict.fromkeys(name for item in shown for name in item))
            rows = [[present(item.get(name)) for name in names] for item in shown]
            return {"header": [label(name) for name in names], "rows": rows, "cut": cut}
        if any(isinstance(item, dict | list) for item in value):
            return {"entries": [present(item) for item in shown], "cut": cut}
        more = f", and {cut} more" if cut else ""
        return {"text": ", ".join(_text(item) for item in shown) + more}
    return {"text": _text(value)}


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
