"""The rebuild: from profiles to a champion whose scores vary, as one job."""

from typing import Any

from matching.jobs.arguments import CreateSessions, GenerateEvents
from matching.jobs.generation import generate
from matching.jobs.people import create_sessions
from matching.queries.people import check_profiles
from matching.queries.session_checks import check_sessions
from overview.jobs.arguments import PROMOTE_PERMISSION, RebuildModel
from project import words
from project.jobs.contract import Run
from project.refusal import Refusal
from project.storage.artifacts import require_own_folder
from serving.domain.spread import spread_of
from training.domain.kind import Recipe
from training.jobs.datasets import BUILD_STAGE, build
from training.jobs.models import TRAIN_STAGES, require_trainable, train
from training.kinds import DEFAULT_KIND, get_kind
from training.models import ModelVersion
from training.queries.datasets import describe_dataset
from training.queries.models import describe_model
from training.queries.pairs import sample_scores
from training.services import registry

BEFORE = ("Check profiles", "Check sessions", "Generate events")
AFTER = ("Promote", "Verify")
SAMPLE = 20  # pairs that are scored at the end
EXAMPLES = 10  # incomplete profiles named in the log


def rebuild(run: Run, asked: RebuildModel) -> dict[str, Any]:
    """Check, generate, build, analyse, train, gate, promote and verify; stops at the first refusal.

    It ends with a candidate where promoting was not asked for, or where who asked may not.

    Incomplete profiles do not stop it: generation leaves those users out and names them. A run
    that died goes on after its last finished step.
    """
    require_own_folder()  # a second database would also write over the live copies of the first
    kind = get_kind(DEFAULT_KIND)
    run.plan(
        *BEFORE,
        BUILD_STAGE,
        "Analyse the dataset",
        *TRAIN_STAGES,
        *(AFTER if asked.promote else ()),
    )
    with run.stage("Check profiles"):
        profiles = run.once("rebuild.profiles", _check_profiles)
        for profile in profiles["incomplete_users"]:
            run.log(
                f"{profile['external_id']} lacks {', '.join(profile['missing'])} and is left out.",
                "warning",
            )
    with run.stage("Check sessions"):
        sessions = _check_sessions(run)
    with run.stage("Generate events"):
        events = generate(
            run,
            GenerateEvents(
                count=asked.count,
                match_type=asked.match_type,
                preset=asked.preset,
                seed=asked.seed,
            ),
        )
    dataset = build(run, kind, Recipe(batches=(events["batch"],), seed=asked.seed))
    with run.stage("Analyse the dataset"):
        require_trainable(dataset, None)
    model = train(run, dataset, seed=asked.seed)
    promotion, verified = None, []
    if _may_go_live(run, asked, model):
        with run.stage("Promote"):
            promotion = run.once("rebuild.promote", lambda: _promote(run, model))
        with run.stage("Verify"):
            verified = _verify(model)
    return {
        "profiles": profiles,
        "sessions": sessions,
        "events": events,
        "dataset": {**describe_dataset(dataset)},
        "model": {**describe_model(ModelVersion.objects.get(pk=model.pk))},
        "promotion": promotion,
        "scores": verified,
    }


def _may_go_live(run: Run, asked: RebuildModel, model: ModelVersion) -> bool:
    if asked.promote and not run.by.may(PROMOTE_PERMISSION):
        run.log(
            f"{run.by} may not promote models, so {model} waits as a candidate for somebody who "
            "may.",
            "warning",
        )
        return False
    return asked.promote


def _check_profiles() -> dict[str, Any]:
    report = check_profiles()
    if not report["complete"]:
        raise Refusal(
            f"{report['users']} seed users, {report['complete']} of them complete; a match needs "
            "two complete ones.",
            remedy=report["remedy"] or "Run `manage.py seed_users`.",
        )
    lacking = [row for row in report["profiles"] if row["missing"]]
    return {
        "users": report["users"],
        "complete": report["complete"],
        "incomplete": report["incomplete"],
        "incomplete_users": lacking[:EXAMPLES],
    }


def _check_sessions(run: Run) -> dict[str, Any]:
    report = check_sessions()
    created = None
    # A resumed run goes on with what it had begun to create.
    if report["live"] < report["minimum"] or run.result_of("create_sessions.plan") is not None:
        created = create_sessions(run, CreateSessions())
        report = check_sessions()
    if report["verdict"] == "refuse":
        raise Refusal(
            f"The sessions are not in order: {report['live']} are live, {report['repairable']} "
            "need repair.",
            remedy=report["remedy"],
            details={"checks": report["checks"]},
        )
    return {"live": report["live"], "created": 0 if created is None else created["created"]}


def _promote(run: Run, model: ModelVersion) -> dict[str, Any]:
    promotion = registry.promote(model, by=run.user, reason=f"rebuild, job {str(run.job_id)[:8]}")
    return {
        "version": model.version,
        "previous": promotion.previous_version,
        "gates": promotion.gates,
    }


def _verify(model: ModelVersion) -> list[dict[str, Any]]:
    """Score pairs as production would, through the champion's verified files."""
    scores, pairs = sample_scores(SAMPLE)
    if scores.serving.model_version != model.version:
        raise Refusal(
            f"Version {model.version} was promoted, but {scores.serving.served_by} "
            f"{scores.serving.model_version or ''} serves. {scores.serving.warning}",
            remedy="Look at `manage.py models list`; return with `manage.py models rollback "
            "--reason REASON`.",
        )
    rows = [
        {"left": left, "right": right, **row}
        for (left, right), row in zip(pairs, scores.as_rows(), strict=True)
    ]
    spread = spread_of(scores.score.tolist())
    if not spread.is_enough:
        raise Refusal(
            f"{words.tally(len(rows), 'pair')} got only {spread.different} different scores.",
            remedy="Return with `manage.py models rollback --reason REASON`, and look at the "
            "features of `manage.py explain_match`.",
        )
    return rows
