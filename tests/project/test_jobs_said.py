"""What jobs say of themselves: a headline of each kind, good only where it is good."""

from collections.abc import Callable
from typing import Any

import pytest

from project.jobs.contract import all_kinds, get_kind
from project.jobs.models import Job
from project.jobs.presentation import headline, present_stages
from project.jobs.runner import run_job
from project.jobs.said import Outcome, Said, landed
from project.jobs.services import enqueue, retry_job
from project.pages.badges import tone_of
from project.removal.registry import all_removals

MODEL: dict[str, Any] = {
    "kind": "match_compatibility",
    "version": 3,
    "verdict": "pass",
    "metric": "roc_auc",
    "metrics": {"validation": {"roc_auc": {"value": 0.8069, "low": 0.751, "high": 0.863}}},
    "comparisons": {
        "rule_score": {
            "difference": -0.007,
            "low": -0.034,
            "high": 0.019,
            "verdict": "not enough evidence",
        }
    },
    "gates": [{"verdict": "pass"}, {"verdict": "pass"}],
    "real_rows": None,
    "synthetic_rows": 800,
    "origin": "synthetic",
}
DATASET: dict[str, Any] = {
    "version": 2,
    "verdict": "pass",
    "rows": 1000,
    "train_rows": 800,
    "validation_rows": 200,
    "duplicate_share": 0.01,
    "checks": [{"verdict": "pass"}],
}
SESSIONS = {"verdict": "pass", "live": 235, "repairable": 0, "minimum": 20}
PEOPLE = {"file": "a.csv", "rows": 3, "added": 1, "updated": 1, "unchanged": 1, "rows_refused": 0}
LOG = {"batches": [4], "found": 3, "new": 3, "known": 0, "changed": 0, "rejected": 0}
RETRIED = {"batch": 4, "tried": 2, "untried": 0, "landed": 2, "still_refused": 0}
CREATED = {"created": 5, "renewed": 1, "already_live": 2, "held_elsewhere": {"count": 0}}
TABLE = {"rejected": 0, "known": 1, "changed": 0}
COLLECTED: dict[str, Any] = {
    "sources": [{"source": "Warehouse", "tables": [TABLE]}],
    "jobs": [],
    "synthetic": False,
    "failed": [],
    "incomplete": [],
    "waiting": [],
    "busy": [],
    "new": 40,
}
FEEDBACK = {"found": 5, "new": 5, "known": 0, "changed": 0, "rejected": 0}
GENERATED = {
    "batch": 3,
    "asked": 1000,
    "made": 1000,
    "label_share": 0.504,
    "expected_duplicate_share": 0.0,
}
MERGED = {
    "keep": 3,
    "gone": 4,
    "was_merged": False,
    "fields_taken": ["age"],
    "trip": "kept",
    "groups": 1,
    "former_names": 1,
    "batches": 2,
    "events": 7,
    "events_rewritten": 7,
    "events_of_one_person": 0,
}
SEEDED = {"users_added": 3, "users_kept": 1, "groups_added": 1, "groups_kept": 0}
EXPORTED = {"what": "people", "format": "csv", "rows": 1_234, "bytes": 56_789}
# A result with which all is well, and the headline that it gets.
REMOVED: dict[str, Any] = {"counts": {"row": 3, "file": 0}, "stale": []}
GOOD: dict[str, tuple[dict[str, Any], str]] = {
    **{
        how.kind: ({**REMOVED, "title": how.thing}, f"{how.thing.capitalize()} is removed: 3 rows.")
        for how in all_removals()
    },
    "matching.seed_users": (SEEDED, "3 people and 1 group were added."),
    "matching.import_users": (PEOPLE, "3 of 3 rows of a.csv landed: 1 added, 1 updated."),
    "matching.import_groups": (PEOPLE, "3 of 3 groups of a.csv landed: 1 added, 1 updated."),
    "matching.import_sessions": (PEOPLE, "3 of 3 trips of a.csv landed: 1 added, 1 updated."),
    "matching.merge_people": (
        MERGED,
        "Person 4 is part of person 3; 7 events name the one person now.",
    ),
    "matching.complete_users": (
        {"completed": 2, "fields": {"gender": 2, "home": 1}},
        "2 synthetic profiles filled in with 3 drawn values.",
    ),
    "matching.create_sessions": (
        CREATED,
        "6 sessions drawn, 1 of them again for who had one.",
    ),
    "matching.check_sessions": (SESSIONS, "235 live sessions in order."),
    "matching.repair_sessions": (
        {**SESSIONS, "repaired": {"restored": 2}},
        "2 repairs made. 235 live sessions in order.",
    ),
    "matching.generate_events": (GENERATED, "Batch 3 holds 1,000 events, 50.4 % of them yes."),
    "matching.import_events": (LOG, "3 events landed in batch 4."),
    "matching.retry_events": (
        RETRIED,
        "All landed: nothing of batch 4 is refused any more.",
    ),
    "feedback.collect_feedback": (COLLECTED, "40 new rows from Warehouse."),
    "feedback.count_reports": (
        {"counted": ["csat", "counts"], "reports": 5, "rows": 30_000},
        "Counted 2 reports of 30,000 rows.",
    ),
    "feedback.import_feedback": (FEEDBACK, "5 new rows landed of 5."),
    "training.build_dataset": (DATASET, "Dataset 2 has 1,000 rows and passed every check."),
    "training.train_model": (
        MODEL,
        "Version 3 is trained and waits for you: ROC-AUC 0.807, 0.751 to 0.863.",
    ),
    "overview.rebuild_model": (
        {"model": MODEL, "promotion": {"previous": None}},
        "Version 3 is live: ROC-AUC 0.807, 0.751 to 0.863.",
    ),
    "overview.tidy_rows": (
        {"counts": {"answer text": 2, "score-log line": 1}, "days": {"answer text": 30}},
        "Removed: 2 answer texts and 1 score-log line.",
    ),
    "overview.make_backup": (
        {"name": "b1", "bytes": 2_000, "files": 3, "rows": 4, "seconds": 5.0, "removed": ["a1"]},
        "Backup b1 stands; removed: 1 older one.",
    ),
    "serving.monitor_scores": (
        {"visits": 12, "outcomes": 0, "opened": [], "closed": [], "open": 0},
        "12 visits read.",
    ),
    "matching.export_people": (EXPORTED, "1,234 rows of people written, 56.8 kB."),
    "matching.export_events": (
        {**EXPORTED, "what": "refused-events"},
        "1,234 rows of refused events written, 56.8 kB.",
    ),
    "feedback.export_feedback": (
        {**EXPORTED, "what": "ab-testing"},
        "1,234 rows of ab testing written, 56.8 kB.",
    ),
    "training.export_dataset": (
        {**EXPORTED, "what": "csat-dataset-1-train"},
        "1,234 rows of csat dataset 1 train written, 56.8 kB.",
    ),
    "serving.export_scores": (
        {**EXPORTED, "what": "scores"},
        "1,234 rows of scores written, 56.8 kB.",
    ),
    "serving.tell_alarm": (
        {"title": "Scores are all the same", "state": "open"},
        "Posted that “Scores are all the same” is open.",
    ),
}
# What succeeded by the ledger, and is not good.
NOT_GOOD: list[tuple[str, dict[str, Any], str]] = [
    *(
        (
            how.kind,
            {**REMOVED, "title": "It", "stale": ["Dataset 3."]},
            "It is removed: 3 rows. Look",
        )
        for how in all_removals()
    ),
    *(
        (kind, {**EXPORTED, "rows": 0}, "There are no rows of people")
        for kind in (
            *("matching.export_people", "matching.export_events", "feedback.export_feedback"),
            *("training.export_dataset", "serving.export_scores"),
        )
    ),
    ("matching.seed_users", {**SEEDED, "users_added": 0, "groups_added": 0}, "Nobody was added"),
    ("matching.import_users", {**PEOPLE, "rows_refused": 1}, "2 of 3 rows"),
    ("matching.import_users", {**PEOPLE, "unchanged": 3}, "Nothing changed"),
    ("matching.import_groups", {**PEOPLE, "rows_refused": 1}, "2 of 3 groups"),
    ("matching.import_sessions", {**PEOPLE, "unchanged": 3}, "Nothing changed"),
    ("matching.merge_people", {**MERGED, "was_merged": True, "events": 0}, "Person 4 is part of"),
    ("matching.complete_users", {"completed": 0, "fields": {}}, "Nothing was missing"),
    (
        "matching.complete_users",
        {"completed": 0, "fields": {}, "real_left": 2},
        "Nothing was filled in. 2 real profiles stay as they are",
    ),
    (
        "matching.create_sessions",
        {**CREATED, "created": 0, "renewed": 0, "held_elsewhere": {"count": 2}},
        "No session was created. 2 left out",
    ),
    ("matching.check_sessions", {**SESSIONS, "verdict": "warn"}, "235 sessions live"),
    (
        "matching.repair_sessions",
        {**SESSIONS, "verdict": "refuse", "repairable": 1, "repaired": {}},
        "No repairs made. 235 sessions live, 1 needs repair",
    ),
    ("matching.generate_events", {**GENERATED, "made": 0}, "Batch 3 holds no events of 1,000"),
    ("matching.generate_events", {**GENERATED, "expected_duplicate_share": 0.999}, "Batch 3"),
    ("matching.import_events", {**LOG, "new": 0, "known": 3}, "Nothing is new"),
    (
        "matching.import_events",
        {**LOG, "found": 5, "new": 0, "known": 3},
        "Nothing is new: 3 lines known already and 2 views without an answer in batch 4.",
    ),
    ("matching.import_events", {**LOG, "new": 2, "rejected": 1}, "2 events landed in batch 4; 1"),
    ("matching.import_events", {**LOG, "new": 0, "rejected": 3}, "No events landed"),
    (
        "matching.retry_events",
        {**RETRIED, "landed": 0, "still_refused": 2},
        "0 of 2 lines landed; 2 of batch 4 still refused.",
    ),
    ("feedback.collect_feedback", {**COLLECTED, "failed": ["Warehouse"]}, "Warehouse could not"),
    ("feedback.collect_feedback", {**COLLECTED, "incomplete": ["Warehouse"]}, "40 new rows"),
    ("feedback.collect_feedback", {**COLLECTED, "new": 0}, "No new rows from Warehouse: all"),
    ("feedback.collect_feedback", {**COLLECTED, "sources": [], "new": 0}, "No source was read"),
    (
        "feedback.collect_feedback",
        {**COLLECTED, "jobs": [{"source": "Warehouse", "job": "1"}], "new": 0},
        "Handed out to 1 job",
    ),
    (
        "matching.retry_events",
        {**RETRIED, "tried": 0, "untried": 0, "landed": 0, "still_refused": 0},
        "Nothing of batch 4 was refused any more.",
    ),
    (
        "feedback.count_reports",
        {"counted": [], "reports": 5, "rows": 30_000},
        "Every report is as its rows are.",
    ),
    ("feedback.import_feedback", {**FEEDBACK, "new": 3, "rejected": 2}, "3 new rows landed of 5"),
    ("feedback.import_feedback", {**FEEDBACK, "new": 0, "known": 5}, "Nothing is new"),
    (
        "feedback.import_feedback",
        {"dry_run": True, "found": 2, "accepted": 0, "rejected": 2},
        "Rehearsed: 0 of 2 rows would land",
    ),
    (
        "training.build_dataset",
        {**DATASET, "verdict": "refuse", "checks": [{"verdict": "refuse"}]},
        "Dataset 2 has 1,000 rows, and nothing may be trained on it: 1 check refuses it.",
    ),
    ("training.build_dataset", {**DATASET, "verdict": "warn"}, "Dataset 2 has 1,000 rows;"),
    ("training.train_model", {**MODEL, "verdict": "refuse"}, "Version 3 is trained and may not"),
    ("training.train_model", {**MODEL, "verdict": "warn"}, "Version 3 is trained and waits"),
    (
        "overview.rebuild_model",
        {"model": {**MODEL, "verdict": "refuse"}, "promotion": None},
        "Version 3 is trained and may not go live",
    ),
    (
        "overview.tidy_rows",
        {"counts": {"answer text": 0}, "days": {"answer text": 30}},
        "Nothing was older than it is kept.",
    ),
    (
        "serving.monitor_scores",
        {"visits": 12, "outcomes": 0, "opened": ["a"], "closed": [], "open": 1},
        "12 visits read, opened: a.",
    ),
]


