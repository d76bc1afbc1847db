"""What is wanted of data, champions and feedback, and what is: for one table.

Every figure and limit is one of a gate, a report or a door; here they are only chosen.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, TypedDict

from feedback.queries.glance import Glance
from matching.domain.words import ALREADY_KNOWN
from overview.queries.pipeline import Import, Pipeline
from project.tabular.proposing import UNUSABLE_SHARE
from training.domain.checks import CheckFields
from training.kinds import DEFAULT_KIND, get_kind
from training.models import Dataset, ModelVersion

Form = Literal["number", "share", "difference"]
Status = Literal["met", "missed", "not enough evidence", "none set"]

# Checks of a dataset that always stand in the table, with what people call them; the worst of
# those that do not pass join them.
OF_DATA: Final[dict[str, tuple[str, Form]]] = {
    "rows": ("Rows", "number"),
    "duplicate_share": ("Copies", "share"),
    "distinct:interest_score": ("Different interest scores", "number"),
    "distinct:age_score": ("Different age scores", "number"),
    "distinct:personality_score": ("Different personality scores", "number"),
}
FAULTS_SHOWN: Final = 3  # other checks of the dataset that do not pass, the worst first
# Gates of a model, with the figure of the validation rows or the comparison whose interval they
# have, and whether more is better.
OF_MODEL: Final[dict[str, tuple[str, str, Form, bool]]] = {
    "target_roc_auc": ("ROC-AUC", "roc_auc", "number", True),
    "target_accuracy": ("Accuracy", "accuracy", "number", True),
    "against_rule_score": ("Better than the rule score", "rule_score", "difference", True),
    "calibration": ("Calibration error beyond chance", "ece_excess", "number", False),
    "target_coverage": ("Range of scores covered", "", "share", True),
    "against_constant": ("Squared error beyond the mean's", "constant", "difference", False),
}


class Target(TypedDict):
    """One line: what it is about, what is, what is wanted, and whether that is so.

    `about` names a record as `app_label.model_name` and key; a model may stand without a page.
    """

    title: str
    where: str
    about: tuple[str, int | None]
    value: float | None
    low: float | None
    high: float | None
    form: Form
    wanted: str
    status: Status


def targets_of(pipeline: Pipeline) -> list[Target]:
    """Return the targets of the live models, the newest dataset and the newest import."""
    champions = sorted(pipeline.champions.values(), key=lambda one: one.kind != DEFAULT_KIND)
    found = [target for champion in champions for target in _of_champion(champion)]
    if pipeline.dataset is not None:
        found += _of_dataset(pipeline.dataset)
    if pipeline.events.newest_import is not None:
        found.append(_of_import(pipeline.events.newest_import))
    return found


def targets_of_feedback(glance: Glance) -> list[Target]:
    """Return the targets of feedback; none while there is no source."""
    if not glance["sources"]:
        return []
    where = f"Feedback, {glance['origin']}"
    about = ("feedback.feedbacksource", None)
    overall = glance["csat"] and glance["csat"]["overall"]
    found: list[Target] = []
    if overall and overall["mean"] is not None:
        found.append(
            {
                "title": "CSAT", "where": where, "about": about, "value": overall["mean"],
                "low": overall["low"], "high": overall["high"], "form": "number", "wanted": "",
                "status": "none set",
            }
        )  # fmt: skip
    for one in glance["samples"]:
        count = one["real"] if glance["origin"] == "real" else one["synthetic"]
        found.append(
            {
                "title": f"Rows for a model of {get_kind(one['kind']).title}",
                "where": where, "about": about, "value": count, "low": None, "high": None,
                "form": "number", "wanted": f">= {one['minimum']}",
                "status": "met" if one["enough"] else "missed",
            }
        )  # fmt: skip
    return found


def rejected_of(file: Import) -> int:
    """Return how many lines of an imported file could not be used; known ones are no fault."""
    return sum(
        int(part["count"]) for reason, part in file["skipped"].items() if reason != ALREADY_KNOWN
    )


def _of_import(file: Import) -> Target:
    share = rejected_of(file) / file["asked"] if file["asked"] else 0.0
    return {
        "title": "Rejected lines", "where": f"Batch {file['pk']}, {file['file_name']}",
        "about": ("matching.eventbatch", file["pk"]), "value": share, "low": None, "high": None,
        "form": "share", "wanted": f"<= {UNUSABLE_SHARE:.0%}",
        "status": "met" if share <= UNUSABLE_SHARE else "missed",
    }  # fmt: skip


def _of_dataset(dataset: Dataset) -> Iterator[Target]:
    order: dict[str, int] = {"refuse": 0, "warn": 1}
    faults = [
        check
        for check in dataset.checks
        if check["name"] not in OF_DATA and check["verdict"] != "pass"
    ]
    faults.sort(key=lambda check: order[check["verdict"]])
    chosen = [check for check in dataset.checks if check["name"] in OF_DATA]
    for check in [*chosen, *faults[:FAULTS_SHOWN]]:
        title, form = OF_DATA.get(
            check["name"],
            (check["name"].replace("_", " ").replace(":", ": ").capitalize(), "number"),
        )
        where = f"Dataset {dataset.version}, {dataset.origin}"
        yield _target(check, title, where, ("training.dataset", dataset.pk), form)


def _of_champion(champion: ModelVersion) -> Iterator[Target]:
    kind = get_kind(champion.kind)
    named = "" if champion.kind == DEFAULT_KIND else f"{kind.title}, "
    where = f"{named}version {champion.version}, live, {champion.trained_on.value}"
    about = ("training.modelversion", champion.pk)
    measured: Mapping[str, Any] = {
        **champion.metrics.get("validation", {}),
        **champion.comparisons,
    }
    metric = kind.figures.primary_metric
    gates: dict[str, CheckFields] = {gate["name"]: gate for gate in champion.gates}
    if "target_roc_auc" not in gates:
        known = measured.get(metric) or {}
        yield {
            "title": kind.figures.metric_titles[metric], "where": _capital(where), "about": about,
            "value": known.get("value"), "low": known.get("low"), "high": known.get("high"),
            "form": "number", "wanted": "", "status": "none set",
        }  # fmt: skip
    for name, (title, figure, form, more_is_better) in OF_MODEL.items():
        if name in gates:
            interval = (measured.get(figure) if figure else None) or {}
            yield _target(
                gates[name], title, _capital(where), about, form, interval, more_is_better
            )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _target(
    check: CheckFields,
    title: str,
    where: str,
    about: tuple[str, int | None],
    form: Form,
    interval: Mapping[str, Any] | None = None,
    more_is_better: bool = True,
) -> Target:
    """Make a line of a check; an interval decides where there is one, else the check's verdict."""
    low, high = (interval or {}).get("low"), (interval or {}).get("high")
    limit = check["limit"]
    status: Status = "met" if check["verdict"] == "pass" else "missed"
    if low is not None and high is not None and limit is not None:
        better, worse = (low > limit, high <= limit) if more_is_better else (
            high <= limit, low > limit
        )  # fmt: skip
        status = "met" if better else "missed" if worse else "not enough evidence"
    wanted = check["target"]
    if wanted.lower().startswith(title.lower()):
        wanted = wanted[len(title) :].strip()
    return {
        "title": title, "where": where, "about": about, "value": check["value"], "low": low,
        "high": high, "form": form, "wanted": wanted, "status": status,
    }  # fmt: skip
