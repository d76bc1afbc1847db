"""What training adds to the page of a person: with whom the live model would match them."""

from typing import Any, Final

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from matching.domain.words import MatchType
from matching.models import SeedUser
from matching.queries.travellers import names_near
from project import words
from project.pages.links import record_url
from project.pages.registry import record_panel
from training.queries.pairs import rank_partners

RANKED_AT_MOST: Final = 1_000  # live ones about there; more are not scored by the way
SHOWN: Final = 3


@record_panel(
    "matching.seeduser",
    template="training/person_scores.html",
    permission="training.view_modelversion",
    order=40,
)
def scores_card(request: HttpRequest, user: SeedUser) -> dict[str, Any]:
    """Name the best partners among the live ones, and lead to all of them."""
    asked = urlencode({"tab": "best", "left": str(user.pk)})
    card: dict[str, Any] = {"scores_url": f"{reverse('admin:training_scores')}?{asked}"}
    near = names_near(user.external_id, MatchType.USER_USER)
    if len(near) > RANKED_AT_MOST:
        return card
    ranking = rank_partners(user.external_id, MatchType.USER_USER, SHOWN, near)
    known = SeedUser.objects.in_bulk(ranking.names, field_name="external_id")
    best = [
        (known[name].title, record_url(known[name]), words.number(float(score)))
        for name, score in zip(ranking.names, ranking.scores.score, strict=True)
    ]
    serving = ranking.scores.serving
    by = "the rule score" if serving.model is None else f"model {serving.model_version}"
    return {**card, "best": best, "available": ranking.available, "by": by}
