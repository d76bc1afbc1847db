"""The page that starts the rebuild."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from project.jobs.starts import start_kind
from project.pages.registry import page
from training.models import ModelVersion


@page(
    "Rebuild",
    route="training/modelversion/rebuild/",
    name="training_modelversion_rebuild",
    permission="training.rebuild_model",
    start_of=("training.modelversion", "matching.seeduser"),
)
def rebuild_page(request: HttpRequest) -> HttpResponse:
    """Ask what to generate and start the whole rebuild."""
    return start_kind(
        request,
        "overview.rebuild_model",
        then=reverse("admin:index"),  # which shows how far it is, and what became of it
        context={
            **admin.site.each_context(request),
            "opts": ModelVersion._meta,
            "intro": "Checks profiles and sessions, generates events, builds and analyses a "
            "dataset, trains, holds the model to its gates, and where that is asked promotes it "
            "and scores 20 pairs. It stops at the first refusal and says what to do.",
        },
    )
