"""What the jobs of training are asked."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from matching.domain.words import FeatureSet
from project.exporting.arguments import ExportArguments
from project.jobs.contract import Arguments
from project.jobs.questions import LIST_LENGTH, Ask, RecordId, Seed, Text, Word
from project.origin import Origin
from training.kinds import DEFAULT_KIND, all_kinds, get_kind

OFFERED_BATCHES: Final = 200  # the newest ones, in a form


def _kinds() -> dict[str, str]:
    return {kind.name: kind.title for kind in all_kinds()}


def _splits() -> dict[str, str]:
    names = {name: name for kind in all_kinds() for name in kind.splits}
    return {"": "the first of the kind", **names}


def _inputs() -> Iterable[tuple[str, str]]:
    return [(name, f"{name} ({kind.name})") for kind in all_kinds() for name in kind.features]


def _batches() -> Iterable[tuple[str, str]]:
    from matching.models import EventBatch

    newest = EventBatch.objects.complete().defer("population").order_by("-pk")[:OFFERED_BATCHES]
    return [(str(batch.pk), str(batch)) for batch in newest]


def _require_kind(name: str) -> str:
    if name not in _kinds():
        raise ValueError("no such kind")
    return name


AskedKind = Annotated[
    Word,
    AfterValidator(_require_kind),
    Field(description="Kind of model."),
    Ask(option="--kind", label="Kind", choices=_kinds),
]


class BuildDataset(Arguments):
    """The recipe of a dataset."""

    model_kind: AskedKind = DEFAULT_KIND
    batches: Annotated[
        list[RecordId],
        Field(
            max_length=1000,
            description="Of a kind made of events: these batches; without any, the newest complete "
            "one.",
        ),
        Ask(
            option="--batch", records="matching.eventbatch", record="a batch", suggestions=_batches
        ),
    ] = []
    origin: Annotated[
        Origin | Literal[""],
        Field(description="Whose rows to take; batches that are named tell it themselves."),
        Ask(meanings={"": "that of the rows"}),
    ] = ""
    feature_set: Annotated[
        FeatureSet | Literal[""],
        Field(description="Formulas of the features."),
        Ask(meanings={"": "that of the rows"}),
    ] = ""
    outcomes: Annotated[
        Literal["", "each", "last", "best"],
        Field(
            description="Of a kind made of events: which answers of one pair count when it has "
            "several."
        ),
        Ask(
            meanings={
                "": "each",
                "each": "every one",
                "last": "the latest",
                "best": "the latest that was taken up, else the latest",
            }
        ),
    ] = ""
    without: Annotated[
        list[Word],
        Field(
            max_length=LIST_LENGTH,
            description="Inputs to leave out of gates and model, with the products made of them.",
        ),
        Ask(suggestions=_inputs),
    ] = []
    split: Annotated[
        Word,
        Field(description="By what validation rows are held out, as the kind allows."),
        Ask(choices=_splits),
    ] = ""
    train_share: Annotated[
        float, Field(ge=0.05, le=0.95, description="Share of the rows for training.")
    ] = 0.8
    seed: Seed = 0

    @model_validator(mode="after")
    def _require_split_of_kind(self) -> Self:
        splits = get_kind(self.model_kind).splits
        if self.split and self.split not in splits:
            raise ValueError(
                f"split: {get_kind(self.model_kind).title} is split by {', '.join(splits)}; got "
                f"{self.split!r}"
            )
        return self

    @model_validator(mode="after")
    def _require_inputs_of_kind(self) -> Self:
        kind = get_kind(self.model_kind)
        strange = [name for name in self.without if name not in kind.features]
        if strange:
            raise ValueError(
                f"without: {', '.join(strange)} is no input of {kind.name}; these are: "
                f"{', '.join(kind.features)}"
            )
        return self


class TrainModel(Arguments):
    """What a model is trained on."""

    model_kind: AskedKind = DEFAULT_KIND
    dataset: Annotated[
        int | None,
        Field(ge=1, le=2**31 - 1, description="Version of the dataset; without one, the newest."),
        Ask(label="Dataset version"),
    ] = None
    seed: Seed = 0
    override_reason: Annotated[
        Text,
        Field(
            description="Train in spite of a refused dataset; the reason is kept with the model "
            "for ever."
        ),
        Ask(permission="training.override_refusal", is_override=True, is_long=True),
    ] = ""


class ExportDataset(ExportArguments):
    """One part of a dataset."""

    model_kind: AskedKind = DEFAULT_KIND
    dataset: Annotated[
        int | None,
        Field(ge=1, le=2**31 - 1, description="Version of the dataset; without one, the newest."),
        Ask(label="Dataset version"),
    ] = None
    part: Annotated[
        Literal["train", "validation"],
        Field(description="Rows that models are trained on, or those that they are measured on."),
    ] = "train"
