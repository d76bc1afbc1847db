"""An installation of the first edition goes on: nothing is lost, everything works or is replaced.

The installation was made once, by `make_installation.py` with the code of the first edition. Here
it is laid down as its owner would have it (a database and a var folder; the live copies in Valkey
are lost, as they may be), migrated with `manage.py migrate`, and then used.

What a later edition replaces is named below, in `REPLACED_TABLES`, `REPLACED_COLUMNS` and
`REPLACED_VALUES`: nothing else may differ after the migration.
"""

import gzip
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from psycopg import sql

pytestmark = pytest.mark.xdist_group("first-edition")  # one installation for all of them

INSTALLATION = Path(__file__).resolve().parent / "installation"
EXPECTED: dict[str, Any] = json.loads((INSTALLATION / "expected.json").read_text())
ROOT = Path(__file__).resolve().parents[2]

Row = dict[str, Any]
Tables = dict[str, dict[str, Row]]

# Table of the first edition -> the one that has its rows now.
REPLACED_TABLES: Mapping[str, str] = {}
# (table, column) of the first edition -> the column that has its values now, None where it is gone.
REPLACED_COLUMNS: Mapping[tuple[str, str], str | None] = {
    ("matching_eventbatch", "origin"): "method",
    **{
        (f"matching_{table}", "source"): "origin"
        for table in (
            *("eventbatch", "matchevent", "seeduser", "travelgroup", "travelsession"),
            *("historicalseeduser", "historicaltravelgroup", "historicaltravelsession"),
        )
    },
    ("training_dataset", "source"): "origin",
    ("matching_rejectedevent", "excerpt"): "text",
    # Encrypted anew, with the address that it was given for; collecting shows that it opens.
    ("feedback_feedbacksource", "password_encrypted"): None,
}
# (table, column) of the first edition -> {value: the value that stands for it now}.
RENAMED_KINDS = {
    "feedback.collect": "feedback.collect_feedback",
    "feedback.import": "feedback.import_feedback",
    "training.rebuild": "overview.rebuild_model",
}
REPLACED_VALUES: Mapping[tuple[str, str], Mapping[Any, Any]] = {
    ("jobs_job", "kind"): RENAMED_KINDS,
    ("jobs_schedule", "kind"): RENAMED_KINDS,
}
# Arguments that a job had for its file; an upload stands for them, until the job has ended.
FILE_ARGUMENTS = ("path", "name", "file", "files", "sha256")

# Kinds of jobs and schedules that the installation has, each at least once.
KINDS = {
    *("feedback.collect", "feedback.import", "matching.check_sessions", "matching.complete_users"),
    *("matching.create_sessions", "matching.generate_events", "matching.import_events"),
    *("matching.import_users", "matching.repair_sessions", "matching.seed_users"),
    *("training.build_dataset", "training.rebuild", "training.train_model"),
}
# Lists of the admin; of each, some records are opened.
PAGES = {
    "auth": ("group", "user"),
    "jobs": ("job", "schedule"),
    "matching": (
        *("eventbatch", "matchevent", "rejectedevent"),
        *("seeduser", "travelgroup", "travelsession"),
    ),
    "feedback": (
        *("abtestresult", "explanation", "qualityfeedback"),
        *("collectionrun", "feedbacksource", "rejectedrecord"),
    ),
    "training": ("dataset", "modelversion", "promotion"),
}
OPENED = {"training": 10, "jobs": 10}
CURATOR_MAY = {"/admin/matching/seeduser/": True, "/admin/training/dataset/": False}
# Kinds of a schedule that take long; that they can be started is enough here.
LONG_KINDS = ("overview.rebuild_model", "training.train_model")


# --- Laying it down ------------------------------------------------------------------------------


def unpack(path: Path, places: Mapping[str, str]) -> str:
    """Return a dump with the places of this run in it."""
    text = gzip.decompress(path.read_bytes()).decode()
    for name, place in places.items():
        text = text.replace(f"@{name}@", place)
    return text


def address(database: str) -> dict[str, Any]:
    at = settings.DATABASES["default"]
    return {"host": at["HOST"], "port": at["PORT"], "user": at["USER"], "dbname": database}


