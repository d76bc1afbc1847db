"""Numbers for people who are known only from a log."""

from functools import lru_cache
from hashlib import blake2b


@lru_cache(maxsize=65_536)
def stranger_number(name: str) -> int:
    """Return a number below zero, the same for a name in every log."""
    digest = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
    return -1 - (digest >> 1)
