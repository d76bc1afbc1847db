"""Seed users, groups, sessions, and the batches of match events made from them or imported."""

from matching.models.events import (
    EventBatch,
    EventChange,
    MatchEvent,
    RealField,
    RejectedEvent,
)
from matching.models.people import (
    PROFILE_FIELDS,
    PersonAlias,
    SeedUser,
    TravelGroup,
    validate_external_id,
)
from matching.models.refused_profiles import ProfileImport, RefusedProfile
from matching.models.sessions import TravelSession
from matching.models.words import Word

__all__ = [
    "PROFILE_FIELDS",
    "EventBatch",
    "EventChange",
    "MatchEvent",
    "PersonAlias",
    "ProfileImport",
    "RealField",
    "RefusedProfile",
    "RejectedEvent",
    "SeedUser",
    "TravelGroup",
    "TravelSession",
    "Word",
    "validate_external_id",
]
