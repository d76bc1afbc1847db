"""Which models there are, and which is live."""

from typing import Annotated, Any

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Path, Router

from project.problems import problem
from serving.api.access import Key
from serving.api.schemas import ModelFields, ModelList, Problem
from serving.models import Scope
from training.kinds import all_kinds, get_kind
from training.models import ModelVersion
from training.queries.models import list_models

router = Router(tags=["Models"])

REFUSALS = dict.fromkeys((400, 401, 403, 413, 429, 500, 503), Problem)


@router.get(
    "",
    auth=Key(Scope.READ),
    response={200: ModelList, **REFUSALS},
    summary="All model versions",
    operation_id="list_models",
)
def models(request: HttpRequest) -> HttpResponse:
    """List the versions of all kinds, the newest of each first."""
    return _answer({"models": [row for kind in all_kinds() for row in _rows(kind.name)]})


@router.get(
    "/{kind}/champion",
    auth=Key(Scope.READ),
    response={200: ModelFields, 404: Problem, 422: Problem, **REFUSALS},
    summary="The live model of a kind",
    operation_id="get_champion",
)
def champion(
    request: HttpRequest, kind: Annotated[str, Path(max_length=40, pattern="^[a-z_]+$")]
) -> HttpResponse:
    """Show what answers now; `problem` says why it cannot, where it cannot."""
    names = [one.name for one in all_kinds()]
    if kind not in names:
        return problem(404, f"There is no kind {kind}.", remedy=f"There are: {', '.join(names)}.")
    live = next((row for row in _rows(kind) if row["is_live"]), None)
    if live is None:
        return problem(
            404,
            f"No model of {kind} is live.",
            remedy="Somebody who may decide makes one live in the admin, or with `manage.py "
            f"models promote VERSION --kind {kind}`.",
        )
    return _answer(live)


def _rows(name: str) -> list[dict[str, Any]]:
    return [
        {
            "kind": name,
            "version": row["version"],
            "stage": row["stage"],
            "is_live": row["stage"] == ModelVersion.Stage.CHAMPION,
            "algorithm": row["algorithm"],
            "trained_on": row["origin"],
            "dataset": row["dataset"],
            "metric": row["metric"],
            "value": row["value"]
            and {part: row["value"].get(part) for part in ("value", "low", "high")},
            "made_at": row["created_at"].isoformat(),
            "problem": row["problem"],
        }
        for row in list_models(get_kind(name))
    ]


def _answer(body: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(body), content_type="application/json")
