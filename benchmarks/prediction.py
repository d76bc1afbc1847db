"""One pair, scored with the champion while everything is warm."""

import itertools
import statistics
from functools import partial

from benchmarks.figures import Figure
from benchmarks.measure import seconds
from benchmarks.servers import connect

WARM_UP = 20


def run(calls: int) -> list[Figure]:
    """Return the latency of `score_pairs`: two profiles read, features, model, rule score."""
    connect()
    from matching.models import SeedUser
    from training.kinds import DEFAULT_KIND, get_kind
    from training.models import ModelVersion
    from training.queries.models import champion_of
    from training.queries.pairs import score_pairs
    from training.services.registry import promote

    kind = get_kind(DEFAULT_KIND)
    newest = ModelVersion.objects.of_kind(kind.name).select_related("dataset").first()
    if newest is None:
        raise RuntimeError("There is no model to score with: the whole job runs before this.")
    if champion_of(kind.name) is None:
        promote(newest, reason="benchmark")
    names = list(SeedUser.objects.values_list("external_id", flat=True)[: calls + WARM_UP + 1])
    runs = [1000 * seconds(partial(score_pairs, [pair])) for pair in itertools.pairwise(names)]
    runs = sorted(runs[WARM_UP:])
    return [
        Figure(
            "score of one pair, ms",
            statistics.median(runs),
            1,
            note=f"95 % within {runs[int(0.95 * len(runs))]:.1f} ms",
        )
    ]
