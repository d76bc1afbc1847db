"""Makes feedback whose true means are known, so that the best possible model is known too."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from feedback.domain.tables import QUALITY_METRICS

FloatArray = npt.NDArray[np.float64]

# The target of the quality kind, of metrics in 0..100; complexity counts as 100 - complexity.
QUALITY_WEIGHTS: Mapping[str, float] = {
    "codeQuality": 0.25,
    "testCoverage": 0.20,
    "security": 0.20,
    "performance": 0.15,
    "maintainability": 0.15,
    "complexity": 0.05,
}
PROVIDERS = ("anthropic", "google", "mistral", "openai")
MODELS_PER_PROVIDER = 3
ACTIONS = ("combat", "dialogue", "exploration", "narration", "puzzle")
EXPERIMENTS: Mapping[str, tuple[str, ...]] = {
    "prompt-length": ("control", "short"),
    "temperature": ("control", "high", "low"),
    "examples": ("control", "three-shot"),
    "null-test": ("control", "same"),  # whose variants do not differ: a verdict must not find one
}
# Spread of the effects on a rating, in its own units.
PROVIDER_SD, MODEL_SD, ACTION_SD, VARIANT_SD, RESPONSE_SD = 0.07, 0.06, 0.05, 0.06, 0.10
# So small that the inputs of an A/B test tell nearly all of its mean: the true mean is then a
# ceiling that a model can come close to.
PREDICTION_SD = 0.01
QUALITY_SLOPE = 0.6  # of CSAT on quality, both 0..1
RESPONSE_TIME_SLOPE = -0.03  # of CSAT per doubling of the response time
# A Beta distribution with mean m and concentration k has the variance m (1 - m) / (k + 1).
QUALITY_CONCENTRATION = 250.0  # noise of about 3 points of 100
RATING_CONCENTRATION = 12.0  # noise of about .13: people differ
METRIC_MISSING_SHARE = 0.02
FEEDBACK_SHARE = 0.7  # of responses that somebody rated and that a test saw, each
RESPONSES_PER_SESSION = 4
LOWEST_MEAN, HIGHEST_MEAN = 0.03, 0.97


def true_quality(metrics: Mapping[str, FloatArray]) -> FloatArray:
    """Mean quality of a response, 0 to 100, from its six metrics of 0 to 100."""
    total = np.zeros(len(metrics["codeQuality"]))
    for name, weight in QUALITY_WEIGHTS.items():
        value = 100.0 - metrics[name] if name == "complexity" else metrics[name]
        total += weight * value
    return total


def generate_feedback(
    rng: np.random.Generator, count: int, *, seed: int, end: np.datetime64, days: float = 30.0
) -> dict[str, pd.DataFrame]:
    """Make `count` responses and what the three tables hold of them.

    Parameters
    ----------
    rng : source of all chance.
    count : number of responses; every one has an explanation, FEEDBACK_SHARE of them a rating, and
        as many an A/B test result.
    seed : stands in the ids, so that two seeds make different rows.
    end, days : the rows lie in the `days` before `end`, datetime64 in UTC.

    Returns
    -------
    Table -> rows with the columns of the table and `true_mean`, the mean of its target before noise
    in the target's own unit, 0 to 1. Ids and times depend on seed and row alone.
    """
    provider = rng.choice(len(PROVIDERS), count, p=[0.35, 0.2, 0.15, 0.3])
    model = provider * MODELS_PER_PROVIDER + rng.choice(
        MODELS_PER_PROVIDER, count, p=[0.5, 0.3, 0.2]
    )
    action = rng.choice(len(ACTIONS), count, p=[0.25, 0.3, 0.2, 0.15, 0.1])
    provider_effect = rng.normal(0.0, PROVIDER_SD, len(PROVIDERS))
    model_effect = rng.normal(0.0, MODEL_SD, len(PROVIDERS) * MODELS_PER_PROVIDER)
    action_effect = rng.normal(0.0, ACTION_SD, len(ACTIONS))

    skill = rng.normal(0.0, 0.5, count) + 4.0 * model_effect[model]
    metrics = {
        name: _metric(rng, skill if name != "complexity" else -0.5 * skill)
        for name in QUALITY_METRICS
    }
    quality_mean = _inside(true_quality(metrics) / 100.0)
    quality = _beta(rng, quality_mean, QUALITY_CONCENTRATION)
    response_time = np.round(np.exp(rng.normal(np.log(1_500.0), 0.7, count)) + 50.0)
    liked = (
        provider_effect[provider]
        + model_effect[model]
        + action_effect[action]
        + QUALITY_SLOPE * (quality - 0.6)
        + RESPONSE_TIME_SLOPE * np.log2(response_time / 1_500.0)
    )

    number = np.arange(count)
    created = end - np.timedelta64(int(days * 86_400_000_000), "us") * (1.0 - (number + 1) / count)
    common = pd.DataFrame(
        {
            "response_id": _names(f"synthetic-{seed}-response-", number),
            "provider": np.array(PROVIDERS)[provider],
            "model": [f"{PROVIDERS[one // MODELS_PER_PROVIDER]}-{'sml'[one % 3]}" for one in model],
            "action_type": np.array(ACTIONS)[action],
            "created_at": np.datetime_as_string(created.astype("M8[us]"), timezone="UTC"),
        }
    )
    session = number // RESPONSES_PER_SESSION
    explanations = common.assign(
        id=_names(f"synthetic-{seed}-explanation-", number),
        quality_score=quality,
        scenario_id=_names("scenario-", rng.integers(0, max(1, count // 20), count)),
        metadata=pd.Series(_metadata(rng, metrics, response_time), dtype=object),
        true_mean=quality_mean,
    )
    rating_mean = _inside(0.62 + liked)
    feedback = common.assign(
        id=_names(f"synthetic-{seed}-feedback-", number),
        quality_rating=_beta(rng, rating_mean, RATING_CONCENTRATION),
        session_id=_names(f"synthetic-{seed}-session-", session),
        user_id=_names(f"synthetic-{seed}-user-", session // 3),
        true_mean=rating_mean,
    )
    return {
        "explanations": explanations,
        "quality_feedback": feedback[rng.random(count) < FEEDBACK_SHARE],
        "ab_testing": _ab_tests(rng, common, liked, seed)[rng.random(count) < FEEDBACK_SHARE],
    }


def _ab_tests(
    rng: np.random.Generator, common: pd.DataFrame, liked: FloatArray, seed: int
) -> pd.DataFrame:
    count = len(common)
    arms = [(name, variant) for name, variants in EXPERIMENTS.items() for variant in variants]
    effect = rng.normal(0.0, VARIANT_SD, len(arms))
    effect[[variant == "control" or name == "null-test" for name, variant in arms]] = 0.0
    arm = rng.integers(0, len(arms), count)
    mean = _inside(0.6 + liked + effect[arm] + rng.normal(0.0, RESPONSE_SD, count))
    # The given prediction knows the response, but shrinks towards .7: a model can do better.
    noise = rng.normal(0.0, PREDICTION_SD, count)
    prediction = np.clip(0.7 + 0.6 * (mean - 0.6) + noise, 0.0, 1.0)
    return common.assign(
        id=_names(f"synthetic-{seed}-test-", np.arange(count)),
        experiment_name=[arms[one][0] for one in arm],
        variant=[arms[one][1] for one in arm],
        user_rating=_beta(rng, mean, RATING_CONCENTRATION),
        predicted_quality=np.round(prediction, 4),
        true_mean=mean,
    )


def _metric(rng: np.random.Generator, skill: FloatArray) -> FloatArray:
    raw = 0.4 + 0.6 * skill + rng.normal(0.0, 0.8, len(skill))
    return np.round(100.0 / (1.0 + np.exp(-raw)), 1)


def _metadata(
    rng: np.random.Generator, metrics: Mapping[str, FloatArray], response_time: FloatArray
) -> list[dict[str, float]]:
    columns = {**metrics, "responseTime": response_time}
    absent = rng.random((len(response_time), len(columns))) < METRIC_MISSING_SHARE
    lists = {name: values.tolist() for name, values in columns.items()}
    return [
        {name: lists[name][row] for name, gone in zip(columns, gaps, strict=True) if not gone}
        for row, gaps in enumerate(absent.tolist())
    ]


def _inside(mean: FloatArray) -> FloatArray:
    return np.clip(mean, LOWEST_MEAN, HIGHEST_MEAN)


def _beta(rng: np.random.Generator, mean: FloatArray, concentration: float) -> FloatArray:
    return np.round(rng.beta(mean * concentration, (1.0 - mean) * concentration), 6)


def _names(prefix: str, numbers: npt.NDArray[np.int64]) -> list[str]:
    return [f"{prefix}{number}" for number in numbers.tolist()]
