"""Nothing is removed or written over on a guess: each place that does is here, with its proof.

A new one fails until it is named below with what it removes and how it is known that nobody needs
it. A database tells nothing of a folder that another one may use as well: ask
`project.storage.artifacts.require_own_folder` before you believe it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
LOOKED_AT = ("project", "matching", "feedback", "training", "overview", "benchmarks")
# Methods and functions that remove, wherever they come from: pathlib, os, shutil, querysets, redis.
REMOVES = {
    *("rmtree", "unlink", "rmdir", "removedirs", "delete", "_raw_delete", "flushdb", "flushall"),
    *("truncate", "kill"),
}
# Those that take the place of what was there; with a keyword or two words they mean something else
# (a column of a frame, a part of a text).
REPLACES = {"replace", "rename", "move"}
STATEMENT = re.compile(r"\b(DELETE\s+FROM|TRUNCATE|DROP\s+(?!AS\b)[A-Z]+|pg_terminate_backend)\b")

OWN_TEMPORARY = "its own, made under a random name a moment before"
KNOWN = {
    # --- The store ---
    ("project/storage/staging.py", "staged", "rmtree"): OWN_TEMPORARY,
    ("project/storage/staging.py", "sweep", "rmtree"): (
        "a half-written folder whose writer is dead: the system has let go of its lock"
    ),
    ("project/storage/folder.py", "replace", "replace"): (
        "the id, after adopt_folder said what would be owned and got --yes; and bytes under a "
        "digest that are not of that digest, by those that are"
    ),
    ("project/storage/folder.py", "remove", "unlink"): "as tending.py says",
    ("project/storage/bucket.py", "remove", "delete"): "as tending.py says",
    ("project/backup/places.py", "discard", "rmtree"): (
        "the folder of one backup, after its files: of this installation by its name and its "
        "signature, and beyond the number that stays, once a newer one is whole"
    ),
    ("project/backup/programs.py", "run_program", "kill"): "its own child",
    ("project/backup/restoring.py", "_renew", "replace"): (
        "the secrets of a folder whose database is empty or was given up by its id"
    ),
    ("project/backup/restoring.py", "_clear_database", "DROP SCHEMA"): (
        "half a restore that nobody has used, or what somebody gave up by its id as the word"
    ),
    ("project/backup/restoring.py", "_clear_database", "DELETE FROM"): (
        "the mark of the restore before, by that of this one"
    ),
    ("project/backup/restoring.py", "restore_backup", "DROP TABLE"): (
        "the mark of this restore, which is whole"
    ),
    ("overview/services/verifying.py", "_restored", "kill"): "its own child",
    ("project/storage/cache.py", "take", "replace"): (
        "a copy of the same digest; the original is in the bucket"
    ),
    ("project/storage/cache.py", "drop", "unlink"): "a copy that is not what it should be",
    ("project/storage/cache.py", "_removed_unless_held", "unlink"): (
        "a copy that nobody reads: nobody holds a lock on it; the original is in the bucket"
    ),
    ("training/services/registry.py", "_write_export", "rmtree"): OWN_TEMPORARY,
    ("training/services/registry.py", "_write_export", "rename"): (
        "onto a name that was free; the system refuses a folder with files"
    ),
    # --- Servers of this folder ---
    ("project/household.py", "note", "truncate"): "what this very `serve` said before",
    ("training/domain/foreign_csv.py", "_numbers_of", "replace"): "of a text",
    ("project/settings.py", "_development_secret", "unlink"): OWN_TEMPORARY,
    ("project/embedded/postgres.py", "end_orphan", "unlink"): (
        "the socket of this folder, whose holder is dead and where nobody answers"
    ),
    ("project/embedded/postgres.py", "_initialise", "rmtree"): (
        "half-made data that carries our mark, under the lock: it never was a server's"
    ),
    ("project/embedded/postgres.py", "_initialise", "rename"): "there is no data yet",
    ("project/embedded/server.py", "_end_leftover", "unlink"): (
        "the pid file of a dead server, under the lock"
    ),
    ("project/embedded/server.py", "end", "kill"): "a process whose command line names this folder",
    ("project/embedded/valkey.py", "prepare", "replace"): (
        "the log before the last one, of this folder's server"
    ),
    ("project/jobs/worker.py", "_end_horse", "kill"): "its own child",
    ("project/jobs/strip.py", "forget_running", "delete"): "a number that is kept for seconds",
    (
        "project/pages/navigation.py",
        "forget_numbers",
        "delete",
    ): "numbers that are kept for seconds",
    ("project/accounts/middleware.py", "middleware", "delete"): (
        "the mark of a one-time password, once its owner has set another"
    ),
    ("project/tabular/workbooks.py", "_read_apart", "kill"): "its own child",
    ("project/signin.py", "reset_user_attempts", "delete"): (
        "failures under one name from one address, after a sign-in with it; the audit list has them"
    ),
    # --- The ledger ---
    ("project/jobs/processes.py", "beat", "delete"): (
        "the sign of life of a process that was silent for a day; it would write another one"
    ),
    ("project/jobs/processes.py", "leave", "delete"): "the sign of life of this process",
    ("project/jobs/queue.py", "_remove", "delete"): (
        "entries of RQ's queue, which a superuser confirmed; the ledger rings again for each job"
    ),
    ("project/jobs/runner.py", "_cancel", "delete"): (
        "steps of a stopped run after its cleanup, in one fenced transaction"
    ),
    ("project/jobs/reconciler.py", "_end_stalled_sessions", "pg_terminate_backend"): (
        "sessions that name a job and a fence that has been lost"
    ),
    ("project/jobs/admin.py", "delete_queryset", "delete"): (
        "finished jobs that somebody chose, with the right to"
    ),
    # --- Events and sessions ---
    ("matching/services/directory.py", "_point", "replace"): (
        "the name of the newest generation, under the lock of the one who keeps it"
    ),
    ("matching/services/directory.py", "alone", "unlink"): "a mark that is made with each look",
    ("matching/services/directory.py", "_sweep", "rmtree"): (
        "generations to which nobody is led any more, under that lock; all is in the database"
    ),
    ("project/web.py", "_end_with", "kill"): "this process itself, once its parent is gone",
    ("matching/services/applications.py", "end_trip", "delete"): (
        "the trip that its application ends; its history stays"
    ),
    ("matching/services/identity.py", "rename_person", "delete"): (
        "the former name that becomes the present one again"
    ),
    ("matching/services/identity.py", "merge_people", "delete"): (
        "the record that somebody with the right to said is another's, whose history stays"
    ),
    ("matching/services/identity.py", "_merge_trips", "delete"): (
        "the second trip of one person, named in the plan, whose history stays"
    ),
    # --- What somebody asked to remove, with the right to and a reason: see project/removal ---
    ("matching/services/removals.py", "_remove_some", "DELETE FROM"): (
        "of a batch that is closed, or the refused rows of one import"
    ),
    ("matching/services/removals.py", "remove_batch", "delete"): (
        "unless a model that is live learnt from it or a job writes it"
    ),
    ("project/removal/exports.py", "_remove", "delete"): (
        "exports, once somebody is erased who may be in them: another is written by one click"
    ),
    ("matching/services/removals.py", "remove_import", "delete"): "once nothing names it",
    ("matching/services/removals.py", "_forget", "delete"): (
        "what an import made, and the history of it, which says what they were"
    ),
    ("feedback/services/removals.py", "remove_part", "DELETE FROM"): "of a closed run or source",
    ("feedback/services/removals.py", "remove_some_rejected", "delete"): "of a run or a source",
    ("feedback/services/removals.py", "remove_run", "delete"): (
        "a run without rows, unless a live model learnt from them or a job reads it"
    ),
    ("feedback/services/removals.py", "remove_source", "delete"): "as a run, with its runs",
    ("training/services/removals.py", "remove_dataset", "delete"): (
        "unless a model was trained on it"
    ),
    ("training/services/removals.py", "remove_model", "delete"): "unless it is live",
    ("matching/services/erasing.py", "_gone", "_raw_delete"): (
        "trips, memberships, history and former names of a person whose erasure was asked for"
    ),
    ("matching/services/erasing.py", "_forget_notes", "DELETE FROM"): (
        "notes that name that person; one of nobody takes their place"
    ),
    ("project/removal/sweep.py", "sweep_model", "_raw_delete"): (
        "rows that mention that person, of models whose app said so with rows_go"
    ),
    ("training/services/erasing.py", "remove_earlier_places", "unlink"): (
        "files of a record whose rewritten ones are in the store, where an edition before had them"
    ),
    # --- What is older than a setting keeps it: off by default ---
    ("feedback/services/retention.py", "remove_old_rejected", "_raw_delete"): (
        "refused rows that did not come again for SEEDBED_KEEP_REJECTED_DAYS"
    ),
    ("project/mappings/jobs.py", "finish", "delete"): "imports keep what they were read by",
    ("matching/services/batches.py", "abandon_batch", "delete"): (
        "events of the batch that this very run has opened, by the result of its step"
    ),
    ("matching/services/batches.py", "discard_batch", "delete"): (
        "the batch that this very run has opened, of a log that is refused"
    ),
    ("matching/services/corrections.py", "_settle", "DELETE FROM"): (
        "of the changes that this run has written, those that a later line of it takes the place of"
    ),
    ("matching/services/imports.py", "complete_import", "delete"): (
        "the empty batch that this very run has opened"
    ),
    ("matching/queries/known_events.py", "temporary_table", "DROP TABLE"): "its temporary table",
    ("project/output.py", "written", "replace"): (
        "the plain file that somebody named as the output, and nothing but a plain file"
    ),
    ("project/output.py", "written", "unlink"): OWN_TEMPORARY,
    ("matching/models/live.py", "take", "unlink"): (
        "the live copy under a former name, in the transaction that keeps it under the present one"
    ),
    ("matching/models/live.py", "remove", "unlink"): (
        "live copies of sessions that expired, or whose owner the history here says was deleted"
    ),
    ("project/uploads/services.py", "release_upload", "delete"): (
        "the upload of a job that is done, or that nobody came for until it expired"
    ),
    ("project/uploads/services.py", "release_upload", "unlink"): (
        "its file of an edition before the store, which carries its id"
    ),
    ("project/exports/services.py", "remove_exports", "delete"): (
        "exports whose time is over, or what a stopped job has begun"
    ),
    ("project/exports/services.py", "complete_export", "delete"): (
        "parts of a file, in the transaction in which the whole of it takes their place"
    ),
    ("feedback/services/reports.py", "_keep", "delete"): (
        "reports beyond the newest that are kept; whoever asks for one has it counted again"
    ),
    ("feedback/services/changes.py", "correct_rows", "DROP TABLE"): "its temporary tables",
    ("feedback/services/changes.py", "_trim", "DELETE FROM"): (
        "what is kept of the changes of one row: the first and the newest stay"
    ),
    # --- Benchmarks: servers, databases and folders of their own, under var/bench ---
    ("benchmarks/collection.py", "*", "DROP DATABASE"): "its own, on its own server",
    ("benchmarks/collection.py", "*", "TRUNCATE"): "its own, on its own server",
    ("benchmarks/collection.py", "*", "delete"): "its own, on its own server",
    ("benchmarks/reports.py", "run", "TRUNCATE"): "its own, on its own server",
    ("benchmarks/lists.py", "run", "TRUNCATE"): "its own, on its own server",
    ("benchmarks/importing.py", "_copy_bare", "DROP TABLE"): "the one it has made",
    ("benchmarks/importing.py", "*", "unlink"): "the log it has written",
    ("benchmarks/tables.py", "run", "DROP TABLE"): "the one it has made, on its own server",
    ("benchmarks/tables.py", "run", "unlink"): "the table it has written",
    ("benchmarks/servers.py", "clean", "TRUNCATE"): "its own, on its own server",
    ("benchmarks/servers.py", "clean", "rmtree"): "under var/bench",
    ("benchmarks/servers.py", "remove", "rmtree"): "var/bench, after its servers have stopped",
}


def removals(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield file, function and word of each removal in a file."""
    name = str(path.relative_to(ROOT))

    def visit(node: ast.AST, function: str) -> Iterator[tuple[str, str, str]]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        if isinstance(node, ast.Call):
            word = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if word in REMOVES or (word in REPLACES and takes_a_place(node)):
                yield name, function, word
            if word == "remove" and ast.unparse(node.func) in ("os.remove", "shutil.remove"):
                yield name, function, word
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in STATEMENT.findall(node.value):
                yield name, function, " ".join(found.split())
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function)

    yield from visit(ast.parse(path.read_text()), "*")


