"""The API under load: a server of its own, a compiled generator on loopback, and its peers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.figures import Figure
from benchmarks.measure import seconds
from benchmarks.servers import ROOT, connect

PORT, BARE_PORT = 8399, 8398
TARGETS: Final = {  # milliseconds within which 95 % are answered: (name, clients) -> target
    ("1 pair by features", 1): 1.5,
    ("1 pair by ids", 1): 2.0,
    ("50 pairs by ids", 1): 2.5,
    ("50 pairs by ids", 8): 15.0,
}
RATE_TARGET = 2_000.0  # single pairs a second, 8 clients
RANK_TARGETS: Final = {10_000: 5.0, 100_000: 20.0, 1_000_000: 150.0}  # milliseconds, 95 %
INDEXED_SECONDS, PROMOTED_SECONDS = 1.0, 2.0
LOADED_SECONDS = 0.8  # of load for each promotion: longer than it takes to be seen
WARM_UP_SECONDS = 3.0
GROWTH_TARGET = 5.0  # percent of resident memory over the soak
# What wrk prints at its end: one line of JSON.
DONE = """
done = function(summary, latency, requests)
  io.write(string.format('{"p95": %d, "requests": %d, "us": %d, "failed": %d}\\n',
    latency:percentile(95), summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout))
end
"""
# The same model behind the same server, without anything that makes it an API.
BARE = """
import orjson
import numpy as np
from benchmarks.serving import compiled_champion

compiled, names = compiled_champion()

def application(environ, start_response):
    asked = orjson.loads(environ["wsgi.input"].read())["features"]
    rows = [[np.nan if row.get(name) is None else row[name] for name in names] for row in asked]
    body = orjson.dumps(compiled(np.array(rows)).tolist())
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body]
"""


@dataclass(frozen=True)
class Load:
    """What the generator saw: milliseconds of 95 %, requests a second, how many failed, and its
    own share of a core."""

    p95: float
    rate: float
    failed: int
    cpu: float


def run(sizes: list[int], per_load: float, soak: float, promotions: int) -> list[Figure]:
    """Return latencies and rates; rankings over so many live sessions; memory over a soak.

    Parameters
    ----------
    sizes : live sessions, ascending; the first are those of all other figures.
    per_load : seconds of each load.
    soak : seconds of load between two looks at the resident memory.
    promotions : how many there are under load, one after the other.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("The generator of load is missing: `apt-get install wrk` brings it.")
    connect()
    token = _prepare()
    figures: list[Figure] = []
    with TemporaryDirectory() as folder:
        generator = _Generator(wrk, Path(folder), token, per_load)
        for size in sizes:
            built = _grow(size)
            with _process(["manage.py", "directory"]), _web() as web:
                _wait(partial(_ready, size), "the directory")
                if size == sizes[0]:
                    figures += _pairs(generator, size)
                    figures += _changes(generator, token, size, promotions)
                    figures += _soaked(generator, web, soak, size)
                figures.append(_ranking(generator, size, built))
    return figures


def _pairs(generator: "_Generator", size: int) -> list[Figure]:
    one, fifty, features = _bodies()
    with _bare():
        at = f"http://127.0.0.1:{BARE_PORT}"
        generator.load(at, "/", features, 8, for_seconds=WARM_UP_SECONDS)
        bare = {clients: generator.load(at, "/", features, clients) for clients in (1, 8)}
    if any(load.failed for load in bare.values()):
        raise RuntimeError("The bare server does not answer what it is asked.")
    generator.load(_address(), "/api/v1/match/score", fifty, 8, for_seconds=WARM_UP_SECONDS)
    figures = []
    by_id = json.loads(one)["pairs"][0]
    today = _today((by_id["left"], by_id["right"]))
    for name, body, clients in (
        ("1 pair by features", features, 1),
        ("1 pair by ids", one, 1),
        ("50 pairs by ids", fifty, 1),
        ("50 pairs by ids", fifty, 8),
        ("1 pair by features", features, 8),
        ("1 pair by ids", one, 8),
    ):
        found = generator.load(_address(), "/api/v1/match/score", body, clients)
        peer = bare[clients]
        said = (
            f"the model behind a bare server {peer.p95:.2f} ms and {peer.rate:,.0f}/s, so "
            f"{found.p95 / peer.p95:.1f} times; one pair from records and frames {today:.1f} ms; "
            f"generator {found.cpu:.0%} of a core; {found.failed} failed"
        )
        at = "client" if clients == 1 else "clients"
        target = TARGETS.get((name, clients))
        figures.append(
            Figure(f"API: {name}, {clients} {at}, ms (95 %)", found.p95, size, target, note=said)
        )
        if clients == 8 and name != "50 pairs by ids":
            rate = f"API: {name}, 8 clients, requests/s"
            note = f"bare {peer.rate:,.0f}/s, {found.rate / peer.rate:.2f} of it"
            figures.append(Figure(rate, found.rate, size, RATE_TARGET, at_least=True, note=note))
    return figures


