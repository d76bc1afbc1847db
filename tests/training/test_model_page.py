"""The tabs of a model, and versions side by side: what is drawn is of validation rows, what differs
comes first."""

import json
import re

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from sklearn import metrics as sk

from project.jobs.models import Job
from tests.factories import make_admin, make_staff
from tests.training.batches import (
    draw_events,
    make_batch,
    make_dataset,
    make_good_batch,
    make_model,
)
from tests.training.test_admin import VIEW, add_copies, text, url
from tests.training.test_feedback_kinds import build_and_train, fill_synthetic
from tests.training.test_mixture import real_batch
from training.admin.model_page import COMPARED, TABS
from training.domain.tasks import get_figures
from training.kinds import get_kind
from training.models import ModelVersion
from training.queries.datasets import read_part
from training.queries.loading import load_model
from training.queries.version_differences import tell_differences

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
KIND = get_kind("match_compatibility")
TAB_QUERIES = 12  # a session, a user and rights are seven of them
LINEAGE_QUERIES = 6  # its drawing asks as many more


@pytest.fixture
def dataset(db):
    return make_dataset(make_good_batch(400))


@pytest.fixture
def model(dataset):
    return make_model(dataset)


@pytest.fixture
def page(client):
    """Open a page as somebody who may look, and as much more as is said."""
    client.force_login(make_staff(*VIEW))

    def page(name, record, **asked):
        return text(client.get(url(f"modelversion_{name}", record.pk), asked, follow=True))

    return page


def old(model, version=9):
    """A copy of a model as it was before curves were kept."""
    other = ModelVersion.objects.get(pk=model.pk)
    other.pk, other.version, other.stage, other.curves = None, version, "archived", {}
    other.save(force_insert=True)
    return other


def lines(model, chart):
    return {line["name"]: line for line in model.curves["lines"][chart]}


# --- What is kept ---------------------------------------------------------------------------------


def test_curves_are_of_the_validation_rows_and_say_the_same_as_the_metrics(model):
    model.refresh_from_db()
    validation = read_part(model.dataset, "val")
    label = validation["label"].to_numpy()
    score = load_model(model).predict(validation)
    assert model.curves["rows"] == len(validation) == model.metrics["validation"]["rows"]
    roc, recall = lines(model, "roc"), lines(model, "precision_recall")
    assert list(roc) == ["model", "rule_score", "oracle_ceiling", "feature_ceiling"]
    assert roc["model"]["value"] == pytest.approx(model.metrics["validation"]["roc_auc"]["value"])
    assert recall["model"]["value"] == pytest.approx(model.metrics["validation"]["pr_auc"]["value"])
    for name, kept in model.baselines.items():
        if name in roc:
            assert roc[name]["value"] == pytest.approx(kept["roc_auc"]["value"])
            assert recall[name]["value"] == pytest.approx(kept["pr_auc"]["value"])
    for name, kept in model.ceilings.items():
        assert roc[f"{name}_ceiling"]["value"] == pytest.approx(kept["value"])
    # Each point is one of scikit-learn's, of these rows and no others.
    each = sk.roc_curve(label, score, drop_intermediate=False)
    corners = set(zip(each[0].round(4), each[1].round(4), strict=True))
    assert set(zip(roc["model"]["x"], roc["model"]["y"], strict=True)) <= corners
    precisions = set(sk.precision_recall_curve(label, score)[0].round(4))
    assert set(recall["model"]["y"]) <= precisions
    counts = model.curves["histogram"]["counts"]
    assert sum(counts["1"]) == label.sum()
    assert sum(counts["0"]) == (label == 0).sum()
    bins = np.histogram(score[label == 1], 20, (0, 1))[0]
    assert counts["1"] == bins.tolist()


def test_curves_stay_small(model):
    assert len(json.dumps(model.curves)) < 20_000
    for chart in model.curves["lines"].values():
        assert all(len(line["x"]) == len(line["y"]) <= 100 for line in chart)


def test_curves_of_a_mixture_are_of_its_real_validation_rows_alone():
    events = draw_events(1_600, users=500)
    drawn = draw_events(600, seed=5)
    drawn[["user_id", "target_id"]] += 10_000
    dataset = make_dataset(real_batch(events), make_batch(drawn), origin="combined")
    model = make_model(dataset)
    validation = read_part(dataset, "val")
    assert set(validation["origin"]) == {"real"}
    assert model.curves["rows"] == len(validation)
    assert set(lines(model, "roc")) == {"model", "rule_score"}  # real rows have no ceiling
    score = load_model(model).predict(validation)
    auc = sk.roc_auc_score(validation["label"], score)
    assert lines(model, "roc")["model"]["value"] == pytest.approx(auc)
    assert sum(map(sum, model.curves["histogram"]["counts"].values())) == len(validation)


