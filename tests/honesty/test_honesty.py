"""Each claim in its short form; in full with SEEDBED_HONESTY=full, and told by `make honest`."""

import os

import numpy as np
import pytest

from tests.honesty.claim import Claim
from tests.honesty.claims import all_claims

IS_FULL = os.environ.get("SEEDBED_HONESTY") == "full"
CLAIMS = all_claims()


@pytest.mark.slow
@pytest.mark.parametrize(
    "claim",
    [pytest.param(claim, id=claim.name) for claim in CLAIMS if IS_FULL or claim.short],
)
def test_a_claim_holds(claim: Claim) -> None:
    outcome = claim.run(claim.repetitions if IS_FULL else claim.short)
    assert not outcome.fails, str(outcome)


def test_each_claim_has_a_name_of_its_own() -> None:
    names = [claim.name for claim in CLAIMS]
    assert len(names) == len(set(names))


def test_a_figure_outside_its_band_fails() -> None:
    def coin(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
        return rng.random(n) < share

    honest = Claim("0", "a coin", coin, {"share": 0.5}, 0.4, 0.6, 400, 400)
    bent = Claim("0", "a bent coin", coin, {"share": 0.9}, 0.4, 0.6, 400, 400)
    assert honest.run(400).is_inside
    assert not honest.run(400).fails
    assert bent.run(400).fails
