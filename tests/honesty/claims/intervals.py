"""Intervals hold for the people, and for the few groups, that a split holds out."""

from functools import cache, lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from scipy.stats import spearmanr
from sklearn.metrics import mean_absolute_error, r2_score

from project.measure.errors import measure_errors
from project.measure.jackknife import Clusters
from project.measure.paired import paired_difference
from project.measure.scores import measure_scores
from tests.honesty.claim import Claim
from tests.honesty.worlds import blurred, draw_pairs, group_sizes, true_auc

SECTION = "3. Intervals that hold"
LAYOUTS = ((40, 40), (40, 20), (100, 50), (200, 30))

known_auc = lru_cache(maxsize=None)(true_auc)


def covers(rng: np.random.Generator, n: int, askers: int, partners: int) -> npt.NDArray[np.bool_]:
    """Whether the interval of the ROC-AUC holds the truth."""
    (truth,) = known_auc()
    hits = np.zeros(n, dtype=np.bool_)
    for place in range(n):
        pairs = draw_pairs(rng, askers, partners)
        auc = measure_scores(
            pairs.label, expit(pairs.number), clusters=Clusters.of(pairs.asker, pairs.partner)
        )["roc_auc"]
        hits[place] = auc.low <= truth <= auc.high
    return hits


def width_ratio(rng: np.random.Generator, n: int, askers: int, partners: int) -> list[float]:
    """Width of the two-way interval over that of the askers alone, where nobody has an effect."""
    found = []
    for _ in range(n):
        pairs = draw_pairs(rng, askers, partners, asker_effect=0.0, partner_effect=0.0, shared=0.0)
        two, one = (
            measure_scores(pairs.label, expit(pairs.number), clusters=clusters)["roc_auc"]
            for clusters in (Clusters.of(pairs.asker, pairs.partner), Clusters.of(pairs.asker))
        )
        found.append((two.high - two.low) / (one.high - one.low))
    return found


def difference_covers(
    rng: np.random.Generator, n: int, askers: int, partners: int
) -> npt.NDArray[np.bool_]:
    """Whether the interval of a paired difference holds the truth."""
    better, worse = known_auc(noise=(0.5, 0.85))
    hits = np.zeros(n, dtype=np.bool_)
    for place in range(n):
        pairs = draw_pairs(rng, askers, partners)
        found = paired_difference(
            blurred(rng, pairs, 0.5),
            blurred(rng, pairs, 0.85),
            pairs.label,
            "roc_auc",
            clusters=Clusters.of(pairs.asker, pairs.partner),
        )
        hits[place] = found.low <= better - worse <= found.high
    return hits


def noise_passes_in_pairs(
    rng: np.random.Generator, n: int, askers: int, partners: int, each: int | None
) -> npt.NDArray[np.float64]:
    """Whether a number that says nothing is found better than chance."""
    hits = np.full(n, np.nan)
    for place in range(n):
        pairs = draw_pairs(rng, askers, partners, each=each, slope=0.0, shared=0.3)
        if min(pairs.label.sum(), (~pairs.label).sum()) >= 2:
            clusters = Clusters.of(pairs.asker, pairs.partner)
            auc = measure_scores(pairs.label, expit(pairs.number), clusters=clusters)["roc_auc"]
            hits[place] = auc.low > 0.5
    return hits


def noise_passes_in_groups(
    rng: np.random.Generator, n: int, groups: int, even: bool
) -> npt.NDArray[np.float64]:
    """The same for rows of few groups, whose labels and scores both go by group."""
    hits = np.full(n, np.nan)
    for place in range(n):
        group = np.repeat(np.arange(groups), group_sizes(rng, groups, 200, even=even))
        score = expit(0.7 * rng.normal(size=groups)[group] + rng.normal(size=len(group)))
        label = rng.random(len(group)) < expit(rng.normal(size=groups)[group])
        if min(label.sum(), (~label).sum()) >= 2:
            auc = measure_scores(label, score, clusters=Clusters.of(group))["roc_auc"]
            hits[place] = auc.low > 0.5
    return hits


