"""The look: rules that no page may break, read from templates, style sheets and scripts."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import Client

from project.pages.badges import TONES
from project.pages.tabs import tabs_of
from project.templatetags.seedbed import interval_chart
from tests.rooms import ROOMS

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
STATIC = ROOT / "project" / "static" / "seedbed"
SCRIPT_LINES = 120


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("template", TEMPLATES, ids=names(TEMPLATES))
def test_no_template_holds_what_the_policy_forbids(template: Path) -> None:
    text = template.read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text)
    assert not re.search(r"(?:fill|stroke)=\"(?!none|currentColor)", text)


@pytest.mark.parametrize("template", TEMPLATES, ids=names(TEMPLATES))
def test_every_icon_is_drawn_and_every_table_scrolls_by_itself(template: Path) -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text()))
    text = template.read_text()
    assert set(re.findall(r'\{% icon "([\w-]+)"', text)) <= drawn
    for region in re.findall(r"<div class=\"sb-scroll\"[^>]*>", text):
        assert 'tabindex="0"' in region, region
        assert "aria-label" in region, region


@pytest.mark.parametrize("template", TEMPLATES, ids=names(TEMPLATES))
def test_what_removes_or_ends_something_says_that_it_asks_first(template: Path) -> None:
    said = re.findall(r"<a\b[^>]*\bsb-danger\b[^>]*>([^<]*)</a>", template.read_text())
    assert [words for words in said if not words.endswith(" …")] == []


def test_the_script_is_short_and_no_rule_shouts() -> None:
    script = (STATIC / "seedbed.js").read_text()
    assert len(script.splitlines()) < SCRIPT_LINES
    for sheet in ("theme.css", "tokens.css"):
        text = (STATIC / sheet).read_text()
        assert "!important" not in text
        assert "url(" not in text
        assert "@import" not in text
        assert "@font-face" not in text


def test_every_class_of_a_template_has_a_rule_and_every_rule_a_user() -> None:
    rules = set(re.findall(r"\.(sb-[\w-]+)", (STATIC / "theme.css").read_text()))
    scripts = (STATIC / "live.js").read_text()
    written = "".join(
        path.read_text()
        for path in (*TEMPLATES, *(p for room in ROOMS for p in (ROOT / room).rglob("*.[pj][ys]")))
    )
    assert {rule for rule in rules - TONE_CLASSES if rule not in written} == set()
    unknown = {
        name
        for template in TEMPLATES
        for attribute in re.findall(r'class="([^"]*)"', template.read_text())
        for name in re.sub(r"\{[{%].*?[%}]\}", "…", attribute).split()
        if name.startswith("sb-") and "…" not in name and name not in rules | MARKS
        if f".{name}" not in scripts
    }
    assert not unknown


MARKS = {"sb-words"}  # found by a script alone
TONE_CLASSES = {f"sb-{tone}" for tone in (*TONES, "plain")}  # a template writes the tone


@pytest.mark.django_db
def test_a_person_with_a_form_full_of_errors_is_told_where(admin_client: Client) -> None:
    page = admin_client.post("/admin/matching/seeduser/add/", {"external_id": "!", "age": "7"})
    html = page.content.decode()
    summary = html[html.index('id="error-summary"') :]
    summary = summary[: summary.index("</div>")]
    assert "fields need a look" in summary
    assert 'href="#id_age"' in summary
    assert "Expected a whole number of years from 18 to 100" in summary


@pytest.mark.django_db
def test_the_design_is_no_page_where_debug_is_off(admin_client: Client) -> None:
    assert admin_client.get("/admin/design/").status_code == 404


def test_there_is_one_bar_of_tabs_and_one_tab_is_current() -> None:
    bars = [path.name for path in TEMPLATES if "sb-tabs" in path.read_text()]
    assert bars == ["tabs.html"]
    shown = render_to_string("components/tabs.html", {"tabs": tabs_of({"a": "A", "b": "B"}, "b")})
    assert '<a href="?tab=a">A</a>' in shown
    assert '<a href="?tab=b" aria-current="page">B</a>' in shown


def test_a_chart_of_intervals_has_a_drawing_that_fits_a_phone() -> None:
    row = {"label": "google", "value": 0.6, "low": 0.5, "high": 0.7}
    drawn = render_to_string("components/interval_chart.html", interval_chart([row]))
    wide, narrow = re.findall(r'<svg class="sb-(?:wide|narrow)" viewBox="(\S+) \S+ (\S+)', drawn)
    assert wide == ("-190", "640")
    assert float(narrow[1]) <= 390 - 2 * 24  # a phone without the card around it
    rule = (STATIC / "theme.css").read_text().split(".sb-drawing > .sb-narrow {")[1]
    assert "min-width: 0" in rule.split("}")[0]
