"""Writes what was seen as a page to read and as JSON, under var/pages."""

import json
from collections import Counter
from html import escape
from pathlib import Path

from tests.pages.crawl import Crawl
from tests.pages.look import KINDS, SIZES, THEMES, Page, View

STYLE = """
body { font: 14px/1.45 system-ui, sans-serif; margin: 24px; color-scheme: light dark; }
table { border-collapse: collapse; } th, td { padding: 4px 8px; border: 1px solid #8885; }
th { position: sticky; top: 0; background: Canvas; text-align: left; }
td { text-align: right; } td:first-child { text-align: left; overflow-wrap: anywhere; }
.red { background: light-dark(#fcdcda, #5a1715); font-weight: 600; }
li { overflow-wrap: anywhere; }
"""


def write(crawl: Crawl, folder: Path) -> dict[str, int]:
    """Write index.html and pages.json; returns how many pages are red, by kind."""
    folder.mkdir(parents=True, exist_ok=True)
    red = {
        kind: sum(kind in {one for one, _ in page.reds()} for page in crawl.pages) for kind in KINDS
    }
    told = {
        "red": red,
        "pages": [page.as_dict() for page in crawl.pages],
        "led_elsewhere": crawl.led,
        "left_out": crawl.left_out,
        "unseen": crawl.unseen(),
    }
    text = json.dumps(told, indent=1, ensure_ascii=False)
    (folder / "pages.json").write_text(text, encoding="utf-8")
    (folder / "index.html").write_text(_html(crawl, red), encoding="utf-8")
    return red


def _html(crawl: Crawl, red: dict[str, int]) -> str:
    axe = [f"axe {theme} {size}" for size in SIZES for theme in THEMES]
    heads = ["page", "status", "queries", *axe]
    heads += [f"sideways {size}" for size in SIZES] + [f"cut {size}" for size in SIZES]
    heads += ["small text", "console", "requests"]
    summary = ", ".join(f"{kind}: {count}" for kind, count in red.items() if count) or "nothing"
    rows = "".join(_row(number, page) for number, page in enumerate(crawl.pages))
    details = "".join(_details(number, page) for number, page in enumerate(crawl.pages))
    others = "".join(
        f"<li>{escape(form)}: {escape(why)}</li>"
        for form, why in [
            *crawl.left_out.items(),
            *((form, "RED: neither opened nor left out") for form in crawl.unseen()),
        ]
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Pages of Seedbed</title>'
        f"<style>{STYLE}</style><h1>Pages of Seedbed</h1>"
        f"<p>{len(crawl.pages)} pages. Red pages by kind: {summary}.</p>"
        f"<table><thead><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr></thead>"
        f"<tbody>{rows}</tbody></table><h2>What is wrong</h2>{details}"
        f"<h2>Not opened</h2><ul>{others}</ul></html>"
    )


def _row(number: int, page: Page) -> str:
    red = Counter(kind for kind, _ in page.reds())
    views = {(view.size, view.theme): view for view in page.views}
    cells = [
        _cell(str(page.status), is_red=bool(red["status"])),
        _cell("?" if page.queries is None else str(page.queries), is_red=bool(red["queries"])),
    ]
    cells += [_axe_cell(views.get((size, theme))) for size in SIZES for theme in THEMES]
    for wrong in ("sideways", "cut"):
        for size in SIZES:
            counts = [_wrong(view, wrong) for view in page.views if view.size == size]
            cells.append(
                _cell(str(max(counts)), is_red=max(counts) > 0) if counts else _cell("not asked")
            )
    for kind in ("small text", "console", "requests"):
        cells.append(_cell(str(red[kind]), is_red=bool(red[kind])))
    link = f'<a href="#page-{number}">{escape(page.name)}</a>' if red else escape(page.name)
    return f"<tr><td>{link}</td>{''.join(cells)}</tr>"


def _wrong(view: View, kind: str) -> int:
    return max(view.sideways, 0) if kind == "sideways" else len(view.cut) + len(view.outside)


def _axe_cell(view: View | None) -> str:
    if view is None or view.axe is None:
        return _cell("not asked")
    red = sum(one.is_red for one in view.axe)
    others = len(view.axe) - red
    return _cell(f"{red} serious" + (f", {others} other" if others else ""), is_red=red > 0)


def _cell(text: str, *, is_red: bool = False) -> str:
    return f'<td class="red">RED {escape(text)}</td>' if is_red else f"<td>{escape(text)}</td>"


def _details(number: int, page: Page) -> str:
    reds = dict.fromkeys(page.reds())
    if not reds:
        return ""
    lines = "".join(f"<li>{escape(kind)}: {escape(said[:600])}</li>" for kind, said in reds)
    return (
        f'<h3 id="page-{number}">{escape(page.name)}</h3><p>{escape(page.address)}</p>'
        f"<ul>{lines}</ul>"
    )


# --- In short, for docs/ --------------------------------------------------------------------------

HEAD = """# Every page of the admin, looked at

Written by `make pages`, which opens every address of the admin in Chromium, with rows and without,
as who may do everything and as who may only look, sends each form empty, and looks at what comes at
1366 and 390 pixels by day and by night. axe-core {axe} is asked about each of the four looks;
serious is what breaks WCAG 2.2 AA in its two upper grades. Page by page it stands in
`var/pages/index.html`.

{pages} pages, {looks} looks. Red: {red}.

| where | pages | most queries | axe: serious | cut or sideways, 1366 | 390 | console |
| --- | --- | --- | --- | --- | --- | --- |
"""


def in_short(pages: list[Page], axe: str) -> str:
    """Return what was seen as a table of a line for each part of the admin."""
    parts: dict[str, list[Page]] = {}
    for page in pages:
        parts.setdefault(_part_of(page.address), []).append(page)
    lines = [_line(part, parts[part]) for part in sorted(parts)]
    kinds = Counter(kind for page in pages for kind in {kind for kind, _ in page.reds()})
    red = ", ".join(f"{kind} {count}" for kind, count in kinds.items()) or "nothing"
    looks = sum(len(page.views) for page in pages)
    return HEAD.format(axe=axe, pages=len(pages), looks=looks, red=red) + "".join(lines)


def _part_of(address: str) -> str:
    parts = address.split("?")[0].strip("/").split("/")
    return f"/{'/'.join(parts[: 3 if len(parts) > 2 else 2])}/"


def _line(part: str, pages: list[Page]) -> str:
    views = [view for page in pages for view in page.views]
    serious = sum(one.is_red for view in views for one in view.axe or [])
    cut = [
        sum(len(view.cut) + len(view.outside) + (view.sideways > 0)
            for view in views if view.size == size)
        for size in SIZES
    ]  # fmt: skip
    queries = max((page.queries or 0 for page in pages), default=0)
    console = sum(len(page.console) + len(page.requests) for page in pages)
    cells = (f"`{part}`", len(pages), queries, serious, *cut, console)
    return f"| {' | '.join(map(str, cells))} |\n"