@dataclass
class Installation:
    """The installation under a name of this run.

    before, after : every row of every table, before and after the migration
    """

    database: str
    origin: str
    var: Path
    before: Tables = field(default_factory=dict)
    after: Tables = field(default_factory=dict)
    _asked: "subprocess.Popen[str] | None" = None

    @property
    def environment(self) -> dict[str, str]:
        """What its owner has set: an external database, the rest as development makes it."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("SEEDBED_")
        }
        at = address(self.database)
        keys = ("SECRET_KEY", "ARTIFACT_KEY", "FIELD_KEY")
        return {
            **kept,
            **{f"SEEDBED_{name}": "" for name in keys},  # taken from var/secrets
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "SEEDBED_ENV": "development",
            "SEEDBED_VAR": str(self.var),
            "SEEDBED_FEEDBACK_ALLOWED_HOSTS": f"{at['host']}:*",
            "DATABASE_URL": (
                f"postgres://{at['user']}@/{at['dbname']}?host={at['host']}&port={at['port']}"
            ),
            "REDIS_URL": "",  # a Valkey of its own, in its var folder
        }

    def lay_down(self) -> None:
        """Load the dumps into new databases, and copy the files."""
        places = {"POSTGRES": address("")["host"], "VAR": str(self.var), "ORIGIN": self.origin}
        with psycopg.connect(**address("postgres"), autocommit=True) as admin:
            for name in (self.database, self.origin):
                # From template0: nobody else may be connected to a template.
                statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0")
                admin.execute(statement.format(sql.Identifier(name)))
        for name, dumps in (
            (self.database, sorted((INSTALLATION / "database").iterdir())),
            (self.origin, [INSTALLATION / "origin.sql.gz"]),
        ):
            with psycopg.connect(**address(name)) as connection:
                for dump in dumps:
                    connection.execute(unpack(dump, places))  # type: ignore[arg-type]
        for packed in (INSTALLATION / "files").rglob("*.gz"):
            path = self.var / packed.relative_to(INSTALLATION / "files").with_suffix("")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.decompress(packed.read_bytes()))
        (self.var / "secrets").chmod(0o700)

    def migrate(self) -> None:
        """Do what its owner does after an update."""
        command = [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity=0"]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=ROOT, env=self.environment
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def remove(self) -> None:
        """Stop its Valkey and drop its databases."""
        if self._asked is not None:
            self.commands(["services", "stop"])
            self._asked.communicate()
        with psycopg.connect(**address("postgres"), autocommit=True) as admin:
            for name in (self.database, self.origin):
                statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                admin.execute(statement.format(sql.Identifier(name)))

    def ask(self, **questions: Any) -> dict[str, Any]:
        """Run commands and open pages, all of them in one process; see `ask.py`."""
        log = self.var.with_name("ask.log")
        if self._asked is None:
            command = [sys.executable, "-m", "tests.first_edition.ask"]
            with log.open("w") as sink:
                self._asked = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=sink,
                    text=True,
                    cwd=ROOT,
                    env=self.environment,
                )
        assert self._asked.stdin is not None
        assert self._asked.stdout is not None
        self._asked.stdin.write(json.dumps(questions) + "\n")
        self._asked.stdin.flush()
        answer = self._asked.stdout.readline()
        assert answer, log.read_text()[-4000:]
        answers: dict[str, Any] = json.loads(answer)
        return answers

    def commands(self, *commands: Sequence[Any]) -> list[dict[str, Any]]:
        """Run commands with --json; returns {code, said, error} of each."""
        asked = [[str(part) for part in command] for command in commands]
        answers: list[dict[str, Any]] = self.ask(commands=asked)["commands"]
        return answers

    def query(self, statement: str) -> list[Row]:
        """Return the rows of a statement."""
        with psycopg.connect(**address(self.database), autocommit=True) as connection:
            cursor = connection.cursor(row_factory=psycopg.rows.dict_row)
            cursor.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def read_tables(self) -> Tables:
        """Return every row of every table by its primary key, as JSON."""
        keys = self.query(
            """
            SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attname) AS columns
              FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
             WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
             GROUP BY c.relname
            """
        )
        tables: Tables = {}
        for table in keys:
            rows = self.query(f'SELECT to_jsonb(t) AS row FROM "{table["name"]}" t')
            tables[table["name"]] = {
                json.dumps([one["row"][name] for name in table["columns"]]): one["row"]
                for one in rows
            }
        return tables


@pytest.fixture(scope="module")
def installation(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Give the installation after its migration; tests that change it stand at the end."""
    name = f"first_edition_{uuid.uuid4().hex[:12]}"  # other test runs use the same server
    var = tmp_path_factory.mktemp("first_edition") / "var"
    laid_down = Installation(name, f"{name}_origin", var)
    try:
        laid_down.lay_down()
        laid_down.before = laid_down.read_tables()
        laid_down.migrate()
        laid_down.after = laid_down.read_tables()
        yield laid_down
    finally:
        laid_down.remove()


