"""What the rows of a dataset must look like; `training.domain.quality` measures whether they do."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

DISTINCT_DEFAULT = 10  # distinct values that pass, where a feature states no other number
# Fewer distinct values than this are a constant in disguise in rows that can be generated anew, and
# of whole vectors in any rows: one of four scores falls on more than 20 % of the rows, and a model
# that gives it is refused.
DISTINCT_REFUSE = 5
CONSTANT_BELOW = 2  # what rows from elsewhere need: a column with two values says something


@dataclass(frozen=True)
class FeatureSpec:
    """What is expected of one input column.

    Attributes
    ----------
    name : column name.
    minimum, maximum : inclusive range of the values; None leaves that side open.
    distinct_pass : number of distinct values from which the column passes.
    distinct_refuse : below this number the column is refused where all rows can be generated anew;
        in rows from elsewhere only a constant is, which nobody can mend but by leaving it out.
    applies_to : match types whose rows have this feature; None for all rows. Rows of another type
        are NaN by design and are neither missing nor counted.
    is_optional : missing values are reported, never judged.
    may_be_missing : missing values warn at most, as nobody may know them; a constant is refused as
        ever.
    is_categorical : values are labels; no range, and a single value warns at most.
    half_is_legitimate : the formula itself can give exactly 0.5, so that a 0.5 is no proof of a
        default: the share warns, but does not refuse.
    grid : the values that the formula gives while only a coarse input is known, such as a label;
        where no other value is seen, their number is what passes, and below which rows generated
        here are refused.
    factors : the inputs whose product this one is; it tells no two rows apart that they do not.
    is_given : it is itself a prediction of the target that came with the row, and may tell much of
        it: no suspicion falls on it.
    variety_remedy : what to do about rows from elsewhere when the column has too few distinct
        values; that a recipe may leave it out is said beside.
    missing_remedy : the same when too many values are missing.
    made_variety_remedy, made_missing_remedy : the same about rows that were generated here; empty
        where none can be.
    """

    name: str
    minimum: float | None = 0.0
    maximum: float | None = 1.0
    distinct_pass: int = DISTINCT_DEFAULT
    distinct_refuse: int = DISTINCT_REFUSE
    grid: tuple[float, ...] = ()
    applies_to: frozenset[str] | None = None
    is_optional: bool = False
    may_be_missing: bool = False
    is_categorical: bool = False
    half_is_legitimate: bool = False
    factors: tuple[str, ...] = ()
    is_given: bool = False
    variety_remedy: str = (
        "check that the source does not write a constant for what it does not know"
    )
    missing_remedy: str = "complete them where the rows come from, and bring the rows again"
    made_variety_remedy: str = ""
    made_missing_remedy: str = ""


@dataclass(frozen=True)
class QualitySpec:
    """What a dataset of one kind must look like.

    Attributes
    ----------
    features : the input columns, in order.
    target : name of the label (0 or 1) or numeric target column.
    task : name of what is asked for: classification or regression.
    minimum_rows : fewer rows are refused.
    target_minimum, target_maximum : range of a numeric target.
    copy_columns : columns whose equality makes two rows copies; None means the features, and where
        the target is a number the target too (the same inputs with another answer are evidence,
        not a copy).
    identity : columns that say who gave an answer to what. Where ratings have few values, many
        people give the same answer to the same inputs, and `copy_columns` must tell them apart;
        named here, repeats beyond what chance explains are held to the same limits.
    pair : the columns of who decided and about whom, which tell copies apart beside the vector.
        Named here, repeats of the vector alone are reported beside chance; only for rows that were
        generated here are they held to the limits of copies.
    match_type_column : column named by `FeatureSpec.applies_to`; may be absent from the frame.
    groups : name -> columns that identify what train and validation may share: event, user, pair,
        session ... Several columns are read as an unordered set of identifiers.
    disjoint : names of those groups that the split promised to keep apart; sharing one is refused,
        sharing any other is only shown.
    default_value : value that stands for a missing input where no mask of defaults is given; None
        when missing inputs are NaN.
    copies_remedy : what else to do about too many copies.
    is_a_log : an input that no row from elsewhere carries is not in this log: it is left out of the
        gates and of the model, and listed. Without it such an input is missing in every row.
    vectors_remedy : what to do about too many equal vectors among rows that were generated here.
    """

    features: tuple[FeatureSpec, ...]
    target: str
    task: str
    minimum_rows: int
    target_minimum: float | None = None
    target_maximum: float | None = None
    copy_columns: tuple[str, ...] | None = None
    identity: tuple[str, ...] = ()
    pair: tuple[str, ...] = ()
    match_type_column: str = "match_type"
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    disjoint: frozenset[str] = frozenset()
    default_value: float | None = None
    copies_remedy: str = "find where rows are written twice"
    is_a_log: bool = False
    vectors_remedy: str = "draw from a more varied population"

    def leaving_out(self, names: Collection[str]) -> "QualitySpec":
        """Return the expectations without some inputs, and without the products of any of them."""
        return replace(
            self,
            features=tuple(
                feature
                for feature in self.features
                if feature.name not in names and not set(feature.factors) & set(names)
            ),
        )

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)
