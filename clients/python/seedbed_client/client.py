"""Asks a Seedbed over HTTP, and comes again where it is told to."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Unpack, cast
from urllib.parse import quote
from uuid import uuid4

from seedbed_client.types import (
    ErasureAsked,
    EventsTaken,
    ExplainAnswer,
    Fault,
    FeedbackTaken,
    MatchType,
    ModelFields,
    ModelList,
    OutcomesAnswer,
    PairOutcome,
    Person,
    PersonStored,
    PredictAnswer,
    RankAnswer,
    Reading,
    Row,
    ScoreAnswer,
    Traveller,
    Trip,
    TripRemoved,
    TripStored,
)

COME_AGAIN: Final = frozenset({409, 429, 503})  # where the answer says in how many seconds
FIRST_PAUSE: Final = 0.5  # seconds until a server that does not answer is asked again; then twice
MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024


class SeedbedError(Exception):
    """A request that was refused, or that nobody answered.

    Attributes
    ----------
    status : of HTTP; 0 where nobody answered.
    detail, remedy : what was expected and what came, and what to do.
    errors : what is wrong with the request, and where.
    body : the whole answer: some refusals say more.
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = dict(body)
        self.detail = str(body.get("detail", ""))
        self.remedy = str(body.get("remedy") or "")
        self.errors = cast(list[Fault], body.get("errors") or [])
        named = "; ".join(f"{one['at']}: {one['said']}" for one in self.errors)
        super().__init__(" ".join(filter(None, (str(status), self.detail, named, self.remedy))))


