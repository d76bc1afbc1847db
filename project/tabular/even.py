"""Rows that all have the same columns, whole columns at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload


class EvenRows(Sequence[dict[str, Any]]):
    """Rows held as columns; one of them is made when it is asked for.

    Attributes
    ----------
    columns : name to the values of all rows.
    """

    def __init__(self, columns: Mapping[str, list[Any]], count: int) -> None:
        self.columns, self._count = columns, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> "EvenRows": ...
    def __getitem__(self, place: int | slice) -> "dict[str, Any] | EvenRows":
        if isinstance(place, slice):
            cut = {name: values[place] for name, values in self.columns.items()}
            return EvenRows(cut, len(range(*place.indices(self._count))))
        if not -self._count <= place < self._count:
            raise IndexError(place)
        return {name: values[place] for name, values in self.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self.columns:
            return iter([{} for _ in range(self._count)])
        names = tuple(self.columns)
        cells = zip(*self.columns.values(), strict=True)
        return (dict(zip(names, row, strict=True)) for row in cells)
