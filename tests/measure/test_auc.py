"""The ROC-AUC is that of scikit-learn and SciPy, and it is defined once."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from project.measure.auc import auc_influence, auc_of_counts, count_labels, roc_auc
from tests.measure.samples import make_scores, rng

ROOT = Path(__file__).parents[2]
SCORES = st.sampled_from([0.0, -0.0, 0.25, 0.5, -0.5, -3.0, 1e-40, 7.0, np.inf, -np.inf])


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_ties_count_half(decimals, dtype):
    label, score = make_scores(2_000, decimals=decimals)
    score = score.astype(dtype)
    expected = sk.roc_auc_score(label, score)
    assert roc_auc(label, score) == pytest.approx(expected, abs=1e-12)
    positive, negative = score[label == 1], score[label == 0]
    wins = stats.mannwhitneyu(positive, negative).statistic
    assert wins / len(positive) / len(negative) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("decimals", [None, 1])
def test_weights_count_as_scikit_learn_counts_them(decimals):
    label, score = make_scores(1_000, decimals=decimals)
    weight = rng(7).exponential(size=1_000)
    expected = sk.roc_auc_score(label, score, sample_weight=weight)
    assert roc_auc(label, score, weight) == pytest.approx(expected, abs=1e-12)
    assert abs(expected - roc_auc(label, score)) > 1e-4


def test_whole_weights_are_repeated_rows():
    label, score = make_scores(300, decimals=1)
    weight = rng(1).integers(0, 4, 300)
    repeated = roc_auc(np.repeat(label, weight), np.repeat(score, weight))
    assert roc_auc(label, score, weight) == pytest.approx(repeated, abs=1e-12)


@given(st.lists(st.tuples(st.booleans(), SCORES), min_size=1, max_size=30))
def test_the_two_sorts_agree(rows):
    label = np.array([row[0] for row in rows])
    score = np.array([row[1] for row in rows], dtype=np.float32)
    single, double = roc_auc(label, score), roc_auc(label, score.astype(np.float64))
    assert single == double or (np.isnan(single) and np.isnan(double))
    positive, negative = count_labels(score, label)
    assert (positive.sum(), negative.sum()) == (label.sum(), (~label).sum())
    assert len(positive) == len(np.unique(score))


@pytest.mark.parametrize("label", [[1, 1, 1], [0, 0, 0], []])
def test_one_label_has_no_auc(label):
    assert np.isnan(roc_auc(label, np.linspace(0, 1, len(label))))
    assert np.isnan(roc_auc(label, np.linspace(0, 1, len(label), dtype=np.float32)))


def test_replicates_are_measured_in_one_call():
    positive, negative = rng().integers(0, 9, (2, 4, 6))
    together = auc_of_counts(positive, negative)
    assert together.shape == (4,)
    for row in range(4):
        assert together[row] == auc_of_counts(positive[row], negative[row])


def test_influence_is_what_leaving_a_row_out_changes():
    label, score = make_scores(400, decimals=2)
    auc, influence = auc_influence(label == 1, score)
    assert auc == pytest.approx(sk.roc_auc_score(label, score), abs=1e-12)
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    kept = np.arange(400)
    left_out = [sk.roc_auc_score(label[kept != row], score[kept != row]) for row in range(40)]
    assert -399 * (np.array(left_out) - auc) == pytest.approx(influence[:40], rel=0.02, abs=0.01)


def test_error_of_the_auc_is_that_of_delong():
    label, score = make_scores(300)
    _, influence = auc_influence(label == 1, score)
    # The kernel over all pairs, as DeLong, DeLong and Clarke-Pearson write it.
    wins = np.heaviside(score[label == 1][:, None] - score[label == 0][None, :], 0.5)
    variance = wins.mean(1).var(ddof=1) / len(wins) + wins.mean(0).var(ddof=1) / wins.shape[1]
    assert influence.std() / np.sqrt(300) == pytest.approx(np.sqrt(variance), rel=0.01)


def test_auc_is_defined_once():
    """No other module counts wins, ranks rows or asks another library for the area."""
    found = []
    for app in ("project", "matching", "feedback", "training", "overview"):
        for path in (ROOT / app).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if name != "project/measure/auc.py":
                found += [f"{name}:{line}" for line in _definitions(path.read_text(), name)]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        "def roc_auc(label, score): return rank_sum(label, score)",
        "def _missing_auc(missing): return 0.5 + missing",
        "from sklearn.metrics import roc_auc_score",
        "value = sklearn.metrics.roc_auc_score(y, s)",
        "wins = stats.mannwhitneyu(a, b).statistic",
        "ranks = pd.Series(score).rank()",
        "def worth(p, n):\n    below = np.cumsum(n) - n * 0.5\n    return (p * below).sum()",
        "def worth(p, n):\n    below = n.cumsum() - n / 2\n    return (p * below).sum()",
    ],
)
def test_a_second_definition_would_be_found(code):
    assert _definitions(code, "training/domain/another.py")


FOREIGN = {"roc_auc_score", "roc_curve", "auc", "mannwhitneyu", "ranksums", "rankdata", "rank"}


def _definitions(code, name):
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            words = node.name.strip("_").split("_")
            # A gate may read the area (`_auc_low`); a name that ends in it computes it.
            is_named = words[-1] == "auc"
            is_counting = not name.startswith("project/measure/") and _counts_wins(node)
            if is_named or is_counting:
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
            ("sklearn.metrics", "scipy.stats")
        ):
            if FOREIGN & {alias.name for alias in node.names}:
                yield node.lineno
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in FOREIGN:
            yield node.lineno


def _counts_wins(function):
    """Whether a running sum is lessened by half of its terms, which is how ties count half."""
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            left, right = ast.unparse(node.left), ast.unparse(node.right)
            if "cumsum" in left and ("0.5" in right or "/ 2" in right):
                return True
    return False
