"""Forms of profiles and sessions: words with autocomplete, refusals in words."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join

from matching.domain.lexicon.folding import FIELD_KINDS, KNOWN
from matching.domain.limits import DEFAULT_TTL_DAYS
from matching.domain.profiles import clean_profile
from matching.domain.words import GENDERS, PROFESSIONS
from matching.models import PROFILE_FIELDS, SeedUser, TravelGroup, TravelSession
from matching.queries.identity import present_name
from project import clock
from project.pages.forms import RecordForm


class WordSelect(forms.SelectMultiple):
    """Known words by autocomplete, with the select2 that Django's admin brings along.

    A word that is typed and not known is sent as well: it is kept, and named as unknown.
    """

    class Media:
        css = {"screen": ["admin/css/vendor/select2/select2.css", "admin/css/autocomplete.css"]}
        js = [
            "admin/js/vendor/jquery/jquery.js",
            "admin/js/vendor/select2/select2.full.js",
            "admin/js/jquery.init.js",
            "seedbed/words.js",
        ]

    def build_attrs(self, base_attrs: Any, extra_attrs: Any = None) -> dict[str, Any]:
        attrs = super().build_attrs(base_attrs, extra_attrs)
        attrs["class"] = "sb-words"
        attrs["data-theme"] = "admin-autocomplete"
        attrs["data-placeholder"] = "Type to search"
        return attrs

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> list[Any]:
        known = {choice for choice, _ in self.choices}
        further = [(word, word) for word in value if word not in known]
        original, self.choices = self.choices, [*self.choices, *further]
        try:
            return super().optgroups(name, value, attrs)
        finally:
            self.choices = original


class WordsField(forms.MultipleChoiceField):
    """A list of words; what they mean is for `clean_profile` to say."""

    def __init__(self, words: Sequence[str], **options: Any) -> None:
        super().__init__(
            choices=[(word, word) for word in sorted(words)],
            widget=WordSelect,
            required=False,
            **options,
        )

    def valid_value(self, value: Any) -> bool:
        return True


class SuggestInput(forms.TextInput):
    """Free text with suggestions of the browser."""

    def __init__(self, suggestions: Sequence[str]) -> None:
        super().__init__()
        self.suggestions = suggestions

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> Any:
        listed = f"suggestions-{name}"
        field = super().render(name, value, {**(attrs or {}), "list": listed}, renderer)
        options = format_html_join(
            "", '<option value="{}">', ((word,) for word in self.suggestions)
        )
        return format_html('{}<datalist id="{}">{}</datalist>', field, listed, options)


class OneWordSelect(forms.Select):
    """The known words of a kind, and the word that the record has where it is none of them."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__(
            choices=[("", "---------"), *((word, word.capitalize()) for word in words)]
        )

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> list[Any]:
        known = {choice for choice, _ in self.choices}
        further = [(word, f"{word} (not known)") for word in value if word not in known]
        original, self.choices = self.choices, [*self.choices, *further]
        try:
            return super().optgroups(name, value, attrs)
        finally:
            self.choices = original


class ProfileForm(RecordForm[SeedUser]):
    """A profile; the same rules as for imports."""

    interests = WordsField(KNOWN["interest"])
    languages = WordsField(KNOWN["language"])

    class Meta:
        model = SeedUser
        fields = ["external_id", "name", "origin", "archetype", "home_city", *PROFILE_FIELDS]
        widgets = {
            "gender": SuggestInput(GENDERS),
            "religion": SuggestInput(KNOWN["religion"]),
            "nationality": SuggestInput(sorted(KNOWN["nationality"])),
            "profession": SuggestInput(sorted(PROFESSIONS)),
            **{
                name: OneWordSelect(KNOWN[FIELD_KINDS[name]])
                for name in ("personality", "smoking", "drinking")
            },
        }

    def clean_external_id(self) -> str:
        """Make nobody anew who is here under another name."""
        return _no_former_name(str(self.cleaned_data["external_id"]))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        cleaned, errors = clean_profile(values)
        for name, message in errors.items():
            self.add_error(name, message)
        return {**values, **cleaned}


class GroupForm(RecordForm[TravelGroup]):
    """A group; its id is no name that a person had."""

    class Meta:
        model = TravelGroup
        fields = ["external_id", "name", "origin", "members"]

    def clean_external_id(self) -> str:
        """Leave to people the names that they had."""
        return _no_former_name(str(self.cleaned_data["external_id"]))


def _no_former_name(name: str) -> str:
    present = present_name(name)
    if present != name:
        raise forms.ValidationError(
            f"{name} is a former name of {present}: change that person instead, or choose another."
        )
    return name


class SessionForm(RecordForm[TravelSession]):
    """A session of one user or one group."""

    interests = WordsField(
        KNOWN["interest"], help_text="Of this trip; none means those of the profile."
    )

    class Meta:
        model = TravelSession
        fields = [
            "user",
            "group",
            "origin",
            "destination_name",
            "destination_lat",
            "destination_lon",
            "budget",
            "start_date",
            "end_date",
            "mode",
            "interests",
            "expires_at",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "expires_at" in self.fields:
            self.fields["expires_at"].initial = lambda: (
                clock.now() + timedelta(days=DEFAULT_TTL_DAYS)
            ).replace(microsecond=0)

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        self._check_owner(values)
        start, end = values.get("start_date"), values.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", f"Expected a day from {start} on, got {end}.")
        cleaned, errors = clean_profile({"interests": values.get("interests")})
        for name, message in errors.items():
            self.add_error(name, message)
        return {**values, **cleaned}

    def _check_owner(self, values: dict[str, Any]) -> None:
        if self.instance.pk or "user" not in self.fields:
            return
        owners: list[Any] = [values[name] for name in ("user", "group") if values.get(name)]
        if self.errors.keys() & {"user", "group"}:
            return
        if len(owners) != 1:
            self.add_error(
                None, f"Expected a user or a group, got {('none', '', 'both')[len(owners)]}."
            )
            return
        external_id = owners[0].external_id
        if TravelSession.objects.filter(external_id=external_id).exists():
            self.add_error(
                None, f"{external_id} plans a trip already; edit that session, or delete it first."
            )
        self.instance.external_id = external_id