def test_a_number_has_the_curves_of_a_number(client):
    fill_synthetic(count=600, seed=2)
    build_and_train("quality")
    model = ModelVersion.objects.get()
    assert set(model.curves["lines"]) == {"errors", "observed"}
    errors = lines(model, "errors")
    assert errors["model"]["value"] == pytest.approx(model.metrics["validation"]["mae"]["value"])
    assert errors["group_mean"]["value"] == pytest.approx(
        model.baselines["group_mean"]["mae"]["value"]
    )
    client.force_login(make_staff(*VIEW))
    shown = text(client.get(url("modelversion_change", model.pk), {"tab": "curves"}))
    for word in ("Error characteristic", "Predicted and observed", "Residuals"):
        assert word in shown
    assert "ROC" not in shown


# --- Tabs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_asks_little_and_the_same_for_many_versions(client, model, tab):
    client.force_login(make_staff(*VIEW))
    asked = []
    for version in (2, 3):
        client.get(url("modelversion_change", model.pk), {"tab": tab})
        with CaptureQueriesContext(connection) as queries:
            text(client.get(url("modelversion_change", model.pk), {"tab": tab}))
        asked.append(len(queries))
        add_copies(model, version)
    lineage = LINEAGE_QUERIES if tab == "overview" else 0
    assert asked[0] == asked[1] <= TAB_QUERIES + lineage


@pytest.mark.parametrize("nonsense", ["", "x", "curves'", "overview/"])
def test_an_unknown_tab_is_the_first(page, model, nonsense):
    shown = page("change", model, tab=nonsense)
    assert re.search(r'aria-current="page">Overview<', shown)


def test_gates_that_passed_are_folded_and_counted(page, model):
    shown = page("change", model)
    passed = sum(check["verdict"] == "pass" for check in model.gates)
    others = [check for check in model.gates if check["verdict"] != "pass"]
    before, folded = shown.split(f"<summary>{passed} checks passed</summary>")
    gates = before.split('id="gates"')[1]
    assert gates.count("<strong>") == 2 * len(others)  # its name and its figure
    for check in model.gates:
        name = check["name"].replace("_", " ")
        assert name in (folded if check["verdict"] == "pass" else gates)


def test_importances_are_sorted_by_size(page, model):
    shown = page("change", model, tab="inputs")
    table = shown.split("What it leans on")[1].split("</table>")[0]
    named = re.findall(r'<th scope="row">(\w+)</th>', table)
    model.refresh_from_db()
    known = {name: found["value"] for name, found in model.importance["features"].items()}
    assert [known[name] for name in named] == sorted(known.values(), reverse=True)


def test_a_model_of_before_says_that_it_has_no_curves_and_how_to_have_them(client, model):
    before = old(model)
    client.force_login(make_staff(*VIEW))
    there = url("modelversion_change", before.pk)
    shown = text(client.get(there, {"tab": "curves"}))
    assert "was trained before curves were kept" in shown
    assert "<h2>ROC</h2>" not in shown
    assert "Calibration" in shown  # which was kept all along
    assert "Train it again" not in shown
    client.force_login(make_staff(*VIEW, "training.train_model"))
    assert "Train it again" in text(client.get(there, {"tab": "curves"}))
    client.post(url("modelversion_retrain", before.pk))
    assert Job.objects.get().arguments["dataset"] == before.dataset.version
    shown = text(client.get(url("modelversion_change", model.pk), {"tab": "curves"}))
    assert "before curves were kept" not in shown
    assert "<h2>ROC</h2>" in shown


def test_versions_show_their_figure_and_which_is_live(page, model):
    add_copies(model, 2)
    ModelVersion.objects.filter(pk=model.pk).update(stage="champion")
    shown = page("change", ModelVersion.objects.get(version=20), tab="versions")
    assert "version 1, live" in shown
    assert "version 20, this one" in shown
    assert 'name="other" value="1"' in shown
    assert 'name="other" value="20"' not in shown


# --- Versions side by side ------------------------------------------------------------------------


