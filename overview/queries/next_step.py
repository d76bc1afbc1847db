"""The one thing to do next on the way to a trusted matching model, computed from what there is."""

from typing import Final, Literal, TypedDict

from overview.queries.pipeline import Pipeline, read_pipeline
from training.models import Dataset, ModelVersion, Verdict
from training.queries.files import build_command, file_problem, retrain_command
from training.queries.models import promote_command, suspects_of
from training.queries.serviceable import is_out_of_reach, why_not_serving

StepName = Literal[
    "adopt_folder",
    "seed",
    "complete",
    "trips",
    "events",
    "build",
    "see_dataset",
    "train",
    "promote",
    "confirm",
    "see_model",
    "nothing",
]

# The kinds of jobs that do a step: while one of them is under way, nobody has to do it again.
DONE_BY: Final[dict[StepName, tuple[str, ...]]] = {
    "seed": ("matching.seed_users", "matching.import_users"),
    "complete": ("matching.complete_users",),
    "trips": ("matching.create_sessions", "overview.rebuild_model"),
    "events": ("matching.generate_events", "matching.import_events", "overview.rebuild_model"),
    "build": ("training.build_dataset", "overview.rebuild_model"),
    "train": ("training.train_model", "overview.rebuild_model"),
}


class Step(TypedDict):
    """What to do next, the command that does it, and the records that it is about, by key."""

    name: StepName
    text: str
    command: str
    dataset: int | None
    model: int | None


def next_step() -> Step:
    """Return the one thing to do now."""
    return step_of(read_pipeline())


def step_of(pipeline: Pipeline) -> Step:
    """Return the one thing to do now, of a pipeline that was read."""
    if pipeline.folder_problem is not None:
        text = "Nothing can be written: see whose folder of artefacts it is."
        return _step("adopt_folder", text, "adopt_folder")
    if pipeline.champion is not None and pipeline.problem and pipeline.model is not None:
        return _replace(pipeline.champion, pipeline.model, pipeline.words)
    return _ground(pipeline) or _dataset(pipeline) or _model(pipeline) or _idle(pipeline)


def _ground(pipeline: Pipeline) -> Step | None:
    """People, trips and events: without them there is nothing to learn from."""
    if not pipeline.people.total:
        return _step("seed", "Make seed users.", "seed_users")
    if not pipeline.people.complete:
        # It says who lacks what, and how that is mended: of real people nothing is drawn.
        return _step("complete", "Complete the profiles.", "check_profiles")
    if not pipeline.trips.live:
        return _step("trips", "Create sessions.", "create_sessions")
    if pipeline.events.newest is None:
        return _step("events", "Generate or import match events.", "generate_events")
    return None


def _dataset(pipeline: Pipeline) -> Step | None:
    dataset = pipeline.dataset
    if dataset is None and pipeline.events.why_no_dataset:
        return _more_events(pipeline)
    if dataset is None:
        return _step("build", "Build a dataset.", "build_dataset")
    # Where the newest batch gives none, what there is goes on; more events are the last thing.
    if pipeline.is_behind and not pipeline.events.why_no_dataset:
        text = f"Build a dataset: batch {pipeline.events.newest} is newer than the newest one."
        return _step("build", text, "build_dataset")
    if dataset.verdict == Verdict.REFUSE:
        text = f"Dataset {dataset.version} is refused; see why and mend the data."
        return _step("see_dataset", text, f"analyze_dataset {dataset.version}", dataset=dataset)
    if pipeline.stale:
        text = f"Build dataset {dataset.version} again: events of its batches were changed since."
        return _step("build", text, build_command(dataset), dataset=dataset)
    # A dataset that any model learnt from was trained on, whichever model is newest or live.
    if not pipeline.is_trained:
        if file_problem(dataset) is not None:
            text = f"Build dataset {dataset.version} again: its files cannot be read."
            return _step("build", text, build_command(dataset), dataset=dataset)
        text = f"Train on dataset {dataset.version}."
        return _step("train", text, "train_model", dataset=dataset)
    return None


def _more_events(pipeline: Pipeline) -> Step:
    """What helps where the newest batch gives no dataset: not the build that would say so again."""
    text = f"Import or generate more events: {pipeline.events.why_no_dataset}."
    return _step("events", text.replace("..", "."), "generate_events")


def _model(pipeline: Pipeline) -> Step | None:
    """A candidate that is newer than the champion waits; one that was live and came back does
    not."""
    model, champion = pipeline.model, pipeline.champion
    if model is not None and (
        champion is None
        or (champion.version < model.version and model.stage == ModelVersion.Stage.CANDIDATE)
    ):
        if model.verdict != Verdict.REFUSE:
            return _promote(model, champion, pipeline.words)
        if champion is None:
            return _look_at(model)
    return None


def _idle(pipeline: Pipeline) -> Step:
    if pipeline.is_behind and pipeline.events.why_no_dataset:
        return _more_events(pipeline)
    text = "Nothing waits: the champion serves."
    return _step("nothing", text, "predict --sample 20", model=pipeline.champion)


def _replace(champion: ModelVersion, newest: ModelVersion, words: int) -> Step:
    """Return the step to a champion that serves: promote what is there already, or make another."""
    if is_out_of_reach(champion):
        text = f"See to the store: the files of champion {champion.version} are out of reach."
        return _step("see_model", text, "status", model=champion)
    if newest.version > champion.version and not why_not_serving(newest, words):
        if newest.verdict == Verdict.REFUSE:
            return _look_at(newest)
        return _promote(newest, champion, words)
    command = retrain_command(champion)
    is_trained_again = command.startswith("train_model")
    how = "train it" if is_trained_again else "build its dataset"
    text = f"The rules serve, because champion {champion.version} cannot: {how} again."
    return _step("train" if is_trained_again else "build", text, command, dataset=champion.dataset)


def _promote(model: ModelVersion, champion: ModelVersion | None, words: int) -> Step:
    if why_not_serving(model, words):
        text = f"Model {model.version} cannot serve: train it again."
        command = retrain_command(model)
        name: StepName = "train" if command.startswith("train_model") else "build"
        return _step(name, text, command, dataset=model.dataset)
    if suspects := suspects_of(model):
        text = f"Confirm {', '.join(suspects)} of model {model.version}, or train without."
        return _step("confirm", text, f"models show {model.version}", model=model)
    text = f"Promote model {model.version}."
    command = promote_command(model.kind, model.version, is_replacing=champion is not None)
    return _step("promote", text, command, model=model)


def _look_at(model: ModelVersion) -> Step:
    text = f"Model {model.version} is refused by its gates; see why."
    return _step("see_model", text, f"models show {model.version}", model=model)


def _step(
    name: StepName,
    text: str,
    command: str,
    *,
    dataset: Dataset | None = None,
    model: ModelVersion | None = None,
) -> Step:
    return {
        "name": name,
        "text": text,
        "command": command,
        "dataset": None if dataset is None else dataset.pk,
        "model": None if model is None else model.pk,
    }
