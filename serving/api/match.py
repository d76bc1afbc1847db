"""Scores of pairs."""

from typing import Any

import orjson
import pandas as pd
from django.http import HttpRequest, HttpResponse
from ninja import Router

from matching.domain.words import MatchType
from project import clock
from project.problems import problem
from project.refusal import Refusal
from serving.api.access import Key
from serving.api.schemas import (
    ExplainAnswer,
    ExplainRequest,
    InlinePair,
    NamedPair,
    Problem,
    RankAnswer,
    RankRequest,
    ScoreAnswer,
    ScoreRequest,
    Traveller,
)
from serving.models import Scope
from serving.queries.keys import KnownKey
from serving.queries.standing import holder
from serving.services.score_log import Named, log
from training.queries.indexed import Standing, rank_now, score_each_now
from training.queries.lifting import lift
from training.queries.pairs import explain_match, matched_with_itself
from training.queries.scoring import Scores, UnusableFeatures, score_frame, score_vectors

router = Router(tags=["Matching"])

REFUSALS = dict.fromkeys((400, 401, 403, 413, 422, 429, 500, 503), Problem)


@router.post(
    "/score",
    auth=Key(Scope.SCORE),
    response={200: ScoreAnswer, **REFUSALS},
    summary="Score 1 to 1,000 pairs",
    operation_id="score_pairs",
)
def score(request: HttpRequest, asked: ScoreRequest) -> HttpResponse:
    """Score pairs by ids, by inline profiles and trips, or by ready features.

    The answers stand in the order asked. A pair that names nobody has a `problem` instead of a
    score, and stops none of the others. The live model answers; where there is none that can, the
    rule score does, and `warning` says why.
    """
    standing, match_type = holder.now(), asked.match_type or MatchType.USER_USER
    if asked.pairs is not None:
        return _answer(request, standing, *_by_ids(asked.pairs, standing))
    if asked.profiles is not None:
        scores = _by_profiles(asked.profiles, standing)
    else:
        try:
            scores = score_vectors(
                asked.features or [], match_type, asked.feature_set, standing.serving
            )
        except UnusableFeatures as error:
            return problem(422, str(error), remedy="/api/v1/docs shows what is expected.")
    return _answer(request, standing, scores, [*scores.as_rows()], match_type=match_type)


@router.post(
    "/rank",
    auth=Key(Scope.RANK),
    response={200: RankAnswer, 404: Problem, **REFUSALS},
    summary="Whom to show a user next",
    operation_id="rank_partners",
)
def rank(request: HttpRequest, asked: RankRequest) -> HttpResponse:
    """Rank who is live and passes the hard gates: destinations within 200 km, a shared day.

    Users with a complete profile, or groups with such a member; never the user, and no group of
    theirs.
    """
    standing = holder.now()
    try:
        ranking = rank_now(asked.left, asked.match_type, asked.count, standing)
    except Refusal as refusal:
        return problem(404, refusal.message, remedy=refusal.remedy)
    best: list[Any] = [
        {"right": name, **row}
        for name, row in zip(ranking.names, ranking.scores.as_rows(), strict=True)
    ]
    pairs = [(asked.left, name) for name in ranking.names]
    _log(request, ranking.scores, best, pairs, asked.match_type)
    body = {
        "warning": _warning(standing, ranking.scores),
        "available": ranking.available,
        "best": best,
    }
    return HttpResponse(orjson.dumps(body), content_type="application/json")


@router.post(
    "/explain",
    auth=Key(Scope.SCORE),
    response={200: ExplainAnswer, 404: Problem, **REFUSALS},
    summary="What a score comes from, and what would lift it",
    operation_id="explain_pair",
)
def explain(request: HttpRequest, asked: ExplainRequest) -> HttpResponse:
    """Explain the score of one pair.

    Each effect is exact: the score is computed again with that one feature replaced. They do not
    add up, because features work together. `lift` tells the smallest change of what `left` can
    change (dates by up to 30 days, the budget by half to twice, up to 3 interests of `right`)
    with which the score reaches the threshold, or that there is none.
    """
    if asked.left == asked.right:
        refusal = matched_with_itself(asked.left)
        return problem(422, refusal.message, remedy=refusal.remedy)
    standing = holder.now()
    try:
        explanation = explain_match(asked.left, asked.right, standing.serving)
    except Refusal as refusal:
        return problem(404, refusal.message, remedy=refusal.remedy)
    told = lift(
        *explanation.sides,
        explanation.scores.serving,
        explanation.match_type,
        asked.threshold,
        clock.today(),
    )
    body: dict[str, Any] = {
        **explanation.as_dict(),
        "warning": _warning(standing, explanation.scores),
        "lift": told,
    }
    _log(request, explanation.scores, [body], [(asked.left, asked.right)], None)
    return HttpResponse(orjson.dumps(body), content_type="application/json")


def _by_ids(pairs: list[NamedPair], standing: Standing) -> tuple[Scores, list[Any], list[Named]]:
    found = score_each_now([(pair.left, pair.right) for pair in pairs], standing)
    rows = iter(found.scores.as_rows())
    told: list[Any] = []
    for place in range(len(pairs)):
        refusal = found.refusals.get(place)
        if refusal is None:
            told.append(next(rows))
        else:
            why = {"detail": refusal.message, "remedy": refusal.remedy}
            told.append({"score": None, "problem": why})
    scored = [
        (pair.left, pair.right) for place, pair in enumerate(pairs) if place not in found.refusals
    ]
    return found.scores, told, scored


def _by_profiles(pairs: list[InlinePair], standing: Standing) -> Scores:
    left, right = (
        pd.DataFrame([_row(side) for side in sides], columns=list(Traveller.model_fields))
        for sides in ([pair.left for pair in pairs], [pair.right for pair in pairs])
    )
    return score_frame(left, right, MatchType.USER_USER, standing.serving)


def _row(traveller: Traveller) -> dict[str, Any]:
    """Return a traveller as a row of a travellers frame; empty lists and texts say nothing."""
    return {name: None if value in ([], "") else value for name, value in traveller}


def _answer(
    request: HttpRequest,
    standing: Standing,
    scores: Scores,
    rows: list[Any],
    pairs: list[Named] | None = None,
    match_type: MatchType | None = None,
) -> HttpResponse:
    _log(request, scores, rows, pairs, match_type)
    body = {"warning": _warning(standing, scores), "scores": rows}
    return HttpResponse(orjson.dumps(body), content_type="application/json")


def _warning(standing: Standing, scores: Scores) -> str:
    """What an answer has to say: why the rules serve, and how old what answers is."""
    return " ".join(part for part in (scores.serving.warning, standing.note) if part)


def _log(
    request: HttpRequest,
    scores: Scores,
    rows: list[Any],
    pairs: list[Named] | None,
    match_type: MatchType | None,
) -> None:
    key: KnownKey = request.auth  # type: ignore[attr-defined]
    log.remember(key.pk, scores, rows, pairs=pairs, match_type=match_type)
