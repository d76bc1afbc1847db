"""What people say when they start a step."""

from typing import Any

from django import forms

from matching.models import EventBatch
from project.origin import Origin
from training.kinds import DEFAULT_KIND, all_kinds


def kind_choices() -> list[tuple[str, str]]:
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
    origin = forms.ChoiceField(
        choices=[
            ("", "that of the rows"),
            *((one.value, one.value.capitalize()) for one in Origin),
        ],
        required=False,
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

    def clean(self) -> dict[str, Any]:
        """A split has to be one of the kind's."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        kinds = {kind.name: kind for kind in all_kinds()}
        kind = kinds.get(cleaned.get("model_kind", ""))
        if kind and cleaned.get("split") and cleaned["split"] not in kind.splits:
            self.add_error("split", f"{kind.title} is split by {', '.join(kind.splits)}.")
        return cleaned

    def arguments(self) -> dict[str, Any]:
        """Return the job's arguments."""
        cleaned = dict(self.cleaned_data)
        cleaned["batches"] = sorted(batch.pk for batch in cleaned["batches"])
        return cleaned


def split_choices() -> list[tuple[str, str]]:
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
