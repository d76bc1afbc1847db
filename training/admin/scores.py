"""Scores in the admin: of two people, of the best of those who are live, of a table; and the
quality of any file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypedDict

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from matching.domain.features.told import TITLES, tell_inputs
from matching.domain.trips import HardGate
from matching.domain.words import MatchType
from matching.models import SeedUser, TravelGroup, TravelSession
from project import words
from project.pages.figures import KeyFigure
from project.pages.links import record_link
from project.pages.registry import page
from project.pages.tabs import tabs_of
from project.refusal import Refusal
from project.tabular.out import csv_lines
from training.domain.any_table import NOTHING_IS_BUILT, asks_to_build
from training.domain.foreign_csv import ForeignCsvError
from training.kinds import DEFAULT_KIND, all_kinds, get_kind
from training.queries.datasets import analyze_csv
from training.queries.pairs import explain_match, rank_partners, sample_scores
from training.queries.score_tables import HEADER, ROWS, score_table
from training.queries.scoring import Explanation, FeatureEffect, Serving, current_serving

ROUTE: Final = "training_scores"
SHOWN: Final = 200  # rows of a scored table on the page; the download has all
LIVE_SAMPLE: Final = 100  # pairs drawn by lot that a score is held against
MAX_BYTES: Final = 20 * 1024 * 1024
SEES_PEOPLE: Final = "matching.view_seeduser"


class Chooser(AutocompleteSelect):
    """Asks for a record by what it is called; what is no key chooses nothing."""

    def format_value(self, value: Any) -> list[str]:
        given = [str(one) for one in super().format_value(value)]
        return [one for one in given if one.isascii() and one.isdigit() and len(one) < 19]


def _choose(model: type[Any], foreign_key: str, **options: Any) -> "forms.ModelChoiceField[Any]":
    field = TravelSession._meta.get_field(foreign_key)
    return forms.ModelChoiceField(model.objects.all(), widget=Chooser(field, admin.site), **options)


class PairForm(forms.Form):
    """Two people."""

    left = _choose(SeedUser, "user", label="First person")
    right = _choose(SeedUser, "user", label="Second person")


class GroupForm(forms.Form):
    """A person and a group."""

    left = _choose(SeedUser, "user", label="Person")
    right = _choose(TravelGroup, "group", label="Group")


class BestForm(forms.Form):
    """A person, and whom to look for among the live ones."""

    left = _choose(SeedUser, "user", label="Person")
    whom = forms.ChoiceField(
        choices=[(MatchType.USER_USER.value, "people"), (MatchType.USER_GROUP.value, "groups")],
        label="Look for",
        required=False,
    )


class TableForm(forms.Form):
    """A table that is pasted or uploaded."""

    pasted = forms.CharField(
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        max_length=1_000_000,
        help_text="With a line of column names: left and right with external ids, or features such "
        "as ageScore.",
    )
    file = forms.FileField(
        required=False, label="Or a file", help_text=f"At most {ROWS:,} rows: CSV, JSON or xlsx."
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if bool((given.get("pasted") or "").strip()) == bool(given.get("file")):
            raise forms.ValidationError("Paste a table, or choose a file.")
        return given


class FileForm(forms.Form):
    """Any file whose quality is asked for."""

    file = forms.FileField(help_text="A table with a label and numbers: CSV, JSON, xlsx, parquet.")
    label = forms.CharField(
        required=False,
        max_length=200,
        help_text="The column that is to be predicted; empty: the inputs of the kind, else a "
        "column named like a label.",
    )
    kind = forms.ChoiceField(choices=lambda: [(one.name, one.title) for one in all_kinds()])


# What a tab shows, or the file that it gives.
Show = Callable[[HttpRequest, Any], dict[str, Any] | HttpResponse]


@page("Scores", route="scores/", name=ROUTE, permission="training.view_modelversion")
def scores_view(request: HttpRequest) -> HttpResponse:
    """Show one of the tabs; nothing is kept and no job is started."""
    tabs: dict[str, tuple[str, type[forms.Form], Show]] = {
        "table": ("A table", TableForm, _table),
        "file": ("Quality of a file", FileForm, _file),
    }
    if request.user.has_perm(SEES_PEOPLE):
        tabs = {
            "pair": ("Two people", PairForm, _pair),
            "best": ("Best of the live ones", BestForm, _best),
            **tabs,
        }
        if request.user.has_perm("matching.view_travelgroup"):
            tabs["group"] = ("A person and a group", GroupForm, _pair)
    order = [name for name in ("pair", "group", "best", "table", "file") if name in tabs]
    asked = request.GET.get("tab", "")
    tab = asked if asked in tabs else order[0]
    _, form_class, show = tabs[tab]
    is_posted = tab in ("table", "file")
    form = form_class(*_given(request, is_posted=is_posted))
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Scores",
        "intro": "Who would say yes to whom, by the live model, and why.",
        "tabs": tabs_of(
            {name: tabs[name][0] for name in order}, tab, url=lambda name: _url(tab=name)
        ),
        "tab": tab,
        "form": form,
        "is_posted": is_posted,
        "media": form.media,
    }
    if form.is_bound and form.is_valid():
        try:
            shown = show(request, form)
        except Refusal as refusal:
            shown = {"refusal": refusal}
        if isinstance(shown, HttpResponse):
            return shown
        context |= shown
    if tab != "file":
        context["serving"] = _serving_words(current_serving())
    return TemplateResponse(request, "training/scores.html", context)


def _given(request: HttpRequest, *, is_posted: bool) -> tuple[Any, Any]:
    if is_posted:
        return (request.POST, request.FILES) if request.method == "POST" else (None, None)
    return (request.GET if request.GET.get("left") else None), None


def _url(**asked: Any) -> str:
    return f"{reverse(f'admin:{ROUTE}')}?{urlencode(asked)}"


def _serving_words(serving: Serving) -> dict[str, Any]:
    if serving.model is None:
        return {"badge": "rule score", "words": serving.warning}
    return {
        "badge": f"model {serving.model_version}",
        "origin": serving.trained_on,
        "words": serving.warning,
    }


# --- Two people, and a person and a group --------------------------------------------------------


def _pair(request: HttpRequest, form: forms.Form) -> dict[str, Any]:
    left, right = form.cleaned_data["left"], form.cleaned_data["right"]
    explained = explain_match(left.external_id, right.external_id)
    scores = explained.scores
    figures = [
        {
            "label": f"Would {left.title} say yes to {right.title}?",
            "value": words.number(scores.as_rows()[0]["score"]),
            "note": _above_live(scores.score[0], explained.match_type),
        },
        _rule_figure(explained),
        *_parts(explained),
        _rank_figure(explained, left, right),
    ]
    return {
        "pair": (left, right),
        "pair_links": (record_link(left, left.title), record_link(right, right.title)),
        "figures": [figure for figure in figures if figure],
        "missing": [TITLES[name] for name in scores.missing[0]],
        "why_not": explained.gate.words,
        "effects": _effects(explained),
        "has_effects": any(one.effect is not None for one in explained.effects),
        "swap_url": _url(tab="pair", left=right.pk, right=left.pk)
        if isinstance(right, SeedUser)
        else "",
    }


def _above_live(score: float, match_type: str) -> str:
    if match_type != MatchType.USER_USER:
        return ""
    try:
        live, _ = sample_scores(LIVE_SAMPLE)
    except Refusal:
        return ""
    below = int((live.score < score).sum())
    return f"higher than {below} of {len(live.score)} live pairs drawn by lot"


def _rule_figure(explained: Explanation) -> KeyFigure:
    row = explained.scores.as_rows()[0]
    return {"label": f"By {row['rule']}", "value": words.number(row["rule_score"])}


def _parts(explained: Explanation) -> list[KeyFigure]:
    row = explained.scores.as_rows()[0]
    if row["by_rules"] is None:
        return []
    whose = "what users did" if row["trained_on"] == "real" else f"{row['trained_on']} rows"
    return [
        {
            "label": "Of which by the rules",
            "value": words.number(row["by_rules"]),
            "note": f"{words.signed(row['by_users'])} by {whose}",
        }
    ]


def _rank_figure(explained: Explanation, left: SeedUser, right: Any) -> KeyFigure | None:
    if explained.gate != HardGate.OPEN:
        return None
    ranking = rank_partners(left.external_id, explained.match_type)
    place = ranking.place_of(right.external_id)
    if place is None:  # with an incomplete profile one is scored, and not offered
        return None
    return {
        "label": f"Rank for {left.title}",
        "value": f"{place} of {ranking.available}",
        "note": "among the live ones",
        "url": _url(tab="best", left=left.pk, whom=explained.match_type),
    }


class Effect(TypedDict):
    """What one input of a pair did to its score; `x` and `width` are of its bar."""

    title: str
    inputs: str
    missing: bool
    value: str
    usual: str
    effect: str
    is_down: bool
    x: str
    width: str


def _effects(explained: Explanation) -> list[Effect]:
    largest = max((abs(one.effect) for one in explained.effects if one.effect), default=0.0)
    return [_effect(one, largest) for one in explained.effects]


def _effect(one: FeatureEffect, largest: float) -> Effect:
    width = 48 * abs(one.effect) / largest if one.effect and largest else 0.0
    return {
        "title": TITLES[one.explained.name],
        "inputs": tell_inputs(one.explained.name, one.explained.inputs),
        "missing": one.explained.missing,
        "value": words.number(one.explained.value),
        "usual": words.number(one.reference),
        "effect": words.signed(one.effect),
        "is_down": bool(one.effect and one.effect < 0),
        "x": str(round(50 - (width if one.effect and one.effect < 0 else 0.0), 1)),
        "width": str(round(width, 1)),
    }


# --- The best of the live ones ------------------------------------------------------------------


def _best(request: HttpRequest, form: forms.Form) -> dict[str, Any]:
    left = form.cleaned_data["left"]
    match_type = form.cleaned_data["whom"] or MatchType.USER_USER.value
    ranking = rank_partners(left.external_id, match_type, 20)
    model = SeedUser if match_type == MatchType.USER_USER else TravelGroup
    known = model.objects.in_bulk(ranking.names, field_name="external_id")
    tab = "pair" if model is SeedUser else "group"
    rows = []
    for place, (name, fields) in enumerate(
        zip(ranking.names, ranking.scores.as_rows(), strict=True), start=1
    ):
        record = known[name]
        why = _url(tab=tab, left=left.pk, right=record.pk)
        rows.append({"place": place, "link": record_link(record, record.title), "why": why}
                    | _row(fields))  # fmt: skip
    return {"best": rows, "available": ranking.available, "left": left}


def _row(fields: Mapping[str, Any]) -> dict[str, Any]:
    share = fields["score"] or 0.0
    return {
        "score": words.number(fields["score"]),
        "width": str(round(100 * share, 1)),
        "rule_score": words.number(fields["rule_score"]),
        "missing": ", ".join(TITLES[name].lower() for name in fields["missing"]),
        "is_candidate": fields["is_candidate"],
    }


# --- A table, and any file ----------------------------------------------------------------------


def _table(request: HttpRequest, form: forms.Form) -> dict[str, Any] | HttpResponse:
    may_see = request.user.has_perm(SEES_PEOPLE) and request.user.has_perm(
        "matching.view_travelgroup"
    )
    with TemporaryDirectory() as folder:
        path, name = _kept(folder, form)
        table = score_table(path, name, may_see_people=may_see)
    if "download" in request.POST:
        return HttpResponse(
            "".join(csv_lines(HEADER, table.as_cells())),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="scores.csv"'},
        )
    rows = [
        {"line": row["line"], "left": row["left"], "right": row["right"], **_row(row)}
        for row, _ in zip(table.as_rows(), range(SHOWN), strict=False)
    ]
    return {
        "scored": rows,
        "scored_count": len(table),
        "ignored": ", ".join(table.ignored),
        "has_pairs": bool(table.pairs),
    }


def _file(request: HttpRequest, form: forms.Form) -> dict[str, Any]:
    kind = get_kind(form.cleaned_data["kind"] or DEFAULT_KIND)
    with TemporaryDirectory() as folder:
        path, name = _kept(folder, form)
        try:
            report, took = analyze_csv(kind, path, form.cleaned_data["label"], name)
        except ForeignCsvError as error:
            raise Refusal(str(error), remedy="Choose another file, or name its label.") from error
    features = [
        {"name": name, **{key: words.number(value) for key, value in feature.items()
                          if isinstance(value, int | float | None)}}
        for name, feature in report.as_dict()["features"].items()
    ]  # fmt: skip
    return {
        "report": report.as_dict(),
        "took": took,
        "note": NOTHING_IS_BUILT if asks_to_build(report.checks) else "",
        "left_out": [f"{name} ({why})" for name, why in took.left.items()],
        "features": features,
        "file_name": name,
    }


def _kept(folder: str, form: forms.Form) -> tuple[Path, str]:
    """Write what was pasted or uploaded to a file of ours; returns it, and what people call it."""
    uploaded = form.cleaned_data.get("file")
    path = Path(folder) / "table"
    if uploaded is None:
        path.write_text(form.cleaned_data["pasted"], errors="replace")
        return path, "the pasted table"
    if uploaded.size > MAX_BYTES:
        raise Refusal(
            f"Expected at most {words.size(MAX_BYTES)}, got {words.size(uploaded.size)}.",
            remedy="Split the file.",
        )
    with path.open("wb") as file:
        for chunk in uploaded.chunks():
            file.write(chunk)
    return path, uploaded.name