# Rows of the sessions that a split held out of a public crowd's votes: four hold four fifths.
CROWD = (254, 142, 130, 122, 40, 24, 12, 12, 10, 8, 4, 4, 4, 4, 4, 4)


def equal_predictions_told_apart(
    rng: np.random.Generator, n: int, sizes: tuple[int, ...], between: float
) -> npt.NDArray[np.bool_]:
    """Whether the first of two equally good predictions is found better."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    hits = np.zeros(n, dtype=np.bool_)
    for place in range(n):
        # Errors of both are drawn alike; within a group they go together.
        errors = np.sqrt(between) * rng.normal(size=(2, len(sizes)))[:, group]
        errors += np.sqrt(1 - between) * rng.normal(size=errors.shape)
        found = paired_difference(
            errors[0],
            errors[1],
            np.zeros(len(group)),
            "squared_error",
            clusters=Clusters.of(group),
        )
        hits[place] = found.verdict == "better"
    return hits


def draw_numbers(
    rng: np.random.Generator, groups: int, rows: int, *, even: bool, tails: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Groups, targets and predictions; with tails, errors are Student's with three degrees."""
    group = np.repeat(np.arange(groups), group_sizes(rng, groups, rows, even=even))

    def draw(size: int) -> npt.NDArray[np.float64]:
        return rng.standard_t(3, size) / np.sqrt(3) if tails else rng.normal(size=size)

    known = 0.5 * draw(groups)[group] + draw(len(group))
    target = 0.6 * known + 0.4 * draw(groups)[group] + draw(len(group))
    return group, target, 0.6 * known


@cache
def true_errors(tails: bool) -> dict[str, float]:
    rng = np.random.default_rng(20_261_128)
    _, target, prediction = draw_numbers(rng, 50_000, 1_000_000, even=True, tails=tails)
    return {
        "r2": float(r2_score(target, prediction)),
        "mae": float(mean_absolute_error(target, prediction)),
        "spearman": float(spearmanr(target, prediction).statistic),
    }


def errors_cover(
    rng: np.random.Generator, n: int, metric: str, groups: int, even: bool, tails: bool
) -> npt.NDArray[np.bool_]:
    """Whether the interval of a figure of predicted numbers holds the truth."""
    truth = true_errors(tails)[metric]
    hits = np.zeros(n, dtype=np.bool_)
    for place in range(n):
        group, target, prediction = draw_numbers(rng, groups, 400, even=even, tails=tails)
        found = measure_errors(target, prediction, clusters=Clusters.of(group))[metric]
        hits[place] = found.low <= truth <= found.high
    return hits


def accuracy_covers(
    rng: np.random.Generator, n: int, groups: int, even: bool
) -> npt.NDArray[np.bool_]:
    """Whether the interval of an accuracy holds the truth, which is 1/2 + asin(r) / pi."""
    hits = np.zeros(n, dtype=np.bool_)
    # Standard deviations of draw_numbers: of the known part, and of what it is held against.
    known, other = np.sqrt(1.25), np.sqrt(0.36 * 1.25 + 0.16 + 1)
    truth = 0.5 + np.arcsin(0.6 * known / other) / np.pi
    for place in range(n):
        group, target, prediction = draw_numbers(rng, groups, 400, even=even, tails=False)
        found = measure_scores(target > 0, expit(prediction), clusters=Clusters.of(group))
        hits[place] = found["accuracy"].low <= truth <= found["accuracy"].high
    return hits


def chance_over_error(rng: np.random.Generator, n: int, rows: int) -> list[float]:
    """What a perfect score is said to show, over what it shows on average."""
    told, shown = [], []
    for _ in range(n):
        score = rng.beta(2, 2, rows)
        found = measure_scores(rng.random(rows) < score, score)
        told.append(found["ece_by_chance"].value)
        shown.append(found["ece"].value)
    return list(np.array(told) / np.mean(shown))


def perfect_score_warned_of(rng: np.random.Generator, n: int, rows: int) -> npt.NDArray[np.bool_]:
    """Whether a perfect score's calibration error lies beyond the limit of its gate."""
    hits = np.zeros(n, dtype=np.bool_)
    for place in range(n):
        score = rng.beta(2, 2, rows)
        hits[place] = measure_scores(rng.random(rows) < score, score)["ece_excess"].value > 0.05
    return hits


