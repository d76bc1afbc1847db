"""What people say when they start a step."""

from django import forms


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
