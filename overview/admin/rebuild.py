"""The page that starts the rebuild."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from matching.domain.words import MATCH_TYPES_ASKED, Preset
from project.jobs.links import message_job
from project.jobs.services import enqueue
from project.pages.registry import page
from project.pages.start import start_page
from training.models import ModelVersion


class RebuildForm(forms.Form):
    """What the rebuild generates."""

    count = forms.IntegerField(initial=1000, min_value=1, max_value=10_000_000)
    match_type = forms.ChoiceField(
        choices=[(word, f"{word}: {meaning}") for word, meaning in MATCH_TYPES_ASKED.items()]
    )
    preset = forms.ChoiceField(choices=[(word.value, word.value) for word in Preset])
    seed = forms.IntegerField(initial=7, min_value=0, max_value=2**32 - 1)


@page(
    "Rebuild",
    route="training/modelversion/rebuild/",
    name="training_modelversion_rebuild",
    permission="training.rebuild_model",
    start_of="training.modelversion",
)
def rebuild_page(request: HttpRequest) -> HttpResponse:
    """Ask what to generate and start the whole rebuild."""
    return start_page(
        request,
        form_class=RebuildForm,
        start=_start,
        then=reverse("admin:training_modelversion_changelist"),
        context={
            **admin.site.each_context(request),
            "opts": ModelVersion._meta,
            "title": "Rebuild the matching model",
            "intro": "Checks profiles and sessions, generates events, builds and analyses a "
            "dataset, "
            "trains, holds the model to its gates, promotes it and scores 20 pairs. It stops at "
            "the first refusal and says what to do.",
        },
    )


def _start(request: HttpRequest, form: RebuildForm) -> bool:
    message_job(request, enqueue("training.rebuild", by=request.user, **form.cleaned_data))
    return True