# --- What is there -------------------------------------------------------------------------------


def test_it_holds_what_the_first_edition_can_make(installation: Installation) -> None:
    """The other tests prove nothing about what the dump does not have."""
    tables = installation.before
    kept = [name for name, rows in tables.items() if rows]
    assert sorted(set(tables) - set(kept)) == []  # every table has rows
    jobs = tables["jobs_job"].values()
    assert {job["kind"] for job in jobs} == KINDS
    assert {job["state"] for job in jobs} == {
        *("queued", "running", "succeeded", "refused", "failed", "cancelled")
    }
    assert {row["feature_set"] for row in tables["matching_eventbatch"].values()} == {
        *("smooth-1", "tiered-1")
    }
    assert {row["verdict"] for row in tables["training_dataset"].values()} == {
        *("pass", "warn", "refuse")
    }
    models = tables["training_modelversion"].values()
    champions = {row["kind"] for row in models if row["stage"] == "champion"}
    assert champions == {"match_compatibility", "quality", "csat", "model_performance"}
    assert {row["stage"] for row in models} == {"champion", "archived", "candidate"}
    assert {row["action"] for row in tables["training_promotion"].values()} == {
        *("promote", "rollback")
    }


def test_no_row_is_lost_and_none_is_changed(installation: Installation) -> None:
    """Each row is there with each of its values, or what has replaced it is named above."""
    lost, changed = [], []
    for table, rows in installation.before.items():
        now = installation.after.get(REPLACED_TABLES.get(table, table), {})
        for key, row in rows.items():
            found = now.get(key)
            if found is None:
                lost.append(f"{table} {key}")
                continue
            for column, value in row.items():
                name = REPLACED_COLUMNS.get((table, column), column)
                wanted = value
                if table.startswith("jobs_") and column == "arguments":
                    wanted = arguments_now(row["kind"], value)
                    if "file" in (found.get(name) or {}):
                        assert row["state"] in ("queued", "running")
                        wanted["file"] = found["arguments"]["file"]
                if (table, column) in REPLACED_VALUES:
                    wanted = REPLACED_VALUES[table, column].get(value, value)
                if name is not None and found.get(name, "(no such column)") != wanted:
                    changed.append(f"{table} {key}: {column} {value!r} is {found.get(name)!r}")
    assert lost == []
    assert changed == []


