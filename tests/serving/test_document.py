"""Requests made from the document of the API: no answer that it does not tell, no fault of ours.

What is sent fits the document, or breaks it on purpose. The same requests in every run.
"""

import json

import pytest
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from feedback.domain.door import DOORS
from matching.domain.doors import EVENTS
from project.wsgi import application
from serving.api.app import api
from serving.api.events_schemas import EventsTaken
from serving.api.feedback_schemas import FeedbackTaken
from tests.factories import make_group, make_seed_user, make_session
from tests.training.batches import make_dataset, make_model
from training.services import registry

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("valkey")]
EXAMPLES = 25  # of each operation and way
LOOKED_FOR = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
OPERATIONS = [
    (method, path)
    for path, operations in api.get_openapi_schema()["paths"].items()
    for method in operations
]


@pytest.fixture
def token(make_token):
    """Return the key of an application that may everything, as often as it likes."""
    for name in ("ana", "ben"):
        make_session(make_seed_user(name))
    make_session(make_group("club"))
    registry.promote(make_model(make_dataset()))
    return make_token(requests_per_minute=1_000_000)


@pytest.fixture
def document(token):
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)


@pytest.mark.parametrize("way", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=map(" ".join, OPERATIONS))
def test_no_request_gets_an_answer_that_the_document_does_not_tell(
    document, token, method, path, way
):
    checks = [CHECKS.get_one(name) for name in LOOKED_FOR]
    operation = document[path][method]

    @given(case=operation.as_strategy(generation_mode=way))
    @bounded
    def ask(case):
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=checks)

    ask()


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["like", "accept", "user_user", "2026-05-01", "2026-05-01T12:00:00Z", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.mark.parametrize("path", ["events", *DOORS])
def test_rows_whose_fields_hold_anything_are_refused_in_words(token, path):
    """The document says little of what rows hold: these have our names, and any values."""
    door = EVENTS if path == "events" else DOORS[path]
    rows = st.fixed_dictionaries({}, optional={one.name: VALUES for one in door.fields})
    more = {} if path == "events" else {"table": path}
    client = Client(headers={"Authorization": f"Bearer {token}"}, raise_request_exception=False)

    @given(st.lists(rows, min_size=1, max_size=12), st.sampled_from(["", "as-is"]))
    @bounded
    def send(rows, mapping):
        answer = client.post(
            f"/api/v1/{'events' if path == 'events' else 'feedback'}",
            json.dumps({"rows": rows, "mapping": mapping, **more}),
            content_type="application/json",
        )
        told = answer.json()
        if answer.status_code == 200:
            schema = EventsTaken if path == "events" else FeedbackTaken
            schema.model_validate(told)
        else:
            assert answer.status_code in (400, 422), told
            assert told["remedy"]
            assert "--" not in told["remedy"]

    send()
