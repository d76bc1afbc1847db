"""The vocabulary in the admin: what is taught, and the words that wait for it."""

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from matching.admin.profile_forms import SuggestInput
from matching.domain.lexicon.folding import KINDS, KNOWN
from matching.domain.lexicon.teaching import Unteachable, check_lesson
from matching.models import Word
from matching.queries.words import (
    SHOWN,
    lexicon_without,
    unknown_words,
    vocabulary_version,
)
from project.pages.admins import HistoryAdmin
from project.pages.forms import RecordForm


class WordForm(RecordForm[Word]):
    """A word and what it means; what is known already cannot be taught."""

    class Meta:
        model = Word
        fields = ["kind", "word", "meaning"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.instance.kind or self.initial.get("kind", "")
        if "meaning" in self.fields and kind in KINDS:
            self.fields["meaning"].widget = SuggestInput(KNOWN[kind])

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        kind = self.instance.kind or values.get("kind")
        word = self.instance.word or values.get("word")
        if not kind or not word or "meaning" not in values:
            return values
        lexicon = lexicon_without(self.instance)
        try:
            word, meaning = check_lesson(lexicon, kind, word, values["meaning"])
        except Unteachable as error:
            self.add_error(error.field if error.field in self.fields else None, str(error))
            return values
        if lexicon.fold(kind, word).is_known:
            self.add_error("word", "This word is taught already; change what it means there.")
        return {**values, "meaning": meaning} | ({"word": word} if "word" in self.fields else {})


@admin.register(Word)
class WordAdmin(HistoryAdmin[Word]):
    form = WordForm
    fields = ["kind", "word", "meaning"]
    list_display = ["word", "kind", "means"]
    list_filter = ["kind"]
    search_fields = ["word", "meaning"]
    search_help_text = "Word or meaning"
    list_per_page = 50
    empty_title = "Nothing was taught yet"
    empty_text = (
        "Words of profiles that our own vocabulary does not have are kept as written. Here they "
        "are taught what they mean."
    )
    start_links = [("matching_word_unknown", "Words that are not known", "matching.view_word")]

    def get_urls(self) -> list[URLPattern]:
        unknown = self.admin_site.admin_view(self.unknown_view)
        return [path("unknown/", unknown, name="matching_word_unknown"), *super().get_urls()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        # Another word would be another lesson; this one is what models were trained with.
        return ["kind", "word"] if obj else []

    @admin.display(description="means", ordering="meaning")
    def means(self, word: Word) -> str:
        return word.meaning or "a word of its own"

    def save_model(self, request: HttpRequest, obj: Word, form: Any, change: bool) -> None:
        if change and not form.has_changed():
            return  # what changes nothing is no version of the vocabulary
        super().save_model(request, obj, form, change)
        messages.info(request, _consequence())

    def unknown_view(self, request: HttpRequest) -> HttpResponse:
        """List each word once that nobody knows, with the way to teach it."""
        self.require(request, "matching.view_word")
        unknown = unknown_words()
        may_teach = self.has_add_permission(request)
        people = (
            reverse("admin:matching_seeduser_changelist")
            if request.user.has_perm("matching.view_seeduser")
            else ""
        )
        add = reverse("admin:matching_word_add")
        rows: list[dict[str, Any]] = []
        for word in unknown[:SHOWN]:
            carried = urlencode({"word": f"{word['kind']}:{word['word']}"})
            lesson = urlencode({"kind": word["kind"], "word": word["word"]})
            rows.append(
                {
                    **word,
                    "people_url": f"{people}?{carried}" if people else "",
                    "teach_url": f"{add}?{lesson}",
                }
            )
        context = self.page_context(
            request,
            "Words that are not known",
            words=rows,
            more=max(len(unknown) - SHOWN, 0),
            version=vocabulary_version(),
            may_teach=may_teach,
        )
        return TemplateResponse(request, "matching/unknown_words.html", context)


def _consequence() -> str:
    return (
        f"The vocabulary is at version {vocabulary_version()} now. A model that was trained with "
        "another one steps back until it is trained again: the front page and status name it."
    )