def test_versions_are_compared_on_the_same_rows_and_what_differs_comes_first(page, model):
    other = make_model(make_dataset(make_good_batch(400, seed=3), split="user"), seed=2)
    again = make_model(model.dataset, seed=4)
    shown = page("compare", other, other=["1", str(again.version)])
    assert "partners who recur" in shown
    assert shown.count("that version") == 2  # each against the page's own model
    head, folded = shown.split('id="section-2"')[1].split("the same</summary>", 1)
    assert "Split" in head
    assert "Feature set" not in head
    assert "Feature set" in folded
    assert "version 1 <b>" in shown  # a line of each, with its figure
    assert "Each on its own validation rows" in shown
    shown = page("compare", again, other="1")
    assert "All on the same 80 validation rows" in shown


def test_only_what_is_not_equal_differs(model):
    again = make_model(model.dataset, seed=4)
    sections = {one.title: one for one in tell_differences(KIND, [again, model])}
    assert [row.title for row in sections["Data"].different] == []
    assert "Seed" in [row.title for row in sections["Parameters"].different]
    gates = sections["Gates"]
    assert {row.title for row in gates.rows} == {
        check["name"].replace("_", " ").replace(":", ": ") for check in model.gates
    }
    other = ModelVersion.objects.get(pk=model.pk)
    other.inputs = other.inputs[1:]
    other.gates = [{**check, "verdict": "refuse"} for check in other.gates[:1]]
    sections = {one.title: one for one in tell_differences(KIND, [model, other])}
    (left_out,) = sections["Parameters"].different
    assert left_out.title == f"Input {model.inputs[0]}"
    assert left_out.cells == (("read", ""), ("-", ""))
    assert len(sections["Gates"].different) == len(model.gates)  # refused, or not checked
    metrics = sections["Metrics"]
    assert not metrics.different
    assert {row.title for row in metrics.rows} >= {"ROC-AUC", "ROC-AUC, feature ceiling"}


@pytest.mark.parametrize("other", ["", "77", "x", "99999999999999999999", "-1", "²", ["1", "77"]])
def test_what_is_no_other_version_is_answered_in_words(page, model, other):
    second = make_model(model.dataset, seed=2)
    assert "Choose another version" in page("compare", second, other=other)


def test_a_version_is_not_compared_with_itself_and_not_with_too_many(page, model):
    assert "Choose another version" in page("compare", model)
    assert "Choose another version" in page("compare", model, other="1")
    for version in range(2, 2 + COMPARED):
        add_copies(model, version)
    many = [str(10 * version) for version in range(2, 2 + COMPARED)]
    assert "6 versions are too many" in page("compare", model, other=many)


def test_models_without_curves_are_compared_and_named(page, model):
    before = old(model)
    shown = page("compare", model, other=str(before.version))
    assert "so without a line: version 9" in shown
    # The files of the copy are signed for another number, which the page says, too.
    assert "is not signed with this installation" in shown
    assert "cannot be read" in shown
    assert "same</summary>" in shown


def test_the_list_leads_to_a_comparison_of_what_is_chosen(client, model):
    client.force_login(make_admin())
    second = make_model(model.dataset, seed=2)

    def choose(*keys):
        action = {"action": "compare_versions", "_selected_action": keys}
        return client.post(url("modelversion_changelist"), action)

    answer = choose(model.pk, second.pk)
    assert answer.status_code == 302
    assert answer.url == f"{url('modelversion_compare', second.pk)}?other=1"
    assert "partners who recur" in text(client.get(answer.url))
    for version in range(2, 2 + COMPARED):
        add_copies(model, version)
    for keys in ([model.pk], ModelVersion.objects.values_list("pk", flat=True)):
        answer = choose(*keys)
        assert answer.url.startswith(url("modelversion_changelist"))
        assert f"Choose 2 to {COMPARED} versions" in text(client.get(answer.url))
    of_csat = old(model)
    ModelVersion.objects.filter(pk=of_csat.pk).delete()
    of_csat.pk, of_csat.kind = None, "csat"
    of_csat.save(force_insert=True)
    answer = choose(model.pk, of_csat.pk)
    assert "Versions of one kind" in text(client.get(answer.url))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_model_of_before_has_no_charts_that_need_curves(task):
    assert get_figures(task).compared_charts({}) == []
    assert get_figures(task).charts({"label_share": 0.5}, {}) == []
