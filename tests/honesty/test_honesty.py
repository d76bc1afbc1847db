"""Each claim in its short form, in full with SEEDBED_HONESTY=full; how `make honest` tells them."""

import os
import re
from dataclasses import replace

import numpy as np
import pytest

from tests.honesty import __main__ as honest
from tests.honesty.claim import Claim
from tests.honesty.claims import all_claims

IS_FULL = os.environ.get("SEEDBED_HONESTY") == "full"
CLAIMS = all_claims()


@pytest.mark.slow
@pytest.mark.parametrize(
    "claim",
    [pytest.param(claim, id=claim.name) for claim in CLAIMS if IS_FULL or claim.short],
)
def test_a_claim_holds(claim: Claim) -> None:
    outcome = claim.run(claim.repetitions if IS_FULL else claim.short)
    assert not outcome.fails, str(outcome)


def test_each_claim_has_a_name_of_its_own() -> None:
    names = [claim.name for claim in CLAIMS]
    assert len(names) == len(set(names))


def test_claims_stand_in_one_order_and_are_cells_of_a_table() -> None:
    assert [claim.section for claim in CLAIMS] == sorted(claim.section for claim in CLAIMS)
    assert [claim.name for claim in all_claims()] == [claim.name for claim in CLAIMS]
    assert not [claim.name for claim in CLAIMS if re.search(r"[|\n]", claim.name)]


