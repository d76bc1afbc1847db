"""Scoring pairs that are named, or drawn from those who can be matched now."""

import numpy as np
import pandas as pd

from matching.domain.pairing import find_candidates, sample_pairs
from matching.domain.travellers import Travellers, Vocabulary
from matching.queries.travellers import UnknownTraveller, load_traveller, load_travellers
from project.refusal import Refusal
from training.queries.scoring import Explanation, Scores, explain_frame, score_frame


def score_pair(left: str, right: str) -> Scores:
    """Score a user and a user or group by their external ids."""
    a, b, match_type = load_pair(left, right)
    return score_frame(a, b, match_type)


def explain_match(left: str, right: str) -> Explanation:
    """Explain the score of a user and a user or group."""
    a, b, match_type = load_pair(left, right)
    return explain_frame(a, b, match_type)


def load_pair(left: str, right: str) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Return both sides as travellers frames of one row, and the match type."""
    try:
        a, left_is_group = load_traveller(left)
        b, right_is_group = load_traveller(right)
    except UnknownTraveller as error:
        raise Refusal(
            str(error), remedy="`manage.py check_profiles` and the admin list the external ids."
        ) from error
    if left_is_group:
        raise Refusal(
            f"{left} is a group; the first of a pair is the user who decides.",
            remedy="Name the user first.",
        )
    if left == right:
        raise Refusal(f"{left} is matched with itself.", remedy="Name two different travellers.")
    return a, b, "user_group" if right_is_group else "user_user"


def sample_scores(count: int, *, seed: int = 0) -> tuple[Scores, list[tuple[str, str]]]:
    """Score up to `count` different candidate pairs of users, drawn by lot."""
    users = load_travellers("user_user").users
    travellers = Travellers.from_frame(users, Vocabulary.of(users))
    candidates = find_candidates(travellers)
    available = candidates.pair_count
    if not available:
        raise Refusal(
            "There is no pair of users who could be matched now.",
            remedy="Run `manage.py seed_users` and `manage.py create_sessions`.",
        )
    pairs = sample_pairs(candidates, min(count, available), seed, 0)
    left = users.iloc[np.asarray(pairs.left)].reset_index(drop=True)
    right = users.iloc[np.asarray(pairs.right)].reset_index(drop=True)
    names = list(zip(left["external_id"], right["external_id"], strict=True))
    return score_frame(left, right), names
