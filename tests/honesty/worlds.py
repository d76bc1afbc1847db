"""Data that Seedbed's generator did not make: people with effects of their own, in pairs or groups.

Nothing here knows the rules, the thirteen features or the presets. An asker says yes to a partner
by one number, by how easily the asker says yes, and by how often the partner is told yes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from project.measure.auc import roc_auc

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Answers of askers about partners.

    Attributes
    ----------
    asker, partner : arrays of shape (n_rows,), whole numbers.
    label : array of shape (n_rows,), bool.
    number : the input that the label hangs on.
    """

    asker: IntArray
    partner: IntArray
    label: npt.NDArray[np.bool_]
    number: FloatArray


def draw_pairs(
    rng: np.random.Generator,
    askers: int,
    partners: int,
    *,
    each: int | None = None,
    slope: float = 0.7,
    asker_effect: float = 1.0,
    partner_effect: float = 1.0,
    shared: float = 0.2,
) -> Pairs:
    """Draw answers.

    Parameters
    ----------
    each : partners of an asker, by lot; None: all of them.
    slope : what one standard deviation of the number adds to the logit.
    asker_effect, partner_effect : standard deviations of what people add to the logit.
    shared : share of the number's variance that each side brings along, as a person's age would.
    """
    if each is None:
        asker, partner = np.divmod(np.arange(askers * partners), partners)
    else:
        asker = np.repeat(np.arange(askers), each)
        partner = np.concatenate([rng.permutation(partners)[:each] for _ in range(askers)])
    of_asker, of_partner = rng.normal(size=askers), rng.normal(size=partners)
    own = rng.normal(size=len(asker))
    number = np.sqrt(shared) * (of_asker[asker] + of_partner[partner])
    number += np.sqrt(1 - 2 * shared) * own
    effect = asker_effect * rng.normal(size=askers)[asker]
    effect += partner_effect * rng.normal(size=partners)[partner]
    label = rng.random(len(asker)) < expit(slope * number + effect)
    return Pairs(asker, partner, label, number)


def blurred(
    rng: np.random.Generator, pairs: Pairs, noise: float, shared: float = 0.2
) -> FloatArray:
    """Return a worse copy of the number, whose noise has effects of people as well."""
    of_asker = rng.normal(size=int(pairs.asker.max()) + 1)[pairs.asker]
    of_partner = rng.normal(size=int(pairs.partner.max()) + 1)[pairs.partner]
    own = np.sqrt(1 - 2 * shared) * rng.normal(size=len(pairs.asker))
    return pairs.number + noise * (np.sqrt(shared) * (of_asker + of_partner) + own)


def true_auc(noise: tuple[float, ...] = (0.0,), **world: float) -> list[float]:
    """Return the ROC-AUC of the number, blurred by each noise, in a very large population."""
    rng = np.random.default_rng(20_261_127)
    found = []
    for _ in range(8):
        pairs = draw_pairs(rng, 1_500, 1_500, each=60, **world)  # type: ignore[arg-type]
        found.append([roc_auc(pairs.label, blurred(rng, pairs, one)) for one in noise])
    return [float(value) for value in np.mean(found, axis=0)]


def group_sizes(rng: np.random.Generator, groups: int, rows: int, *, even: bool) -> IntArray:
    """Rows of each group: equal, or by a flat Dirichlet and at least three."""
    if even:
        return np.full(groups, rows // groups)
    drawn = rng.multinomial(rows, rng.dirichlet(np.ones(groups)))
    return np.asarray(np.maximum(3, drawn), dtype=np.int64)
