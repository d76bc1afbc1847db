"""Inputs that tell more than they should: what was written after the answer, and is not perfect.

A rating given after the date tells who liked whom, with a ROC-AUC of .75 to .85: far too little for
the giveaway gate, far more than any profile knows. So an input is suspicious that jumps over what
is known to be reachable: the lower end of its own ROC-AUC lies above that of the rule score, and
above what matching by profiles honestly reaches. Whether an input was there tells as much at times
(only who met was asked), and is asked too.

Kinds of labels that declare a rule score are asked. Without rules nothing says what is honestly
reachable, and a number has no ROC-AUC: a metric that explains a rating well is no leak. There the
giveaway gate alone stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite, log, sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import expit  # scipy.stats takes a second to load

from project.measure.auc import auc_influence, roc_auc
from project.measure.intervals import student_reach
from project.measure.jackknife import Clusters, influence_variance
from training.domain.checks import Check, Gate
from training.domain.kind import ModelKind, Recipe
from training.domain.tasks import get_task

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# What matching by profiles alone honestly reaches, at best.
REACHABLE_AUC = 0.62
ONE_SIDED = 0.95
# More rows are drawn by lot: the lower end of 100,000 is within .004 of the figure.
MOST_ROWS = 100_000
LOT_SEED = 20_261_127  # the same rows always measure alike

SUSPICIOUS_INPUT = Gate(
    "suspicious_input:",
    target=f"lower end of its own ROC-AUC <= {REACHABLE_AUC:g} or the rule score's",
    limit=REACHABLE_AUC,
)

# From the names of inputs to the rule score of every row without them, NaN where no part is known.
RuleWithout = Callable[[tuple[str, ...]], FloatArray]


@dataclass(frozen=True)
class Suspect:
    """How much one input alone tells of the label.

    Attributes
    ----------
    name : the input; of a product the factor that tells most.
    auc : its ROC-AUC, in whichever direction is better.
    low : one-sided 95 % lower end.
    limit : what is known to be reachable on the same rows.
    rows : number of rows that were measured.
    falls : whether the label is rarer where the input is higher.
    by_absence : whether it is not the value that tells, but whether there is one.
    product : the product that tells it, empty where it is the input itself.
    """

    name: str
    auc: float
    low: float
    limit: float
    rows: int
    falls: bool = False
    by_absence: bool = False
    product: str = ""

    @property
    def jumps(self) -> bool:
        return self.low > self.limit

    @property
    def told(self) -> str:
        """What tells the label, in words."""
        if self.by_absence:
            return f"whether {self.name} is there"
        return f"{self.product}, made of {self.name}," if self.product else self.name


def lower_end(is_positive: BoolArray, score: FloatArray, clusters: Clusters) -> tuple[float, float]:
    """The ROC-AUC of a score, and its one-sided 95 % lower end.

    Parameters
    ----------
    is_positive, score : arrays of shape (n_rows,).
    clusters : of the rows; two ways for pairs.

    Returns
    -------
    auc, low : floats
        Student's interval on the logit; NaN where there is one label or too few clusters. The end
        of a score that tells all rows apart is the figure itself.
    """
    auc, influence = auc_influence(is_positive, score)
    degrees = clusters.degrees(len(score))
    if not (isfinite(auc) and isfinite(degrees)):
        return auc, float("nan")
    if auc in (0.0, 1.0):
        return auc, auc
    error = sqrt(influence_variance(influence, clusters)) / (auc * (1.0 - auc))
    reach = student_reach(degrees, 2.0 * ONE_SIDED - 1.0)  # two sides of 90 % are one of 95 %
    return auc, float(expit(log(auc / (1.0 - auc)) - reach * error))


def measure_inputs(
    columns: Mapping[str, FloatArray],
    label: FloatArray,
    clusters: Clusters,
    rule_without: RuleWithout,
    *,
    factors: Mapping[str, tuple[str, ...]] | None = None,
    applies: Mapping[str, BoolArray] | None = None,
) -> list[Suspect]:
    """Measure how much each input alone tells, beside what is known to be reachable.

    Parameters
    ----------
    columns : input to array of shape (n_rows,), NaN where it is missing.
    label : array of shape (n_rows,), 0 or 1.
    clusters : of the rows.
    rule_without : the rule score without some inputs. It counts where it is worth something
        without the input that is asked about.
    factors : product to its factors.
    applies : input to the rows in which it has to be; all of them where it is not named. In the
        others its absence is by design and says nothing.

    Returns
    -------
    list of Suspect
        One for each input of which something can be said: its value or its absence, whichever
        tells more; products stand for that factor of theirs which alone tells most.
    """
    factors, applies = factors or {}, applies or {}
    products = {name for name in columns if name in factors}
    found: dict[str, Suspect] = {}
    for name in [*(name for name in columns if name not in products), *products]:
        values = columns[name]
        inside = applies.get(name, np.ones(len(values), dtype=np.bool_))
        there = np.isfinite(values)
        asked = [(values, there, False)]
        if name not in products and not there[inside].all():
            asked.append((there.astype(np.float64), inside, True))
        of = _strongest(factors[name], found, columns) if name in products else name
        for score, rows, by_absence in asked:
            one = _measure(of, score, rows, label, clusters, rule_without)
            if one is None:
                continue
            one = replace(one, by_absence=by_absence, product=name if name in products else "")
            if of not in found or _excess(one) > _excess(found[of]):
                found[of] = one
    return list(found.values())


def _measure(
    name: str,
    score: FloatArray,
    rows: BoolArray,
    label: FloatArray,
    clusters: Clusters,
    rule_without: RuleWithout,
) -> Suspect | None:
    is_positive, known = label[rows] > 0.5, score[rows]
    inside = clusters if rows.all() else clusters.where(rows)
    sign = -1.0 if roc_auc(is_positive, known) < 0.5 else 1.0
    auc, low = lower_end(is_positive, sign * known, inside)
    if not isfinite(low):
        return None
    limit = REACHABLE_AUC
    if low > limit:
        # What rules reach only by reading this input says nothing of it.
        every, others = (
            _reached(is_positive, rule_without(without)[rows]) for without in ((), (name,))
        )
        limit = max(limit, every) if others > limit else limit
    return Suspect(name, auc, low, limit, int(rows.sum()), falls=sign < 0)


def _reached(is_positive: BoolArray, rules: FloatArray) -> float:
    """The ROC-AUC of a rule score over the rows that have one; that of chance without any."""
    scored = np.isfinite(rules)
    auc = roc_auc(is_positive[scored], rules[scored])
    return auc if isfinite(auc) else 0.5


def _excess(suspect: Suspect) -> float:
    return suspect.low - suspect.limit


def _strongest(
    factors: tuple[str, ...], found: Mapping[str, Suspect], columns: Mapping[str, FloatArray]
) -> str:
    """The factor that alone tells most; one that the rows have goes before one they have not."""
    return max(
        factors, key=lambda name: (found[name].auc if name in found else 0.0, name in columns)
    )


def check_suspects(suspects: Iterable[Suspect]) -> list[Check]:
    """Name each input that jumps; where none does, one check that shows the closest."""
    suspects = sorted(suspects, key=_excess, reverse=True)
    jumping = [one for one in suspects if one.jumps]
    if not jumping:
        return [SUSPICIOUS_INPUT.check(one.low, "pass", limit=one.limit) for one in suspects[:1]]
    return [
        SUSPICIOUS_INPUT.check(one.low, "warn", _say(one), of=one.name, limit=one.limit)
        for one in jumping
    ]


def _say(one: Suspect) -> str:
    most = "the rule score" if one.limit > REACHABLE_AUC else "matching by profiles"
    direction = " (it falls where the label is 1)" if one.falls else ""
    return (
        f"{one.told} alone tells the label with a ROC-AUC of {one.auc:.3f}{direction}, at least "
        f"{one.low:.3f} over {one.rows:,} rows, where {most} reaches {one.limit:.3f}: find out "
        f"when {one.name} is written. What is known only after the answer is left out, build with "
        f"--without {one.name}. What is truly known before may stay: to make the model live "
        "somebody then confirms that, with a reason."
    )


def check_inputs(
    kind: ModelKind, frame: pd.DataFrame, generated: npt.ArrayLike | None = None
) -> list[Check]:
    """Hold the inputs of a kind to the rule, over the rows of a frame.

    Parameters
    ----------
    kind : reading the inputs that are asked about.
    frame : inputs, target and context columns; an absent column is one that no row carries.
    generated : boolean array of shape (n_rows,), optional
        True for rows that were generated here. Beside rows from elsewhere they are left out, as
        they would hide what those give away.

    Returns
    -------
    list of Check
        Empty where the rule does not apply, and where nothing can be said: one label, or too few
        groups.
    """
    answers = frame[kind.target].to_numpy(dtype=np.float64, na_value=np.nan)
    if get_task(kind.task).label_share(answers) is None:
        return []
    frame = _rows_to_ask(kind, frame, generated)
    if not len(frame) or "rule_score" not in kind.baselines(frame, frame):
        return []
    specs = {spec.name: spec for spec in kind.quality(Recipe()).features}
    asked = [name for name in kind.numeric if name in frame and name in specs]
    asked = [name for name in asked if not specs[name].is_given]

    def rule_without(names: tuple[str, ...]) -> FloatArray:
        return kind.baselines(frame, frame.assign(**dict.fromkeys(names, np.nan)))["rule_score"]

    rows = kind.rows(frame)
    suspects = measure_inputs(
        {name: frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in asked},
        rows.target,
        rows.clusters,
        rule_without,
        factors={name: specs[name].factors for name in asked if specs[name].factors},
        applies={
            name: frame["match_type"].isin(list(types)).to_numpy(dtype=np.bool_)
            for name in asked
            if (types := specs[name].applies_to) is not None and "match_type" in frame
        },
    )
    return check_suspects(suspects)


def _rows_to_ask(
    kind: ModelKind, frame: pd.DataFrame, generated: npt.ArrayLike | None
) -> pd.DataFrame:
    asked = frame[kind.target].isin([0, 1]).to_numpy(dtype=np.bool_)
    made_here = np.zeros(len(frame), np.bool_) if generated is None else np.asarray(generated)
    if not made_here.all():
        asked = asked & ~made_here
    places = np.flatnonzero(asked)
    if len(places) > MOST_ROWS:
        rng = np.random.default_rng(LOT_SEED)
        places = np.sort(rng.choice(places, MOST_ROWS, replace=False))
    return frame.iloc[places]
