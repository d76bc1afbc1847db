"""Buttons that lead on from the front page: each only for who may press it where it leads."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True)
class Way:
    """A button: its words and address; `is_post` starts what it says at once."""

    label: str
    url: str
    is_post: bool = False


@dataclass(frozen=True)
class Offer:
    """A way for who meets all of its rules; a rule is a permission, or `a | b` for any of them."""

    label: str
    name: str
    rules: tuple[str, ...]
    args: tuple[Any, ...] = ()
    query: str = ""
    is_post: bool = False


def may(request: HttpRequest, *rules: str) -> bool:
    """Whether this person meets every rule."""
    return all(any(request.user.has_perm(one.strip()) for one in rule.split("|")) for rule in rules)


def sees(label: str) -> str:
    """Return the rule of who may look at records of `app_label.model_name`."""
    app, _, model = label.partition(".")
    return f"{app}.view_{model} | {app}.change_{model}"


def first_way(request: HttpRequest, *offers: Offer | None) -> Way | None:
    """Return the first way that this person may go; None where there is none."""
    for offer in offers:
        if offer is not None and may(request, *offer.rules):
            url = reverse(f"admin:{offer.name}", args=offer.args) + offer.query
            return Way(offer.label, url, offer.is_post)
    return None


def to_list(words: str, label: str, query: str = "", *more: str) -> Offer:
    """Offer the list of a model's records, filtered; `more` are further rules."""
    app, _, model = label.partition(".")
    return Offer(words, f"{app}_{model}_changelist", (sees(label), *more), query=query)


def to_record(words: str, label: str, pk: Any) -> Offer:
    """Offer the page of one record."""
    app, _, model = label.partition(".")
    return Offer(words, f"{app}_{model}_change", (sees(label),), (pk,))


SEED = Offer("Make people", "matching_seeduser_seed", ("matching.add_seeduser",))
PLAN = Offer("Create trips", "matching_travelsession_create", ("matching.add_travelsession",))
GENERATE = Offer("Generate events", "matching_eventbatch_generate", ("matching.generate_events",))
IMPORT_LOG = Offer("Import a log", "matching_eventbatch_upload", ("matching.import_events",))
IMPORT_FEEDBACK = Offer("Import a file", "feedback_import", ("feedback.import_feedback",))
BUILD = Offer("Build a dataset", "training_dataset_build", ("training.build_dataset",))
REBUILD = Offer("Rebuild everything", "training_modelversion_rebuild", ("training.rebuild_model",))


def to_train(words: str, dataset: int) -> Offer:
    """Offer to train on a dataset; its page asks first."""
    rules = (sees("training.dataset"), "training.train_model")
    return Offer(words, "training_dataset_train", rules, (dataset,))


def to_retrain(model: int) -> Offer:
    """Offer to train a model again on its own rows; its page asks first."""
    rules = (sees("training.modelversion"), "training.train_model")
    name = "training_modelversion_retrain"
    return Offer("Train it again …", name, rules, (model,))


def to_decide(words: str, model: int) -> Offer:
    """Offer the page on which somebody decides whether a model goes live."""
    rules = (sees("training.modelversion"), "training.promote_model")
    return Offer(words, "training_modelversion_promote", rules, (model,))