class Seedbed:
    """One Seedbed, asked with one key; any number of threads may share it.

    Parameters
    ----------
    url : such as http://127.0.0.1:8000
    key : that was shown when it was made: sb_...
    timeout : seconds that an answer may take.
    retries : how often a request is sent again that is to come later, or that nobody answered.
    longest_pause : seconds; who is told to wait longer gets the refusal.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = 30.0,
        retries: int = 3,
        longest_pause: float = 60.0,
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"Expected an address such as http://127.0.0.1:8000, got {url!r}.")
        self._base = f"{url.rstrip('/')}/api/v1"
        self._key = key
        self._timeout = timeout
        self._retries = retries
        self._longest_pause = longest_pause

    # --- Scores ---

    def score_pairs(self, pairs: Sequence[tuple[str, str]]) -> ScoreAnswer:
        """Score 1 to 1,000 pairs by the ids that Seedbed has: who decides, who is offered."""
        asked = [{"left": left, "right": right} for left, right in pairs]
        return cast(ScoreAnswer, self._send("POST", "/match/score", {"pairs": asked}))

    def score_profiles(self, pairs: Sequence[tuple[Traveller, Traveller]]) -> ScoreAnswer:
        """Score 1 to 1,000 pairs of people by what you know of them."""
        asked = [{"left": left, "right": right} for left, right in pairs]
        return cast(ScoreAnswer, self._send("POST", "/match/score", {"profiles": asked}))

    def score_features(
        self,
        features: Sequence[Mapping[str, float | None]],
        feature_set: str,
        *,
        match_type: MatchType = "user_user",
    ) -> ScoreAnswer:
        """Score 1 to 1,000 pairs by features that you have computed, and by which formulas."""
        asked = {
            "features": [dict(row) for row in features],
            "feature_set": feature_set,
            "match_type": match_type,
        }
        return cast(ScoreAnswer, self._send("POST", "/match/score", asked))

    def rank_partners(
        self, left: str, *, count: int = 20, match_type: MatchType = "user_user"
    ) -> RankAnswer:
        """Return whom to show somebody next: the best of those who are live."""
        asked = {"left": left, "count": count, "match_type": match_type}
        return cast(RankAnswer, self._send("POST", "/match/rank", asked))

    def explain_pair(self, left: str, right: str, *, threshold: float = 0.5) -> ExplainAnswer:
        """Return what a score comes from, and what `left` could change to reach the threshold."""
        asked = {"left": left, "right": right, "threshold": threshold}
        return cast(ExplainAnswer, self._send("POST", "/match/explain", asked))

    def predict_feedback(
        self, kind: str, rows: Sequence[Mapping[str, float | str | None]]
    ) -> PredictAnswer:
        """Predict 1 to 1,000 ratings: quality, csat or model_performance."""
        asked = {"kind": kind, "rows": [dict(row) for row in rows]}
        return cast(PredictAnswer, self._send("POST", "/feedback/predict", asked))

    # --- Models ---

    def list_models(self) -> ModelList:
        """Return the versions of all kinds, the newest of each first."""
        return cast(ModelList, self._send("GET", "/models"))

    def get_champion(self, kind: str) -> ModelFields:
        """Return the live model of a kind, such as match_compatibility."""
        return cast(ModelFields, self._send("GET", f"/models/{quote(kind, safe='')}/champion"))

    # --- What is sent ---

    def put_person(self, external_id: str, person: Person) -> PersonStored:
        """Store the profile of a person: what is left out is not set afterwards."""
        return cast(PersonStored, self._send("PUT", f"/people/{quote(external_id)}", person))

    def delete_person(
        self, external_id: str, *, features: Literal["keep", "drop"] = "keep"
    ) -> ErasureAsked:
        """Erase a person for good, with a key of the scope erase; a job does it."""
        path = f"/people/{quote(external_id)}?features={features}"
        return cast(ErasureAsked, self._send("DELETE", path))

    def put_session(self, external_id: str, trip: Trip) -> TripStored:
        """Store the trip of a person or a group, in place of the one they have."""
        return cast(TripStored, self._send("PUT", f"/sessions/{quote(external_id)}", trip))

    def delete_session(self, external_id: str) -> TripRemoved:
        """Remove the trip of a person or a group."""
        return cast(TripRemoved, self._send("DELETE", f"/sessions/{quote(external_id)}"))

    def send_events(
        self,
        rows: Sequence[Row],
        *,
        feature_set: str | None = None,
        idempotency_key: str = "",
        **reading: Unpack[Reading],
    ) -> EventsTaken:
        """Send 1 to 1,000 match events, each of which lands once.

        Without an `idempotency_key` the request is given one: it holds for tries of this call.
        """
        asked = {"rows": list(rows), "feature_set": feature_set, **reading}
        return cast(EventsTaken, self._send("POST", "/events", asked, _named(idempotency_key)))

    def send_feedback(
        self,
        table: str,
        rows: Sequence[Row],
        *,
        source: str = "",
        idempotency_key: str = "",
        **reading: Unpack[Reading],
    ) -> FeedbackTaken:
        """Send 1 to 1,000 rows of quality_feedback, explanations or ab_testing, each lands once.

        Without an `idempotency_key` the request is given one: it holds for tries of this call.
        """
        asked = {"table": table, "rows": list(rows), "source": source, **reading}
        return cast(FeedbackTaken, self._send("POST", "/feedback", asked, _named(idempotency_key)))

    def record_outcomes(self, outcomes: Sequence[PairOutcome]) -> OutcomesAnswer:
        """Tell what came of 1 to 1,000 scored pairs, by their `response_id`; each counts once."""
        asked = {"outcomes": [dict(outcome) for outcome in outcomes]}
        return cast(OutcomesAnswer, self._send("POST", "/outcomes", asked))

    # --- HTTP ---

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        pause = FIRST_PAUSE
        for tried in range(self._retries + 1):
            try:
                return self._try(method, path, body, headers or {})
            except _ComeAgain as later:
                wait = pause if later.seconds is None else later.seconds
                if tried == self._retries or wait > self._longest_pause:
                    raise later.error from later.__cause__
            time.sleep(wait)
            pause *= 2
        raise AssertionError("unreachable")

    def _try(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> Any:
        request = urllib.request.Request(  # noqa: S310 - the address is of http or https
            self._base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._key}",
                "Content-Type": "application/json",
                **headers,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                return json.loads(answer.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                refusal = SeedbedError(error.code, _problem(error))
            after = error.headers.get("Retry-After", "")
            if error.code in COME_AGAIN and after.isdecimal():
                raise _ComeAgain(refusal, float(after)) from error
            raise refusal from error
        except (OSError, http.client.HTTPException) as error:
            said = {"detail": f"{self._base} does not answer: {error}."}
            raise _ComeAgain(SeedbedError(0, said), None) from error
        except ValueError as error:
            said = {"detail": f"{self._base} answers with what is no JSON."}
            raise SeedbedError(0, said) from error


class _ComeAgain(Exception):
    """A request that is to be sent again, in so many seconds where that is known."""

    def __init__(self, error: SeedbedError, seconds: float | None) -> None:
        super().__init__(str(error))
        self.error, self.seconds = error, seconds


def _named(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key or str(uuid4())}


def _problem(error: urllib.error.HTTPError) -> Mapping[str, Any]:
    try:
        told = json.loads(error.read(MAX_ANSWER_BYTES))
    except (OSError, ValueError):
        told = None
    return told if isinstance(told, dict) else {"detail": str(error.reason)}
