"""Tables of the terminal, in which no cell is cut: an id that is not whole is none."""

from typing import Any

from rich import table


class Table(table.Table):
    """A table whose cells go on in the next line where they do not fit."""

    def add_column(self, header: Any = "", *args: Any, **options: Any) -> None:
        """Add a column; its text folds."""
        super().add_column(header, *args, **{"overflow": "fold", **options})
