"""Rows that came in a request, read as a file of them would be."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import orjson

from project.mappings.arguments import AS_IS, PROPOSED
from project.mappings.models import ImportMapping
from project.refusal import Refusal
from project.tabular.doors import Door


@contextmanager
def as_file(rows: Sequence[Mapping[str, Any]]) -> Iterator[Path]:
    """Give rows as a file of JSON Lines, one row a line, while somebody reads it."""
    with NamedTemporaryFile(suffix=".jsonl") as file:
        file.write(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        file.flush()
        yield Path(file.name)


def require_confirmed(door: Door, name: str) -> None:
    """Refuse a mapping that waits for a person, whom an application is not."""
    if name == PROPOSED:
        raise Refusal(
            "What changes values is confirmed by a person, not by who sends them.",
            remedy="Send the rows without `mapping`: the answer names the proposal, which somebody "
            "confirms in the admin (Mappings).",
        )
    if name in ("", AS_IS):
        return
    waiting = ImportMapping.objects.filter(door=door.name, name=name, confirmed_at=None)
    if waiting.exists():
        raise Refusal(
            f"The mapping {name} waits for a person.",
            remedy="Somebody confirms it in the admin (Mappings); then send the rows again.",
        )