CLAIMS = [
    *(
        Claim(
            SECTION,
            f"{words}, {askers} x {partners} askers and partners with equal effects",
            simulate,
            {"askers": askers, "partners": partners},
            0.92,
            0.98,
            600 if askers * partners < 2_000 else 300,
            40 if askers * partners < 2_000 else 20,
        )
        for words, simulate in (
            ("coverage of the ROC-AUC's 95 % interval", covers),
            ("coverage of a paired difference of two ROC-AUCs", difference_covers),
        )
        for askers, partners in LAYOUTS
    ),
    *(
        Claim(
            SECTION,
            f"width over that of askers alone where nobody has an effect, {askers} x {partners}",
            width_ratio,
            {"askers": askers, "partners": partners},
            None,
            1.15,
            100,
            10,
            is_share=False,
        )
        for askers, partners in LAYOUTS
    ),
    *(
        Claim(
            SECTION,
            f"noise found better than chance, {askers} x {partners} people",
            noise_passes_in_pairs,
            {"askers": askers, "partners": partners, "each": None},
            None,
            0.035,
            500,
            0,
        )
        for askers, partners in ((40, 40), (20, 20), (10, 10), (8, 8), (6, 6), (200, 10))
    ),
    Claim(
        SECTION,
        "noise found better than chance, sparse: 100 askers of 5 partners each out of 30",
        noise_passes_in_pairs,
        {"askers": 100, "partners": 30, "each": 5},
        None,
        0.05,
        600,
        60,
    ),
    *(
        Claim(
            SECTION,
            f"noise found better than chance, {groups} {'even' if even else 'uneven'} groups",
            noise_passes_in_groups,
            {"groups": groups, "even": even},
            None,
            0.035,
            800,
            80 if groups == 8 else 0,
        )
        for groups, even in product((6, 8, 10, 15, 20, 40), (True, False))
    ),
    *(
        Claim(
            SECTION,
            f"one of two equal predictions found better, {words}, {between:.0%} of the variance "
            "between groups",
            equal_predictions_told_apart,
            {"sizes": sizes, "between": between},
            None,
            0.035,
            2_000,
            200 if between == 0.1 else 0,
        )
        for (words, sizes), between in product(
            (("8 even groups", (50,) * 8), ("16 groups as uneven as a crowd's", CROWD)),
            (0.02, 0.1, 0.5),
        )
    ),
    *(
        Claim(
            SECTION,
            f"coverage of {words}, {groups} {'even' if even else 'uneven'} groups"
            + (", tails of t3" if tails else ""),
            errors_cover,
            {"metric": metric, "groups": groups, "even": even, "tails": tails},
            with_tails if tails else without,
            high,
            400,
            60 if (groups, metric) == (10, "r2") else 0,
        )
        for (metric, words, without, with_tails, high), groups, even, tails in product(
            (
                ("r2", "R2", 0.92, 0.91, None),
                ("spearman", "Spearman's correlation", 0.92, 0.92, 0.99),
                ("mae", "the mean absolute error", 0.91, 0.89, None),
            ),
            (8, 10, 15, 40),
            (True, False),
            (False, True),
        )
    ),
    *(
        Claim(
            SECTION,
            f"coverage of the accuracy, {groups} {'even' if even else 'uneven'} groups",
            accuracy_covers,
            {"groups": groups, "even": even},
            0.91,
            None,
            400,
            0,
        )
        for groups, even in product((8, 15, 40), (True, False))
    ),
    *(
        Claim(
            SECTION,
            f"calibration error said to be chance over that of a perfect score, {rows} rows",
            chance_over_error,
            {"rows": rows},
            0.93,
            1.07,
            300,
            60,
            is_share=False,
        )
        for rows in (200, 2_000)
    ),
    Claim(
        SECTION,
        "perfect scores warned of for their calibration error, 200 rows",
        perfect_score_warned_of,
        {"rows": 200},
        None,
        0.05,
        400,
        60,
    ),
]
