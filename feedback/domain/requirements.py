"""How many samples each kind of model needs; read by the status page and by training."""

from collections.abc import Mapping

# Usable rows below which a kind refuses to train (docs/gates.md).
MINIMUM_SAMPLES: Mapping[str, int] = {
    "quality": 100,
    "csat": 200,
    "model_performance": 500,
}
