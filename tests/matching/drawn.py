"""Travellers of a drawn population, as tests of pairs, features and outcomes take them."""

from datetime import date

import numpy as np
import pandas as pd

from matching.domain.groups import group_travellers
from matching.domain.population import (
    draw_groups,
    draw_population,
    draw_sessions,
)


def travellers_frame(profiles: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """Join profiles and sessions on external_id into a travellers frame, one row per session.

    What a session says (budget, interests) goes before what the profile says. `user_id` is the
    profile's, or its row number where it has none.
    """
    people = profiles.reset_index(drop=True)
    if "user_id" not in people:
        people = people.assign(user_id=np.arange(len(people)))
    joined = sessions.merge(people, on="external_id", how="left", suffixes=("", "_profile"))
    for column in ("budget", "interests"):
        if f"{column}_profile" in joined:
            joined[column] = joined[column].fillna(joined.pop(f"{column}_profile"))
    return joined


def draw_travellers(
    count: int, seed: int, today: date, group_count: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw users with sessions, and groups of them; the second frame may be empty."""
    rng = np.random.default_rng(seed)
    profiles = draw_population(count, rng)
    users = travellers_frame(profiles, draw_sessions(profiles, rng, today))
    if not group_count:
        return users, pd.DataFrame()
    return users, group_travellers(draw_groups(profiles, group_count, rng, today), profiles)