def ours() -> set[str]:
    return {kind.name for kind in all_kinds() if not kind.name.startswith("tests.")}


def test_every_kind_tells_a_headline_of_its_own() -> None:
    assert ours() == GOOD.keys()
    told = {name: get_kind(name).says(result).as_dict() for name, (result, _) in GOOD.items()}
    assert {name: said["text"] for name, said in told.items()} == {
        name: text for name, (_, text) in GOOD.items()
    }
    assert len({said["text"] for said in told.values()}) == len(told)
    assert {said["outcome"] for said in told.values()} == {Outcome.REACHED}


@pytest.mark.parametrize(("kind", "result", "begins"), NOT_GOOD)
def test_what_is_not_good_is_not_green(kind: str, result: dict[str, Any], begins: str) -> None:
    said = get_kind(kind).says(result).as_dict()
    assert said["text"].startswith(begins)
    assert tone_of(said["outcome"]) != "good"


# They end with one record or none; what it is worth their checks and gates say.
MAKES_ONE = {
    *("training.build_dataset", "training.train_model", "overview.rebuild_model"),
    *("serving.tell_alarm", "overview.make_backup", "matching.merge_people"),
}


def without_counts(value: Any) -> Any:
    """The same result, of nothing done."""
    if isinstance(value, dict):
        return {name: without_counts(one) for name, one in value.items()}
    if isinstance(value, list):
        return [without_counts(one) for one in value]
    is_count = isinstance(value, int | float) and not isinstance(value, bool)
    return 0 if is_count else value