def takes_a_place(call: ast.Call) -> bool:
    """Whether it is a path that is renamed: `path.replace(other)`, not `text.replace("a", "b")`."""
    if getattr(call.func, "attr", "") == "move":
        return ast.unparse(call.func) == "shutil.move"
    if ast.unparse(call.func) in ("os.replace", "os.rename"):
        return True
    is_method = isinstance(call.func, ast.Attribute)
    is_one = len(call.args) == 1 and not call.keywords
    return is_method and is_one and not isinstance(call.args[0], ast.Constant)


def found_in(path: Path) -> set[tuple[str, str, str]]:
    return set(removals(path))


def code() -> list[Path]:
    return [
        path
        for app in LOOKED_AT
        for path in sorted((ROOT / app).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def is_known(removal: tuple[str, str, str]) -> bool:
    file, _, word = removal
    return removal in KNOWN or (file, "*", word) in KNOWN


def test_every_removal_is_known_with_its_proof() -> None:
    unknown = sorted(one for path in code() for one in found_in(path) if not is_known(one))
    assert not unknown, "name them in this file, with how it is known that nobody needs them"


def test_every_known_removal_is_still_there() -> None:
    found = {one for path in code() for one in found_in(path)}
    found |= {(file, "*", word) for file, _, word in found}
    assert sorted(KNOWN.keys() - found) == []


def test_make_removes_what_make_and_tests_have_made() -> None:
    """The data under var/ is never removed, whatever the target."""
    lines = map(str.strip, (ROOT / "Makefile").read_text().splitlines())
    tools = ".pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache"
    assert [line for line in lines if "rm -" in line] == [
        f"@rm -rf .venv .venv-s3 {tools} var/test",
        "@find . -name __pycache__ -type d -prune -exec rm -rf {} +",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shutil.rmtree(folder)", {"rmtree"}),
        ("path.unlink(missing_ok=True)", {"unlink"}),
        ("os.remove(path)", {"remove"}),
        ("Model.objects.filter(pk=1).delete()", {"delete"}),
        ("staging.rename(target)", {"rename"}),
        ("os.replace(a, b)", {"replace"}),
        ("shutil.move(a, b)", {"move"}),
        ("cursor.execute(f'DELETE FROM {table}')", {"DELETE FROM"}),
        ("cursor.execute('DROP  TABLE x')", {"DROP TABLE"}),
        ("text.replace('a', 'b')", set()),
        ("frame.rename(columns=names)", set()),
        ("names.remove(name)", set()),
        ("dataclasses.replace(one, name=2)", set()),
    ],
)
def test_a_removal_is_recognised(text: str, words: set[str], tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "some.py"
    path.write_text(text)
    monkeypatch.setattr("tests.project.test_removals.ROOT", tmp_path)
    assert {word for _, _, word in removals(path)} == words
