"""What an action on chosen records would do, said before it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest


@dataclass(frozen=True)
class Consequence:
    """What comes of an action on chosen records.

    Attributes
    ----------
    count : records that change or are made; 0 leaves nothing to say yes to
    sentences : what becomes of them, and of those of the chosen ones that stay as they are
    starts_jobs : whether a worker has to do it
    """

    count: int
    sentences: tuple[str, ...]
    starts_jobs: bool = False


# Of who asks and the records that were chosen.
Foresee = Callable[[HttpRequest, QuerySet[Any]], Consequence]
