"""The admin of matching: one module per noun."""

from matching.admin import (
    batches,
    events,
    navigation,
    people,
    person,
    refused_profiles,
    removals,
    sessions,
    words,
)

__all__ = [
    "batches",
    "events",
    "navigation",
    "people",
    "person",
    "refused_profiles",
    "removals",
    "sessions",
    "words",
]