@pytest.mark.parametrize("kind", sorted(GOOD.keys() - MAKES_ONE))
def test_nothing_done_is_never_green(kind: str) -> None:
    said = get_kind(kind).says(without_counts(GOOD[kind][0])).as_dict()
    assert tone_of(said["outcome"]) != "good", said["text"]


def test_every_kind_has_a_result_that_is_not_good() -> None:
    # An alarm is posted and a backup is whole, or the job is refused.
    assert {kind for kind, _, _ in NOT_GOOD} == ours() - {
        *("serving.tell_alarm", "overview.make_backup")
    }


def test_a_share_that_landed_is_good_only_when_it_is_all() -> None:
    told = [landed(done, asked, noun="rows") for done, asked in ((2, 2), (1, 2), (0, 2), (0, 0))]
    assert [said.outcome for said in told] == [
        "succeeded",
        "in part",
        "without effect",
        "nothing to do",
    ]
    assert told[2].text == "0 of 2 rows landed."
    assert [tone_of(outcome) for outcome in Outcome] == [
        *("good", "warn", "plain", "warn", "warn", "plain")
    ]


# --- In the ledger --------------------------------------------------------------------------------

ledger = [pytest.mark.django_db, pytest.mark.usefixtures("valkey")]
Declare = Callable[..., str]


