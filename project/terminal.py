"""The terminal: nothing that is printed there is taken for markup, and no cell of a table is cut.

Whoever wants a colour gives a `Text` or a style; a string is always only a string.
"""

from json import dumps, loads
from typing import Any

from rich import console, table
from rich.highlighter import JSONHighlighter
from rich.text import Text

from project.outside import visible, visible_json


class Console(console.Console):
    """A console that shows strings as they are, with control characters written out."""

    def __init__(self, **options: Any) -> None:
        fixed = {"markup": False, "emoji": False, "highlight": False, "soft_wrap": True}
        super().__init__(**{**fixed, **options})

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*map(shown, objects), **options)

    def print_json(self, json: str | None = None, **options: Any) -> None:
        """Print JSON, of a text or of `data`."""
        data = options["data"] if json is None else loads(json)
        text = dumps(
            data,
            indent=options.get("indent", 2),
            ensure_ascii=False,
            default=options.get("default"),
        )
        self.print(JSONHighlighter()(visible_json(text)))


class Table(table.Table):
    """A table whose cells go on in the next line where they do not fit: an id that is not whole
    is none."""

    def add_column(self, header: Any = "", *args: Any, **options: Any) -> None:
        """Add a column; its text folds."""
        super().add_column(shown(header), *args, **{"overflow": "fold", **options})

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row; its cells are shown as they are."""
        super().add_row(*map(shown, cells), **options)


def shown(value: Any) -> Any:
    """Return what shows a string as it is; anything else, a `Text` above all, stays."""
    return Text(visible(value)) if isinstance(value, str) else value
