"""What people say when they start a step, and the record pages that nobody edits."""

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.template.loader import render_to_string
from django.utils.html import format_html

from matching.models import EventBatch, Preset
from matching.services.generation import MATCH_TYPES_ASKED
from training.kinds import DEFAULT_KIND, all_kinds
from training.models import Dataset


class WrittenOnce(admin.ModelAdmin):
    """A list and pages of records that are made by jobs and never edited."""

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False

    def require(self, request, permission):
        """Let nobody through without this permission."""
        if not request.user.has_perm(permission):
            raise PermissionDenied

    def get_or_denied(self, request, object_id):
        """Return a record that this person may see."""
        record = self.get_object(request, object_id)
        if record is None or not self.has_view_permission(request, record):
            raise PermissionDenied
        return record


def badge(word):
    """Show a verdict, a stage or a source as a badge."""
    return render_to_string("jobs/badge.html", {"word": word})


def figure(metric, digits=3):
    """Show a figure with its interval."""
    if not metric or metric.get("value") is None:
        return "-"
    value = f"{metric['value']:.{digits}f}"
    if metric.get("low") is None:
        return value
    interval = f"{metric['low']:.{digits}f} to {metric['high']:.{digits}f}"
    return format_html('{} <span class="sb-quiet">{}</span>', value, interval)


def kind_choices():
    """Every model kind there is."""
    return [(kind.name, kind.title) for kind in all_kinds()]


class BuildForm(forms.Form):
    """The recipe of a dataset."""

    model_kind = forms.ChoiceField(label="Kind", choices=kind_choices, initial=DEFAULT_KIND)
    batches = forms.ModelMultipleChoiceField(
        EventBatch.objects.complete().defer("population"),
        required=False,
        help_text="For match compatibility; without any, the newest complete one is taken.",
    )
    source = forms.ChoiceField(
        choices=[("", "that of the rows"), *Dataset.Source.choices], required=False
    )
    feature_set = forms.ChoiceField(
        choices=[("", "that of the rows"), ("smooth-1", "smooth-1"), ("tiered-1", "tiered-1")],
        required=False,
    )
    split = forms.ChoiceField(
        choices=lambda: [("", "that of the kind"), *split_choices()], required=False
    )
    train_share = forms.FloatField(initial=0.8, min_value=0.05, max_value=0.95)
    seed = forms.IntegerField(initial=0, min_value=0, max_value=2**32 - 1)

    def clean(self):
        """A split has to be one of the kind's."""
        cleaned = super().clean()
        kinds = {kind.name: kind for kind in all_kinds()}
        kind = kinds.get(cleaned.get("model_kind"))
        if kind and cleaned.get("split") and cleaned["split"] not in kind.splits:
            self.add_error("split", f"{kind.title} is split by {', '.join(kind.splits)}.")
        return cleaned

    def arguments(self):
        """Return the job's arguments."""
        cleaned = dict(self.cleaned_data)
        cleaned["batches"] = sorted(batch.pk for batch in cleaned["batches"])
        return cleaned


def split_choices():
    """Every split that any kind has."""
    names = dict.fromkeys(name for kind in all_kinds() for name in kind.splits)
    return [(name, name) for name in names]


class TrainForm(forms.Form):
    """How to train on a dataset."""

    seed = forms.IntegerField(initial=0, min_value=0, max_value=2**32 - 1)
    override_reason = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Only for a refused dataset; kept with the model for ever.",
    )


class DecideForm(forms.Form):
    """Why a model goes live, or goes back."""

    reason = forms.CharField(required=False, help_text="Kept with the promotion.")


class PromoteForm(DecideForm):
    """With a reason to set a refusal aside."""

    override_reason = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Only where a gate refuses; kept for ever.",
    )


class RebuildForm(forms.Form):
    """What the rebuild generates."""

    count = forms.IntegerField(initial=1000, min_value=1, max_value=10_000_000)
    match_type = forms.ChoiceField(choices=[(name, name) for name in MATCH_TYPES_ASKED])
    preset = forms.ChoiceField(choices=[(name, name) for name in Preset.labels])
    seed = forms.IntegerField(initial=7, min_value=0, max_value=2**32 - 1)
