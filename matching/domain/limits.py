"""What is taken when nothing is asked, and the most that may be asked; the same at every door."""

from typing import Final

DEFAULT_SEED: Final = 7
DEFAULT_USERS: Final = 200  # drawn beside the named ones
DEFAULT_EVENTS: Final = 1000
MINIMUM_EVENTS: Final = 100  # of a dataset; a fifth of fewer is too little to validate anything on
MAX_EVENTS: Final = 100_000_000  # more is a typing error, not a batch
DEFAULT_TTL_DAYS: Final = 7  # of a session
MAX_TTL_DAYS: Final = 365
MINIMUM_LIVE: Final = 5  # sessions without which there is nobody to match
MAX_USERS: Final = 100_000  # drawn at once

LOG_PREFIX: Final = "[ML_MATCH_EVENT]"  # of a line of the event log
