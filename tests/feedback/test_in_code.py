"""The blocks of docs/in-code.md, run one after the other as they stand there."""

import re
from pathlib import Path

import pytest
from django.core.management import call_command

from feedback.models import QualityFeedback
from training.queries.loading import forget_loaded

pytestmark = pytest.mark.usefixtures("valkey")

PAGE = Path(__file__).parents[2] / "docs" / "in-code.md"


@pytest.fixture
def said(customer, source, settings, tmp_path, valkey):
    """Run the page, and give the names that it made."""
    settings.ARTIFACT_ROOT = tmp_path / "artifacts"
    forget_loaded()
    customer.fill(300)
    call_command("seed_users", "--count", "4", "--now", "--json")
    call_command("create_sessions", "--now", "--json")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 - our own page
    return names


def test_the_page_collects_reports_writes_a_training_file_and_scores(said, source):
    runs = said["collected"][source]
    assert [(run.new, run.is_reconciled) for run in runs] == [(300, True)] * 3
    assert QualityFeedback.objects.synthetic().count() > 1_000

    csat = said["csat"]
    assert (csat["scope"]["origin"], csat["scope"]["days"]) == ("synthetic", 30)
    ranges = csat["ranges"]["rows"]
    assert [row["label"] for row in ranges] == [
        "0 to 0.6", "0.6 to 0.75", "0.75 to 0.9", "0.9 to 1",
    ]  # fmt: skip
    # Generated people like better answers better, and each range shows more of it.
    means = [row["mean"] for row in ranges if row["count"]]
    assert means == sorted(means)
    assert (
        said["optimal"]["leading"][0]
        == max(
            (row for row in ranges if row["count"] >= said["optimal"]["minimum"]),
            key=lambda row: row["mean"],
        )["label"]
    )

    expected = said["expected"]
    assert 0 <= expected["low"] < expected["value"] < expected["high"] <= 1
    assert expected["unseen"] == ["model"]

    assert said["dataset"].origin == "real"
    assert len(said["train"]) == said["dataset"].train_rows > 200

    assert 0 < said["scores"].score[0] < 1
    assert "budget" not in said["scores"].missing[0]