class TestLedger:
    pytestmark = ledger

    def run(self, kind: str) -> Job:
        job = enqueue(kind)
        run_job(str(job.pk))
        return Job.objects.get(pk=job.pk)

    def test_what_the_kind_says_is_kept_with_the_job(self, declare: Declare) -> None:
        says = lambda result: Said(f"{result['n']} of 2 landed.", Outcome.IN_VAIN)  # noqa: E731
        job = self.run(declare(lambda run: {"n": 0}, says=says))
        assert (job.state, job.verdict) == ("succeeded", "without effect")
        assert headline(job) == {"text": "0 of 2 landed.", "verdict": "without effect"}
        assert headline(job, may_see=False)["text"] == "“Try the ledger” is done."

    def test_work_that_is_done_does_not_fail_for_want_of_words(self, declare: Declare) -> None:
        def says(result: Any) -> Said:
            raise KeyError("gone")

        job = self.run(declare(lambda run: {"n": 1}, says=says))
        assert (job.state, job.said, job.verdict) == ("succeeded", {}, "done")
        assert tone_of(job.verdict) == "plain"

    def test_stages_that_are_to_come_are_shown_and_the_bar_only_grows(
        self, declare: Declare
    ) -> None:
        seen: list[float] = []
        marks: list[list[str]] = []

        def look(run: Any) -> None:
            job = Job.objects.get(pk=run.job.pk)
            seen.append(job.progress_share or 0.0)
            marks.append([stage["mark"] for stage in present_stages(job)])

        def work(run: Any) -> dict[str, Any]:
            run.plan("One", "Two", "Three")
            look(run)
            with run.stage("One"):
                run.report(9, 10)
                look(run)
            with run.stage("Unplanned"):
                look(run)
                run.report(1, 10)
                look(run)
                run.report(0, 10)  # it began again
                look(run)
            with run.stage("Two"):
                look(run)
            return {}

        job = self.run(declare(work))
        assert seen == sorted(seen)
        assert seen[0] == 0.0
        assert seen[1] == pytest.approx(0.3)
        assert marks[0] == ["wait", "wait", "wait"]
        assert marks[2] == ["done", "now", "wait", "wait"]
        assert job.progress_share == 1.0
        assert [(s["name"], s["mark"]) for s in present_stages(job)][-1] == ("Three", "wait")
        assert present_stages(job)[-1]["word"] == "left out"

    def test_a_stage_weighs_what_it_took_the_last_time(self, declare: Declare) -> None:
        def work(run: Any) -> dict[str, Any]:
            run.plan("Short", "Long")
            with run.stage("Short"):
                pass
            shares.append(Job.objects.get(pk=run.job.pk).progress_share)
            return {}

        shares: list[float | None] = []
        kind = declare(work)
        first = self.run(kind)
        stages = [
            {"name": name, "state": "done", "seconds": seconds}
            for name, seconds in (("Short", 1.0), ("Long", 9.0))
        ]
        Job.objects.filter(pk=first.pk).update(stages=stages)
        self.run(kind)
        assert shares == pytest.approx([0.5, 0.1])

    def test_a_retry_keeps_the_stages_of_the_steps_it_keeps(self, declare: Declare) -> None:
        def work(run: Any) -> dict[str, Any]:
            run.plan("One", "Two")
            with run.stage("One"):
                run.once("one", lambda: {"done": 1})
            raise ValueError("half of it")

        job = enqueue(declare(work))
        with pytest.raises(ValueError, match="half"):
            run_job(str(job.pk))
        clone = retry_job(Job.objects.get(pk=job.pk))
        assert [(s["name"], s["state"]) for s in clone.stages] == [("One", "done")]
