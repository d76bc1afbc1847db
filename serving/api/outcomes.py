"""What came of pairs that were scored."""

import orjson
from django.http import HttpRequest, HttpResponse
from ninja import Router

from project import clock
from serving.api.access import Key
from serving.api.schemas import OutcomesAnswer, OutcomesRequest, Problem
from serving.models import Scope
from serving.services.outcomes import Told, count_taken, record_outcomes

router = Router(tags=["Matching"])

REFUSALS = dict.fromkeys((400, 401, 403, 413, 422, 429, 500, 503), Problem)


@router.post(
    "",
    auth=Key(Scope.INGEST),
    response={200: OutcomesAnswer, **REFUSALS},
    summary="Tell what came of 1 to 1,000 scored pairs",
    operation_id="record_outcomes",
)
def outcomes(request: HttpRequest, asked: OutcomesRequest) -> HttpResponse:
    """Tell what people did, by the response ids of the answers, as late as you like.

    Each pair has one outcome: the same again is known, another one takes its place. A pair that was
    not kept, because more were scored than are kept in a second, is unknown, which is no fault.
    """
    now = clock.now()
    taken = record_outcomes(
        [Told(one.response_id, one.outcome, one.at or now) for one in asked.outcomes]
    )
    body = {**count_taken(taken), "outcomes": [word.value for word in taken]}
    return HttpResponse(orjson.dumps(body), content_type="application/json")