def _ranking(generator: "_Generator", size: int, built: float) -> Figure:
    from matching.models import SeedUser

    names = SeedUser.objects.complete().filter(session__isnull=False).order_by("pk")
    some = list(names.values_list("external_id", flat=True)[:: max(1, size // 500)][:500])
    found = generator.load(_address(), "/api/v1/match/rank", some, 1)
    return Figure(
        f"API: 20 best of {size:,} live sessions, ms (95 %)",
        found.p95,
        size,
        RANK_TARGETS.get(size),
        note=f"500 who ask by turns; {found.failed} failed; all encoded in {built:.0f} s",
    )


def _changes(generator: "_Generator", token: str, size: int, promotions: int) -> list[Figure]:
    """How soon a new session and a promotion are seen, and what fails meanwhile."""
    from datetime import timedelta

    from django.utils import timezone

    from matching.models import SeedUser, TravelSession
    from training.kinds import DEFAULT_KIND
    from training.models import ModelVersion
    from training.services.registry import promote

    asker = SeedUser.objects.complete().filter(session__isnull=False).order_by("pk").first()
    if asker is None:
        raise RuntimeError("Nobody has a session to be near to.")
    trip = asker.session
    delays = []
    for number in range(10):
        fields = {f.name: getattr(asker, f.name) for f in asker._meta.concrete_fields}
        for name in ("id", "completeness", "external_id"):
            fields.pop(name)
        newcomer = SeedUser.objects.create(external_id=f"bench_newcomer_{number}", **fields)
        TravelSession.objects.create(
            external_id=newcomer.external_id, user=newcomer,
            destination_name=trip.destination_name, destination_lat=trip.destination_lat,
            destination_lon=trip.destination_lon, budget=trip.budget, start_date=trip.start_date,
            end_date=trip.end_date, expires_at=timezone.now() + timedelta(days=7),
        )  # fmt: skip
        began = time.perf_counter()
        asked = {"left": newcomer.external_id, "count": 1}
        while _ask("rank", token, asked, known_only=True) is None:
            time.sleep(0.005)
        delays.append(time.perf_counter() - began)
    figures = [
        Figure(
            "API: a new session is in the index after, s",
            max(delays),
            size,
            INDEXED_SECONDS,
            note=f"the longest of {len(delays)}, median {median(delays):.2f} s",
        )
    ]
    versions = list(ModelVersion.objects.of_kind(DEFAULT_KIND)[:2])
    one, _, _ = _bodies()
    loads: list[Load] = []
    under_load = threading.Thread(
        target=lambda: loads.append(
            generator.load(
                _address(), "/api/v1/match/score", one, 4, for_seconds=LOADED_SECONDS * promotions
            )
        )
    )
    under_load.start()
    seen = []
    for number in range(promotions):
        model = versions[number % 2]
        promote(model, reason="benchmark")
        began, in_a_row = time.perf_counter(), 0
        while in_a_row < 8:  # two processes take turns as they like
            answer = _ask("score", token, json.loads(one))
            is_seen = answer is not None and answer["scores"][0]["model_version"] == model.version
            in_a_row = in_a_row + 1 if is_seen else 0
        seen.append(time.perf_counter() - began)
    under_load.join()
    return [
        *figures,
        Figure(
            "API: a promotion is seen by every process after, s",
            max(seen),
            size,
            PROMOTED_SECONDS,
            note=f"the longest of {len(seen)} under load, median {median(seen):.2f} s",
        ),
        Figure(f"API: failed requests over {promotions} promotions", loads[0].failed, size, 0.0),
    ]


def _soaked(generator: "_Generator", web: int, soak: float, size: int) -> list[Figure]:
    one, fifty, _ = _bodies()
    generator.load(_address(), "/api/v1/match/score", fifty, 8, for_seconds=min(20.0, soak))
    before = _resident(web)
    load = generator.load(_address(), "/api/v1/match/score", one, 8, for_seconds=soak)
    after = _resident(web)
    return [
        Figure(
            "API: growth of resident memory under load, %",
            100.0 * (after - before) / before,
            size,
            GROWTH_TARGET if soak >= 600 else None,
            note=f"{before / 2**20:.0f} MB to {after / 2**20:.0f} MB, {soak:.0f} s of 8 clients, "
            f"{load.rate:,.0f}/s, {load.failed} failed",
        )
    ]


class _Generator:
    """Runs wrk, and reads what it saw."""

    def __init__(self, wrk: str, folder: Path, token: str, per_load: float) -> None:
        self._wrk, self._folder, self._token, self._seconds = wrk, folder, token, per_load

    def load(
        self,
        address: str,
        path: str,
        body: str | list[str],
        clients: int,
        for_seconds: float | None = None,
    ) -> Load:
        """Ask as fast as so many clients can; a list of names are asked for by turns."""
        bodies = [body] if isinstance(body, str) else [json.dumps({"left": one}) for one in body]
        quoted = ", ".join(f"[=[{one}]=]" for one in bodies)
        script = self._folder / f"{threading.get_ident()}.lua"
        script.write_text(
            f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
            f'wrk.headers["Authorization"] = "Bearer {self._token}"\n'
            f"local bodies, turn = {{{quoted}}}, 0\n"
            "request = function()\n  turn = turn % #bodies + 1\n"
            f'  return wrk.format(nil, "{path}", nil, bodies[turn])\nend\n' + DONE
        )
        took = round(for_seconds or self._seconds)
        before = getrusage(RUSAGE_CHILDREN)
        told = subprocess.run(  # noqa: S603 - a generator of load, on addresses of our own
            [self._wrk, "-t1", f"-c{clients}", f"-d{took}s", "-s", str(script), address],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        after = getrusage(RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found = json.loads(told.splitlines()[-1])
        return Load(
            found["p95"] / 1000.0,
            found["requests"] / (found["us"] / 1e6),
            found["failed"],
            used / (found["us"] / 1e6),
        )


def compiled_champion() -> tuple[Callable[..., Any], list[str]]:
    """Return the live model as arithmetic, and the log names of its inputs."""
    connect()
    from training.queries.scoring import current_serving

    model = current_serving().model
    if model is None or model.compiled is None:
        raise RuntimeError("The live model is not compiled.")
    return model.compiled, list(model.kind.features)


def _prepare() -> str:
    """See that a model is live; return the token of a key."""
    from serving.models import ApiKey, Scope
    from serving.services.keys import issue_key
    from training.kinds import DEFAULT_KIND
    from training.models import ModelVersion
    from training.queries.models import champion_of
    from training.services.registry import promote

    if champion_of(DEFAULT_KIND) is None:
        newest = ModelVersion.objects.of_kind(DEFAULT_KIND).first()
        if newest is None:
            raise RuntimeError("There is no model: the whole job runs before this.")
        promote(newest, reason="benchmark")
    if ModelVersion.objects.of_kind(DEFAULT_KIND).count() < 2:  # promotions need another one
        words = [sys.executable, "manage.py", "train_model", "--seed", "1", "--now", "--json"]
        subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    key = ApiKey(name="benchmark", scopes=[Scope.SCORE, Scope.RANK], requests_per_minute=1_000_000)
    return issue_key(key)


def _grow(size: int) -> float:
    """Have so many users with live sessions, copies of those there are; return how many seconds it
    takes to encode all."""
    from django.db import connection

    from matching.models import SeedUser, TravelSession
    from matching.services.directory import Keeper

    def columns(model: type[Any], *but: str) -> list[str]:
        names = [field.column for field in model._meta.concrete_fields]
        return [f'"{name}"' for name in names if name not in ("id", "completeness", *but)]

    people, trips = (
        columns(SeedUser, "external_id"),
        columns(TravelSession, "external_id", "user_id"),
    )
    held = TravelSession.objects.filter(user__isnull=False).count()
    copies, mark = -(-size // held) - 1, f".{size}_"
    if copies > 0:
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO matching_seeduser (external_id, {', '.join(people)}) "  # noqa: S608
                f"SELECT external_id || %s || g, {', '.join(people)} FROM matching_seeduser, "
                "generate_series(1, %s) g WHERE id IN (SELECT user_id FROM matching_travelsession)",
                [mark, copies],
            )
            shifted = [
                f"{name} + (hashtext(u.external_id) %% 30)" if name.endswith('_date"') else name
                for name in (f"t.{name}" for name in trips)
            ]
            cursor.execute(
                "INSERT INTO matching_travelsession "  # noqa: S608
                f"(external_id, user_id, {', '.join(trips)}) "
                f"SELECT u.external_id, u.id, {', '.join(shifted)} FROM matching_travelsession t, "
                "generate_series(1, %s) g, matching_seeduser u "
                "WHERE t.user_id IS NOT NULL AND u.external_id = t.external_id || %s || g",
                [copies, mark],
            )
            cursor.execute("ANALYZE")
    with TemporaryDirectory() as folder:
        keeper = Keeper(Path(folder))
        with keeper.alone():
            return seconds(keeper.look)


def _bodies() -> tuple[str, str, str]:
    """One pair and fifty by ids, and one by features."""
    from matching.domain.features.names import FEATURE_NAMES
    from training.queries.pairs import sample_scores

    scores, names = sample_scores(50)
    pairs = [{"left": left, "right": right} for left, right in names]
    values = [None if value != value else float(value) for value in scores.features[0]]
    features = {
        "features": [dict(zip(FEATURE_NAMES, values, strict=True))],
        "feature_set": scores.serving.feature_set,
    }
    return json.dumps({"pairs": pairs[:1]}), json.dumps({"pairs": pairs}), json.dumps(features)


def _today(pair: tuple[str, str]) -> float:
    from training.queries.pairs import score_pairs

    score_pairs([pair])
    return 1000 * median(seconds(lambda: score_pairs([pair])) for _ in range(20))


def _address() -> str:
    return f"http://127.0.0.1:{PORT}"


def _ask(what: str, token: str, body: Any, *, known_only: bool = False) -> Any:
    """Ask once; with `known_only` None until the index, and not the database, answers."""
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{_address()}/api/v1/match/{what}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    if known_only:
        from matching.domain.directory import NOBODY, hash_names
        from matching.queries.directory import DirectoryView

        found = DirectoryView().renew({})
        name = [body["left"]]
        if found is None or found.users.find(name, hash_names(name))[0] == NOBODY:
            return None
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return json.loads(answer.read())


def _ready(size: int) -> bool:
    from matching.queries.directory import DirectoryView

    try:
        with urllib.request.urlopen(f"{_address()}/healthz"):  # noqa: S310
            pass
    except OSError:
        return False
    found = DirectoryView().renew({})
    return found is not None and len(found.users.large) >= size


def _wait(is_there: Callable[[], bool], what: str, patience: float = 900.0) -> None:
    until = time.monotonic() + patience
    while not is_there():
        if time.monotonic() > until:
            raise RuntimeError(f"Waited {patience:.0f} s for {what}.")
        time.sleep(0.5)


@contextmanager
def _process(words: list[str], **environment: str) -> Iterator[int]:
    process = subprocess.Popen(  # noqa: S603 - our own programs
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _web() -> Any:
    return _process(["-m", "project.web", "--port", str(PORT), "--processes", "2"])


@contextmanager
def _bare() -> Iterator[None]:
    with TemporaryDirectory() as folder:
        (Path(folder) / "bare_api.py").write_text(BARE)
        words = [
            "-m",
            "granian",
            "--interface",
            "wsgi",
            "--workers",
            "2",
            "--blocking-threads",
            "4",
        ]
        words += ["--no-ws", "--port", str(BARE_PORT), "bare_api:application"]
        with _process(words, PYTHONPATH=f"{folder}{os.pathsep}{ROOT}"):
            _wait(lambda: _answers(BARE_PORT), "the bare server")
            yield


def _answers(port: int) -> bool:
    import socket

    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _resident(parent: int) -> int:
    """Bytes of memory of a server and its processes that no other shares."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            is_its = int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent
            if is_its or int(entry.name) == parent:
                total += sum(
                    1024 * int(line.split()[1])
                    for line in (entry / "smaps_rollup").read_text().splitlines()
                    if line.startswith(("Private_Clean", "Private_Dirty"))
                )
        except (OSError, ValueError):
            continue
    return total
