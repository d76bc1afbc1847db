"""How the rows of one table of one source are read, and the digests that they are known by."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from feedback.domain.tables import TableSpec

Row = dict[str, Any]

MAX_ROW_BYTES = 65_536  # of a row as JSON; a longer one is refused before it is read
OVERSIZED_KEY = "__seedbed_oversized_bytes"  # stands in for a row that was not sent


@dataclass(frozen=True)
class RowFormat:
    """How the rows of one table of one source are to be read.

    Attributes
    ----------
    table : the table.
    columns : known column -> name in the row.
    identity_prefix : what makes identities of this source and table differ from all others'.
    naive_timezone : zone of times without one; empty: they are refused.
    """

    table: TableSpec
    columns: Mapping[str, str]
    identity_prefix: str
    naive_timezone: str = ""

    @property
    def is_own(self) -> bool:
        """Whether the rows were exported here."""
        return "row_uid" in self.columns

    def uid(self, identity: str) -> bytes:
        """Return the 16 bytes under which an identity is stored."""
        return blake2b(f"{self.identity_prefix}\0{identity}".encode(), digest_size=16).digest()


def decode_row(raw: bytes) -> Any:
    """Decode one row; None when it is no JSON."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def digest_of(data: bytes) -> bytes:
    """Return 16 bytes that stand for these."""
    return blake2b(data, digest_size=16).digest()