def toss(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    """Toss a coin that may be bent, or is no coin at all."""
    if share > 1:
        raise ValueError(f"No coin falls so in {share:g} of 1 tosses.")
    return rng.random(n) < share


def a_coin(name: str, share: float, section: str = "0. Coins") -> Claim:
    return Claim(section, name, toss, {"share": share}, 0.4, 0.6, 400, 400)


def test_a_figure_outside_its_band_fails() -> None:
    assert a_coin("a coin", 0.5).run(400).is_inside
    assert not a_coin("a coin", 0.5).run(400).fails
    assert a_coin("a bent coin", 0.9).run(400).fails


@pytest.fixture
def page(monkeypatch, tmp_path):
    monkeypatch.setattr(honest, "PAGE", tmp_path / "honesty.md")
    return honest.PAGE


def run(monkeypatch, claims: list[Claim], *arguments: str) -> int:
    # In this process: another one might not see these claims.
    monkeypatch.setattr(honest, "all_claims", lambda: claims)
    return honest.main(["--jobs", "1", *arguments])


def test_page_of_claims_that_hold(monkeypatch, page, capsys) -> None:
    assert run(monkeypatch, [a_coin("a coin", 0.5), a_coin("another", 0.5, "1. More")]) == 0
    said = page.read_text()
    assert "How to read a line" in said
    assert re.search(
        r"^Date: \d{4}-\d\d-\d\d\. The run took 0 minutes\..* 2 claims hold: 2 yes", said, re.M
    )
    assert said.index("## 0. Coins") < said.index("| a coin | 0.") < said.index("## 1. More")
    assert re.search(
        r"\| a coin \| 0\.\d{4} \(0\.\d{4} to 0\.\d{4}\) \| 0\.4 to 0\.6 \| yes \| 400 \| \d+ \| 0 "
        r"\| \d{4}-\d\d-\d\d \|",
        said,
    )
    assert "not whole" not in said
    assert "2 claims, 0 failing" in capsys.readouterr().out


@pytest.mark.parametrize(("share", "told"), [(0.9, "no"), (2.0, "broken")])
def test_a_claim_that_fails_or_raises_is_told_and_the_page_is_written(
    monkeypatch, page, capsys, share, told
) -> None:
    assert run(monkeypatch, [a_coin("a bent coin", share), a_coin("a coin", 0.5)]) == 1
    said = page.read_text()
    assert re.search(rf"\| a bent coin \|[^|]*\| 0\.4 to 0\.6 \| {told} \|", said)
    assert re.search(r"\| a coin \|[^|]*\| 0\.4 to 0\.6 \| yes \|", said)
    assert ("a bent coin: `ValueError: No coin falls so" in said) is (told == "broken")
    assert "2 claims, 1 failing" in capsys.readouterr().out


def test_part_of_the_claims_writes_no_page_but_where_it_is_asked_to(
    monkeypatch, page, tmp_path, capsys
) -> None:
    claims = [a_coin("a coin", 0.5), a_coin("another", 0.9, "1. More"), a_coin("last", 0.5, "2.")]
    assert run(monkeypatch, claims, "--section", "0", "--section", "2") == 0
    assert run(monkeypatch, claims, "--repetitions", "300") == 1
    assert not page.exists()
    asked = tmp_path / "part.md"
    assert run(monkeypatch, claims, "--section", "0", "--page", str(asked)) == 0
    assert "not whole: 1 of 3 claims were tried, of the sections: 0. Coins" in asked.read_text()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        run(monkeypatch, claims, "--section", "7")
    assert "no section that begins with 7" in capsys.readouterr().err


def test_run_that_ends_early_leaves_what_it_found(monkeypatch, page) -> None:
    def interrupt(rng, n, share):
        raise KeyboardInterrupt

    claims = [a_coin("a coin", 0.5), Claim("1. More", "cut", interrupt, {"share": 0}, 0, 1, 9, 9)]
    with pytest.raises(KeyboardInterrupt):
        run(monkeypatch, claims)
    assert "not whole: 1 of 2 claims" in page.read_text()


def test_a_run_that_was_ended_early_is_gone_on_with(monkeypatch, page, capsys) -> None:
    fair, other, bent = a_coin("a coin", 0.5), a_coin("other", 0.5), a_coin("bent", 0.9)
    assert run(monkeypatch, [fair, bent, a_coin("changed", 0.5)]) == 1
    row = next(line for line in page.read_text().splitlines() if "| a coin |" in line)
    page.write_text(page.read_text().replace(row, row.replace("| yes |", "| on its edge |")))
    changed = replace(a_coin("changed", 0.5), low=0.3)
    capsys.readouterr()
    assert run(monkeypatch, [fair, other, bent, changed], "--rest") == 1
    told = capsys.readouterr().out
    assert "a coin" not in told  # it is on the page, as it was found
    assert all(name in told for name in ("other", "bent", "changed"))
    said = page.read_text()
    assert row.replace("| yes |", "| on its edge |") in said
    assert "not whole" not in said
    assert "Whether the 4 claims hold: 2 yes, 1 on its edge, 1 no" in said


def test_claims_are_measured_anew_and_the_others_keep_their_day(monkeypatch, page, capsys) -> None:
    first, second = a_coin("a coin", 0.5), a_coin("another", 0.5, "1. More")
    assert run(monkeypatch, [first, second]) == 0
    page.write_text(re.sub(r"\d{4}-\d\d-\d\d \|", "2020-01-01 |", page.read_text()))
    capsys.readouterr()
    assert run(monkeypatch, [first, second], "--again", "1") == 0
    assert "a coin" not in capsys.readouterr().out
    rows = {line.split(" | ")[0]: line for line in page.read_text().splitlines()}
    assert rows["| a coin"].endswith("| 2020-01-01 |")
    assert not rows["| another"].endswith("| 2020-01-01 |")
    page.write_text(page.read_text().replace(" 2020-01-01 |", ""))
    assert run(monkeypatch, [first, second], "--rest") == 0
    assert "a coin" in capsys.readouterr().out  # a line without a day is of before


def test_claims_are_tried_in_processes_of_their_own() -> None:
    numbers = [n for n, claim in enumerate(CLAIMS) if claim.section.startswith("5")][:2]
    trials = dict(honest.try_claims(numbers, 2, jobs=2))
    assert {trials[n].claim.name for n in numbers} == {CLAIMS[n].name for n in numbers}
    assert not [trial.error for trial in trials.values() if trial.error]
