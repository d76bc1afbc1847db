"""The drawing of where a record comes from and what came of it, with the way to make it anew."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from matching.models import EventBatch
from project.pages.links import list_url_for, url_for
from project.pages.registry import record_panel
from training.models import Dataset, ModelVersion
from training.queries.lineage import Lineage, Node, lineage_of

TEMPLATE = "components/lineage.html"


def draw_lineage(
    request: HttpRequest, record: EventBatch | Dataset | ModelVersion
) -> dict[str, Any]:
    """Return what the drawing shows to this person: links to what they may see."""
    found = lineage_of(record)
    return {
        "stages": [
            {
                "title": stage.title,
                "more": stage.more,
                "nodes": [{**asdict(node), "url": _url(request, node)} for node in stage.nodes],
            }
            for stage in found.stages
        ],
        "has_changed": found.has_changed,
        "ways": list(_ways(request, found)),
    }


@record_panel(
    "matching.eventbatch", template=TEMPLATE, permission="training.view_dataset", order=50
)
def lineage_card(request: HttpRequest, batch: EventBatch) -> dict[str, Any]:
    """Draw what came of a batch, on its page."""
    return {"drawing": draw_lineage(request, batch)}


def _url(request: HttpRequest, node: Node) -> str:
    if node.is_current:
        return ""
    if node.pk is None:
        return list_url_for(request, node.model, "")
    return url_for(request, node.model, node.pk)


def _ways(request: HttpRequest, found: Lineage) -> Iterator[dict[str, str]]:
    """Yield what makes it anew, for who may do that."""
    if found.outdated is not None and request.user.has_perm("training.build_dataset"):
        url = reverse("admin:training_dataset_build")
        if found.is_gone:
            yield {"url": url, "label": "Build a dataset …"}
        else:
            like = f"{url}?like={found.outdated.pk}"
            yield {"url": like, "label": f"Build dataset {found.outdated.version} anew …"}
    if found.are_people_changed and request.user.has_perm("training.rebuild_model"):
        yield {"url": reverse("admin:training_modelversion_rebuild"), "label": "Rebuild …"}
