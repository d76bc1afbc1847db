"""What a model kind declares, and what it is asked to read.

Commands that list kinds load this module, so pandas is loaded by whoever makes a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict

from project.origin import ROW_ORIGINS, Origin
from project.refusal import Refusal
from training.domain.expectations import QualitySpec
from training.domain.tasks import get_figures, get_task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from training.domain.splits import SplitRule
    from training.domain.tasks.base import Rows
    from training.domain.tasks.figures import Figures

    FloatArray = npt.NDArray[np.float64]
    BoolArray = npt.NDArray[np.bool_]
    Baselines = Callable[[pd.DataFrame, pd.DataFrame], dict[str, FloatArray]]
    RuleWeights = Callable[[pd.DataFrame], Mapping[str, float]]


ORIGIN_COLUMN = "origin"  # of the rows of a mixture: real or synthetic


class RecipeFields(TypedDict):
    """A `Recipe` as JSON."""

    origin: str
    batches: list[int]
    feature_set: str
    outcomes: str
    without: list[str]
    split: str
    train_share: float
    seed: int


@dataclass(frozen=True)
class Recipe:
    """What a dataset is to be made of.

    Attributes
    ----------
    origin : real, synthetic or combined; empty lets the kind choose and say what it chose.
    batches : ids of the event batches, for kinds that read batches; empty lets the kind choose.
    feature_set : name of the feature formulas; empty takes that of the rows.
    outcomes : which answers of one pair count, for kinds that read pairs: each, last or best; empty
        takes each.
    without : inputs that neither gates nor model shall see.
    split : one of the kind's splits; empty takes its default.
    train_share : wanted share of the rows in training, in (0, 1).
    seed : of the split.
    """

    origin: str = ""
    batches: tuple[int, ...] = ()
    feature_set: str = ""
    outcomes: str = ""
    without: tuple[str, ...] = ()
    split: str = ""
    train_share: float = 0.8
    seed: int = 0

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Recipe:
        """Read what `as_dict` wrote, and what the first edition wrote: it said source for
        origin."""
        return cls(
            origin=given.get("origin") or given.get("source") or "",
            batches=tuple(given.get("batches", ())),
            feature_set=given.get("feature_set", ""),
            outcomes=given.get("outcomes", ""),
            without=tuple(given.get("without", ())),
            split=given.get("split", ""),
            train_share=float(given.get("train_share", 0.8)),
            seed=int(given.get("seed", 0)),
        )

    def as_dict(self) -> RecipeFields:
        return {
            "origin": self.origin,
            "batches": list(self.batches),
            "feature_set": self.feature_set,
            "outcomes": self.outcomes,
            "without": list(self.without),
            "split": self.split,
            "train_share": self.train_share,
            "seed": self.seed,
        }


def require_origin(recipe: Recipe) -> Origin | None:
    """Return the origin that a recipe asks for, None where it leaves that open; refuses any
    other."""
    if not recipe.origin:
        return None
    try:
        return Origin(recipe.origin)
    except ValueError:
        raise Refusal(
            f"There is no origin {recipe.origin!r}.", remedy=f"Choose one of {', '.join(Origin)}."
        ) from None


def origin_column(is_real: pd.Series) -> pd.Series:
    """Return the column that says of each row whether people made it."""
    import pandas as pd

    words = [origin.value for origin in ROW_ORIGINS]
    named = is_real.map({True: Origin.REAL.value, False: Origin.SYNTHETIC.value})
    return named.astype(pd.CategoricalDtype(words))


def real_rows(frame: pd.DataFrame) -> BoolArray | None:
    """Return which rows of a mixture are real, shape (n_rows,); None where it is none."""
    if ORIGIN_COLUMN not in frame:
        return None
    is_real: BoolArray = (frame[ORIGIN_COLUMN] == Origin.REAL.value).to_numpy(dtype=bool)
    return None if is_real.all() or not is_real.any() else is_real


@dataclass(frozen=True)
class LoadedRows:
    """What a kind read for a recipe.

    Attributes
    ----------
    frame : features, target and the context columns (time, groups, true probabilities).
    recipe : the recipe with everything that was left open filled in.
    lineage : the records the rows came from, as JSON; kept for ever with the dataset.
    batches : ids of the event batches among them.
    defaulted : feature name to boolean array of shape (n_rows,), True where a value stands in for
        a missing input; None where the rows do not tell.
    left_out : rows that the recipe leaves out of the frame, by reason.
    generated : boolean array of shape (n_rows,), True for rows that were generated here and can be
        generated anew; None where none was.
    vocabulary : what words of people meant and how rare interests were when the features were
        computed, as JSON; empty where no feature comes from words.
    """

    frame: pd.DataFrame
    recipe: Recipe
    lineage: tuple[dict[str, Any], ...] = ()
    batches: tuple[int, ...] = ()
    defaulted: Mapping[str, BoolArray] | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    generated: BoolArray | None = None
    vocabulary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitColumns:
    """Which columns a split of a kind goes by."""

    rule: SplitRule
    groups: tuple[str, ...] = ()
    partner: str | None = None
    time: str = "occurred_at"


def no_baselines(train: pd.DataFrame, rows: pd.DataFrame) -> dict[str, FloatArray]:
    """The baselines of a kind that has none beside the constant."""
    return {}


def no_rule_weights(train: pd.DataFrame) -> Mapping[str, float]:
    """The weights of a kind that has no rule score."""
    return {}


@dataclass(frozen=True)
class ModelKind:
    """One kind of model: where its rows come from, what they must look like, what it must beat.

    Attributes
    ----------
    name : stable for ever; stands in tables, folders and commands.
    title : words for people.
    task : name of what is asked for: classification of a label 0 or 1, regression of a number.
    numeric, categorical : input columns, in the order the model reads them.
    target : the label or number to be predicted.
    quality : from a recipe to the expectations of the dataset gate; an empty feature set stands
        for a file from elsewhere.
    load : reads the rows of a recipe; raises Refusal when it says no.
    splits : name of each allowed split to the columns it goes by.
    default_split : the one taken when none is asked for.
    file_stem : name of the model's file without its suffix.
    baselines : from training rows and any rows to predictions for the latter by other means:
        `rule_score` of a label, `group_mean` and `given` of a number are what the gates know; NaN
        where there is none.
    rule_weights : from training rows to the weight, > 0, of each input in the linear rule score of
        a label. A kind that has one gets "rules plus corrections" as its first candidate.
    ceilings : name to the column that holds the true probability or mean; NaN for real rows.
    monotone : inputs in which the score may only rise.
    target_range : range that predictions of a number are clipped to.
    clusters : columns of identifiers, at most two, whose rows go together in every interval; rows
        of one person resemble one another, and a pair has two people. Rows without an identifier
        stand for themselves. A split by group takes its group.
    slices : columns by whose values the metrics are shown as well, as `by_{column}`.
    expectation : what models of real rows honestly reach, with sources; shown beside such rows.
    """

    name: str
    title: str
    task: str
    numeric: tuple[str, ...]
    target: str
    quality: Callable[[Recipe], QualitySpec]
    load: Callable[[Recipe], LoadedRows]
    splits: Mapping[str, SplitColumns]
    default_split: str
    file_stem: str
    categorical: tuple[str, ...] = ()
    baselines: Baselines = no_baselines
    rule_weights: RuleWeights = no_rule_weights
    ceilings: Mapping[str, str] = field(default_factory=dict)
    monotone: tuple[str, ...] = ()
    target_range: tuple[float, float] | None = None
    clusters: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    expectation: str = ""

    @property
    def features(self) -> tuple[str, ...]:
        """The inputs in the order in which a model reads them."""
        return (*self.numeric, *self.categorical)

    @property
    def figures(self) -> Figures:
        """What people are shown of its models."""
        return get_figures(self.task)

    def expectation_of(self, origin: str) -> str:
        """Return what models of rows of this origin honestly reach; empty without real rows."""
        return self.expectation if Origin.REAL in Origin(origin).parts else ""

    def quality_of(self, recipe: Recipe) -> QualitySpec:
        """Return the expectations of a dataset: of the inputs that it is not built without.

        Its split promises what may not be shared.
        """
        spec = self.quality(recipe).leaving_out(recipe.without)
        if recipe.split in spec.groups:
            spec = replace(spec, disjoint=spec.disjoint | {recipe.split})
        return spec

    def held_out_by(self, split: str) -> ModelKind:
        """Return the kind as it is measured under a split: what a split holds out is what varies.

        Rows of a model that training has not seen err together; to resample them one by one would
        give intervals for more rows, not for more models.
        """
        columns = self.splits.get(split)
        if columns is None or columns.rule != "group":
            return self
        return replace(self, clusters=columns.groups[:1])

    def reading(self, names: Sequence[str]) -> ModelKind:
        """Return the kind as a model reads it that was fitted on these inputs."""
        return replace(
            self,
            numeric=tuple(name for name in names if name not in self.categorical),
            categorical=tuple(name for name in names if name in self.categorical),
            monotone=tuple(name for name in self.monotone if name in names),
        )

    def predict(self, estimator: Any, frame: pd.DataFrame) -> FloatArray:
        """Return each row's probability of label 1, or its predicted number: float64 (n_rows,)."""
        return get_task(self.task).predict(estimator, self.inputs(frame))

    def rows(self, frame: pd.DataFrame) -> Rows:
        """Return the answers of a frame, and which of them go together where it says so."""
        import numpy as np
        import pandas as pd

        from project.measure.jackknife import Clusters
        from training.domain.tasks.base import Rows

        columns = [name for name in self.clusters if name in frame and not frame[name].isna().all()]
        ways = []
        for name in columns:
            codes, found = pd.factorize(frame[name])
            unknown = codes < 0
            codes[unknown] = len(found) + np.arange(int(unknown.sum()))
            ways.append(codes.astype(np.int64))
        return Rows(
            frame[self.target].to_numpy(dtype=np.float64),
            Clusters(tuple(ways)),
            tuple(name.removesuffix("_id") for name in columns),
        )

    def inputs(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the model's inputs in order; an absent column is wholly missing.

        Numbers come as floats with NaN, names as text with None.
        """
        import numpy as np

        names = list(self.features)
        is_ready = list(frame.columns) == names
        inputs = frame.copy(deep=False) if is_ready else frame.reindex(columns=names)
        # One look at all types: with a look at each column a pair takes half a millisecond longer.
        odd = {
            name
            for name, dtype in zip(names, inputs.dtypes, strict=True)
            if not isinstance(dtype, np.dtype) or dtype.kind != "f"
        }
        for name in odd.intersection(self.numeric):
            inputs[name] = inputs[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in self.categorical:
            column = inputs[name].astype(object)
            inputs[name] = column.map(str, na_action="ignore").where(column.notna(), None)
        return inputs
