"""What differs between versions of a kind: parameters, data, metrics and gates, side by side."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from project import words
from training.domain.kind import ModelKind
from training.models import ModelVersion

Measures = Mapping[str, Any] | None


@dataclass(frozen=True)
class Row:
    """One thing that versions have: what it is of each, and an interval or a verdict beside it."""

    title: str
    cells: tuple[tuple[str, str], ...]
    differs: bool


@dataclass(frozen=True)
class Section:
    """Rows that belong together; what is equal of them is for who asks, and of some all is."""

    title: str
    rows: tuple[Row, ...]
    is_detail: bool = False

    @property
    def different(self) -> list[Row]:
        """The rows that tell the versions apart."""
        return [row for row in self.rows if row.differs]

    @property
    def equal(self) -> list[Row]:
        """The rows that are the same of all versions."""
        return [row for row in self.rows if not row.differs]


def tell_differences(kind: ModelKind, models: Sequence[ModelVersion]) -> list[Section]:
    """Lay versions of one kind side by side, in the order in which they are given.

    Metrics are those of each version's own validation rows; on the same rows two versions are
    compared by `training.queries.comparisons.compare`.
    """
    sections = [
        Section("Parameters", tuple(_parameters(kind, models))),
        Section("Data", tuple(_data(models))),
        Section("Metrics", tuple(_metrics(kind, models))),
        Section("Gates", tuple(_gates(models))),
        Section("Fitted weights", tuple(_weights(models)), is_detail=True),
    ]
    return [section for section in sections if section.rows]


def _plain(title: str, values: Iterable[Any]) -> Row:
    said = [_say(value) for value in values]
    return Row(title, tuple((text, "") for text in said), len(set(said)) > 1)


def _say(value: Any) -> str:
    if value is None or value == "":
        return words.NONE
    if isinstance(value, int | float) and not isinstance(value, bool):
        return words.number(value)
    return str(value)


def _parameters(kind: ModelKind, models: Sequence[ModelVersion]) -> Iterable[Row]:
    yield _plain("Algorithm", [model.algorithm.replace("_", " ") for model in models])
    calibrations = [model.parameters.get("calibration", {}) for model in models]
    yield _plain("Calibration", [kind.figures.describe_calibration(one) for one in calibrations])
    yield _plain("Seed", [model.seed for model in models])
    for name, values in _by_name(_flat(_found(model), "") for model in models):
        yield _plain(name.replace("_", " ").capitalize(), values)
    read = [model.inputs or list(kind.features) for model in models]
    for name in dict.fromkeys(name for names in read for name in names):
        yield _plain(f"Input {name}", ["read" if name in names else "" for names in read])


def _weights(models: Sequence[ModelVersion]) -> Iterable[Row]:
    """What the fit itself came to, by name: many numbers, of which nearly each differs."""
    for within in dict.fromkeys(name for model in models for name in _found(model)):
        for name, values in _by_name(_flat(_found(model), within) for model in models):
            yield _plain(f"{within.replace('_', ' ').capitalize()}, {name}", values)


def _found(model: ModelVersion) -> dict[str, Any]:
    found: dict[str, Any] = model.parameters.get("parameters") or {}
    return found


def _flat(found: dict[str, Any], within: str) -> dict[str, Any]:
    """The parameters that are one value each, or those of a group of them."""
    group = found.get(within) if within else found
    if not isinstance(group, dict):
        return {}
    return {name: value for name, value in group.items() if not isinstance(value, dict)}


def _by_name(found: Iterable[dict[str, Any]]) -> Iterable[tuple[str, list[Any]]]:
    """Each name with its value of every version; None where a version has none."""
    each = list(found)
    for name in dict.fromkeys(name for one in each for name in one):
        yield name, [one.get(name) for one in each]


def _data(models: Sequence[ModelVersion]) -> Iterable[Row]:
    datasets = [model.dataset for model in models]
    yield _plain("Dataset", [dataset.version for dataset in datasets])
    yield _plain("Quality of the dataset", [dataset.verdict for dataset in datasets])
    yield _plain("Trained on", [f"{model.origin_words} rows" for model in models])
    yield _plain("Training rows", [dataset.train_rows for dataset in datasets])
    yield _plain("Validation rows", [dataset.validation_rows for dataset in datasets])
    yield _plain("Split", [dataset.split for dataset in datasets])
    yield _plain("Feature set", [dataset.feature_set for dataset in datasets])
    yield _plain("Revision of the features", [model.feature_revision for model in models])
    yield _plain("Vocabulary", [model.vocabulary.get("version") for model in models])


def _metrics(kind: ModelKind, models: Sequence[ModelVersion]) -> Iterable[Row]:
    titles, primary = kind.figures.metric_titles, kind.figures.primary_metric
    for name, title in titles.items():
        yield from _measured(title, [_of(model.metrics["validation"], name) for model in models])
    beside: list[dict[str, Any]] = [{**model.baselines, **_ceilings(model)} for model in models]
    for name in dict.fromkeys(name for found in beside for name in found):
        title = f"{titles[primary]}, {name.replace('_', ' ')}"
        yield from _measured(title, [_of(found.get(name), primary) for found in beside])


def _ceilings(model: ModelVersion) -> dict[str, Any]:
    primary = {name: value for name, value in model.ceilings.items() if value}
    return {f"{name} ceiling": {"": value} for name, value in primary.items()}


def _of(measured: Measures, name: str) -> Measures:
    """The metric of that name; a ceiling is of one metric alone."""
    found: Measures = (measured or {}).get(name) or (measured or {}).get("")
    return found


def _measured(title: str, metrics: Sequence[Measures]) -> Iterable[Row]:
    known = [metric or {} for metric in metrics]
    values = [metric.get("value") for metric in known]
    if any(value is not None for value in values):
        ends = [words.interval(metric.get("low"), metric.get("high")) for metric in known]
        cells = [
            (words.number(value), "" if end == words.NONE else end)
            for value, end in zip(values, ends, strict=True)
        ]
        yield Row(title, tuple(cells), len(set(cells)) > 1)


def _gates(models: Sequence[ModelVersion]) -> Iterable[Row]:
    """A gate differs where its verdict does: its figure nearly always does."""
    checks = [{check["name"]: check for check in model.gates} for model in models]
    for name in dict.fromkeys(name for found in checks for name in found):
        cells = [
            (words.number(found[name]["value"]), str(found[name]["verdict"]))
            if name in found
            else (words.NONE, "not checked")
            for found in checks
        ]
        differs = len({verdict for _, verdict in cells}) > 1
        yield Row(name.replace("_", " ").replace(":", ": "), tuple(cells), differs)