def arguments_now(kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return what the first edition asked of a job in the words of today, without its file."""
    said = {name: value for name, value in arguments.items() if value is not None}
    if kind in ("training.build_dataset", "matching.import_events") and "source" in said:
        said["origin"] = said.pop("source")
    if "match_type" in said:
        said["match_type"] = {"solo": "user_user", "group": "user_group"}.get(
            said["match_type"], said["match_type"]
        )
    if kind in ("feedback.import", "matching.import_users", "matching.import_events"):
        said = {name: value for name, value in said.items() if name not in FILE_ARGUMENTS}
    return said


def test_names_of_people_came_along(installation: Installation) -> None:
    """Each job says who asked, each schedule has an owner, each change of an account its name."""
    jobs = installation.after["jobs_job"].values()
    assert all(job["actor"] for job in jobs)
    admins = {row["id"]: row for row in installation.after["auth_user"].values()}
    for schedule in installation.after["jobs_schedule"].values():
        assert admins[schedule["owner_id"]]["is_superuser"], schedule
    for table in ("matching_historicalseeduser", "feedback_historicalfeedbacksource"):
        for row in installation.after[table].values():
            if row["history_user_id"] is not None:
                assert row["history_actor"] == admins[row["history_user_id"]]["username"]


def test_every_dataset_has_its_files_and_its_verdict(installation: Installation) -> None:
    datasets = EXPECTED["datasets"]
    answers = installation.commands(
        *(["analyze_dataset", d["version"], "--kind", d["kind"]] for d in datasets)
    )
    for dataset, answer in zip(datasets, answers, strict=True):
        assert answer["said"].get("verdict") == dataset["verdict"], (dataset, answer)


def test_every_model_works_or_says_what_to_do(installation: Installation, tmp_path: Path) -> None:
    """A model loads and scores, or is refused by name with the command that makes another."""
    models = EXPECTED["models"]
    answers = installation.commands(
        *(["models", "compare", m["version"], m["version"], "--kind", m["kind"]] for m in models),
        *(
            ["models", "export", m["version"], "--kind", m["kind"], "--output", tmp_path / str(n)]
            for n, m in enumerate(models)
        ),
    )
    compared, exported = answers[: len(models)], answers[len(models) :]
    for model, scored, files in zip(models, compared, exported, strict=True):
        if scored["code"] == 0:
            assert scored["said"]["difference"]["difference"] == 0, (model, scored)
        else:
            refused = scored["said"].get("refused", {})
            assert f"{model['kind']} model {model['version']}" in refused.get("message", ""), scored
            assert f"train_model --kind {model['kind']}" in refused["remedy"], scored
        assert len(files["said"].get("files", ())) == 3, (model, files)


def test_every_champion_predicts_what_it_did_or_steps_back(installation: Installation) -> None:
    """It gives the score that it gave; or the rules serve, where there are any, and say why."""
    asked = EXPECTED["predictions"]
    for (kind, wanted), answer in zip(asked.items(), ask_champions(installation), strict=True):
        name = f"{kind} model {wanted['version']}"
        said = answer["said"]
        if said.get("model_version") == wanted["version"]:
            row = said if "prediction" in said else said["scores"][0]
            score = row.get("prediction", row.get("score"))
            assert score == pytest.approx(wanted["score"], rel=1e-6), (kind, answer)
        elif kind == "match_compatibility":
            assert said["served_by"] == "rule_score", answer
            assert said["scores"][0]["score"] > 0, answer
            assert name in said["warning"], answer
        else:
            assert answer["code"] == 2, answer
            assert name in said["refused"]["message"], answer


def test_status_names_every_champion_that_has_stepped_back(installation: Installation) -> None:
    asked = EXPECTED["predictions"]
    (status,) = installation.commands(["status"])
    for (kind, wanted), answer in zip(asked.items(), ask_champions(installation), strict=True):
        serves = answer["said"].get("model_version") == wanted["version"]
        named = commands_for(status["said"], kind, wanted["version"])
        assert serves or any(f"train_model --kind {kind}" in one for one in named), (kind, named)


def ask_champions(installation: Installation) -> list[dict[str, Any]]:
    return installation.commands(
        *(
            ["predict", "--kind", kind, "--features", json.dumps(wanted["features"])]
            for kind, wanted in EXPECTED["predictions"].items()
        )
    )


def commands_for(
    said: Any, kind: str, version: int, at: tuple[Any, Any] = (None, None)
) -> list[str]:
    """Return the commands that stand beside a model, however deep in what was said."""
    if isinstance(said, list):
        return [c for one in said for c in commands_for(one, kind, version, at)]
    if not isinstance(said, dict):
        return []
    at = (said.get("kind", at[0]), said.get("version", at[1]))
    found = [c for one in said.values() for c in commands_for(one, kind, version, at)]
    if at == (kind, version) and isinstance(said.get("command"), str):
        found.append(said["command"])
    return found


def test_every_record_opens_in_the_admin(installation: Installation) -> None:
    """Who was logged in still is, sees every list, and each record that a page is about."""
    tables = installation.after
    sessions = [json.loads(key)[0] for key in tables["django_session"]]
    answers = installation.ask(pages=[[session, "/admin/"] for session in sessions])["pages"]
    logins = {
        name: session
        for session, answer in zip(sessions, answers, strict=True)
        for name in ("admin", "curator")
        if answer["status"] == 200 and f'Account of {name}"' in answer["text"]
    }
    assert logins.keys() == {"admin", "curator"}

    pages = []
    for app, names in PAGES.items():
        for name in names:
            pages.append(f"/admin/{app}/{name}/")
            table = f"{app}_{name}"
            rows = list(tables[REPLACED_TABLES.get(table, table)].values())
            for row in rows[: OPENED.get(app, 2)]:
                pages.append(f"/admin/{app}/{name}/{row.get('id', row.get('uid'))}/change/")
    (ada,) = (u for u in tables["matching_seeduser"].values() if u["external_id"] == "real_ada")
    history = f"/admin/matching/seeduser/{ada['id']}/history/"
    asked = [
        *([logins["admin"], page] for page in [*pages, history]),
        *([logins["curator"], page] for page in CURATOR_MAY),
    ]
    answers = installation.ask(pages=asked)["pages"]
    status = {(who, page): said["status"] for (who, page), said in zip(asked, answers, strict=True)}
    for page, allowed in CURATOR_MAY.items():
        assert status.pop((logins["curator"], page)) == (200 if allowed else 403)
    assert {page: code for (_, page), code in status.items() if code != 200} == {}
    assert answers[len(pages)]["text"].count("admin") > 3  # who changed what of Ada's profile


def test_every_job_is_told_with_its_records(installation: Installation) -> None:
    """The ledger knows the kind of each job, and what a job has made is still found."""
    (listed,) = installation.commands(["jobs", "list", "--limit", 1000])
    jobs = listed["said"]["jobs"]
    assert {job["id"] for job in jobs} >= {
        row["id"] for row in installation.before["jobs_job"].values()
    }
    assert [job["kind"] for job in jobs if job["title"] == job["kind"]] == []  # not declared
    records = [
        [record["model"], record["id"]]
        for row in installation.after["jobs_job"].values()
        for record in row["records"]
    ]
    assert records
    found = installation.ask(records=records)["records"]
    assert [record for record, is_there in zip(records, found, strict=True) if not is_there] == []


# --- What it does; from here on the installation changes -----------------------------------------


def test_the_sessions_come_back_to_life(installation: Installation) -> None:
    """Valkey has lost the live copies: a repair makes them again from the records."""
    (sessions,) = installation.query(
        "SELECT count(*) FILTER (WHERE expires_at > now()) AS live, "
        "count(*) FILTER (WHERE expires_at <= now()) AS expired FROM matching_travelsession"
    )
    before, repaired, after = installation.commands(
        ["check_sessions"], ["check_sessions", "--repair", "--now"], ["check_sessions"]
    )
    assert before["said"]["lost"]["count"] == sessions["live"] > 100
    assert repaired["code"] == after["code"] == 0, repaired
    assert after["said"]["live"] == after["said"]["copies"] == sessions["live"]
    assert after["said"]["expired"]["count"] == sessions["expired"] == 1


def test_collection_goes_on_at_its_cursor(installation: Installation) -> None:
    """The kept password opens, the customer's new rows come, and nothing comes twice."""
    collected, again = installation.commands(
        ["collect_feedback", "--source", "customer", "--now"],
        ["collect_feedback", "--source", "customer", "--now"],
    )
    for answer, new in ((collected, {"quality_feedback": 3}), (again, {})):
        assert answer["code"] == 0, answer
        (source,) = answer["said"]["sources"]
        assert {t["table"]: t["new"] for t in source["tables"] if t["new"]} == new
        assert {t["changed"] for t in source["tables"]} == {0}
        assert max(t["found"] for t in source["tables"]) < 15  # the overlap of two days, not all
        assert all(t["reconciled"] for t in source["tables"])


def test_interrupted_jobs_are_finished(installation: Installation) -> None:
    """What waited, and what a worker had when it died, is done by the worker of today."""
    waiting = installation.query("SELECT id FROM jobs_job WHERE state IN ('queued', 'running')")
    assert len(waiting) == 4
    installation.query("UPDATE jobs_schedule SET is_enabled = false")  # those are for the next test
    installation.commands(["worker", "--burst"])
    jobs = installation.query("SELECT id, kind, state, error FROM jobs_job")
    ids = {row["id"] for row in waiting}
    ended = [job for job in jobs if job["id"] in ids]
    assert [job for job in ended if job["state"] not in ("succeeded", "refused")] == []
    landed = installation.query(
        "SELECT external_id FROM feedback_qualityfeedback WHERE external_id LIKE 'queued-%'"
    )
    assert {row["external_id"] for row in landed} == {"queued-1", "queued-2"}


def test_every_schedule_starts_its_job(installation: Installation) -> None:
    """Kind and arguments of each schedule are still taken, and its job ends well."""
    installation.query(
        "UPDATE jobs_schedule SET is_enabled = true, next_run_at = now() - interval '1 minute'"
    )
    installation.commands(["scheduler", "--once"])
    started = installation.query(
        "SELECT s.name, s.last_error, j.id::text, j.kind FROM jobs_schedule s LEFT JOIN jobs_job j "
        "ON j.schedule_id = s.id AND j.state = 'queued'"
    )
    assert {row["name"] for row in started} == {
        row["name"] for row in installation.before["jobs_schedule"].values()
    }
    assert [row for row in started if row["last_error"] or row["id"] is None] == []
    stopped = [row for row in started if row["kind"] in LONG_KINDS]
    installation.commands(*(["jobs", "stop", row["id"]] for row in stopped))
    installation.query("UPDATE jobs_schedule SET is_enabled = false")
    installation.commands(["worker", "--burst"])
    names = {row["id"]: row["name"] for row in started}
    ended = installation.query("SELECT id::text, state, error FROM jobs_job")
    states = {names[job["id"]]: job["state"] for job in ended if job["id"] in names}
    assert {name for name, state in states.items() if state == "cancelled"} == {
        row["name"] for row in stopped
    }
    assert [name for name, state in states.items() if state in ("failed", "queued")] == []
