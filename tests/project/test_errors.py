"""Pages that say no: in words, in the admin's look, with a way back; and JSON that is refused."""

import json

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import DataError, models
from django.forms import Form
from django.forms.fields import InvalidJSONInput
from django.test import Client, RequestFactory
from django.urls import reverse

from project.pages.admins import RecordAdmin
from project.pages.errors import is_refused_value, limit_requests, server_error
from project.pages.json_field import StrictJSONField
from tests.factories import make_admin, make_seed_user, make_staff

WAY_BACK = 'href="/admin/">Home</a>'


admin.autodiscover()


def own_admins() -> list[admin.ModelAdmin]:
    return [each for each in admin.site._registry.values() if isinstance(each, RecordAdmin)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "key", ["77", "x", "a b", str(10**30), "9" * 5_000, "\ud800".encode(errors="replace").decode()]
)
def test_a_record_that_is_not_there_is_404_in_words(client: Client, key: str) -> None:
    request = RequestFactory().get("/admin/")
    request.user = make_admin()
    client.force_login(request.user)
    assert len(own_admins()) > 10
    for each in own_admins():
        name = f"admin:{each.opts.app_label}_{each.opts.model_name}"
        for page in ("change", "history", "delete"):
            if page == "delete" and not each.has_delete_permission(request):
                continue
            answer = client.get(reverse(f"{name}_{page}", args=[key]))
            said = answer.content.decode()
            assert answer.status_code == 404, (name, page, answer)
            assert WAY_BACK in said, (name, page)
            assert f'href="{reverse(f"{name}_changelist")}">The list</a>' in said, (name, page)


@pytest.mark.django_db
def test_an_earlier_state_that_is_not_there_is_no_page(client: Client) -> None:
    client.force_login(make_admin())
    user = make_seed_user("one")
    for version in ("77", "x", "9" * 5_000, str(10**30)):
        address = f"/admin/matching/seeduser/{user.pk}/history/{version}/"
        answer = client.get(address)
        assert answer.status_code == 404, answer
        assert WAY_BACK in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/admin/\0/", "/admin/?a=\0", "/admin/?\0=1"])
def test_nul_in_an_address_is_400_in_words(client: Client, address: str) -> None:
    answer = client.get(address.replace("\0", "%00"))
    assert answer.status_code == 400
    assert "NUL" in answer.content.decode()
    assert WAY_BACK in answer.content.decode()


@pytest.mark.django_db
def test_403_says_who_one_is_and_404_tells_a_stranger_nothing(client: Client) -> None:
    assert "There is nothing here" in client.get("/admin-not-here/").content.decode()
    client.force_login(make_staff(name="newcomer"))
    answer = client.get("/admin/jobs/job/", headers={"referer": "http://testserver/admin/"})
    assert answer.status_code == 403
    assert "You are signed in as newcomer" in answer.content.decode()
    assert 'href="http://testserver/admin/">The page before</a>' in answer.content.decode()
    answer = client.get("/admin/jobs/job/", headers={"referer": "https://evil.example/"})
    assert "evil.example" not in answer.content.decode()


@pytest.mark.django_db
def test_a_form_without_the_mark_of_its_page_is_told_what_to_do() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_admin())
    answer = client.post("/admin/matching/seeduser/add/", {})
    assert answer.status_code == 403
    assert "load the page again" in answer.content.decode()


@pytest.mark.django_db
def test_a_host_that_is_not_ours_is_400_without_a_traceback(client: Client, caplog: object) -> None:
    answer = client.get("/admin/", headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert "This cannot be asked" in answer.content.decode()


def test_an_error_of_ours_asks_no_database() -> None:
    """No `django_db`: a query would fail."""
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    answer = server_error(request)
    assert answer.status_code == 500
    assert WAY_BACK in answer.content.decode()


def test_only_the_refusal_of_a_value_is_an_answer() -> None:
    def raised(code: str) -> Exception:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
            exec(code, {"models": models})  # noqa: S102 - three lines of our own
        return caught.value

    assert is_refused_value(raised("models.IntegerField().get_prep_value('x')"))
    assert is_refused_value(DataError("value out of range"))
    assert not is_refused_value(raised("int('x')"))
    assert not is_refused_value(raised("[][1]"))


# --- JSON in forms --------------------------------------------------------------------------------


class _Form(Form):
    value = StrictJSONField()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NaN", "no number"),
        ('{"a": -Infinity}', "no number"),
        ("[1e400]", "below 1.8e308"),
        ("[-1e400]", "below 1.8e308"),
        (f"[{'9' * 5_000}]", "64 bits"),
        (str(2**63), "64 bits"),
        ("[" * 5_000 + "]" * 5_000, "64 levels"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, "64 levels"),
        ("[" * 5_000, "64 levels"),
        (r'{"a": "\u0000"}', "NUL"),
        (r'{"\u0000": 1}', "NUL"),
        (r'"\ud800"', "surrogate"),
        (r'[{"\udfff": []}]', "surrogate"),
        ("1" * 2_000_000, "at most 1,000,000"),
        ("{1: 2}", "valid JSON"),
    ],
)
def test_json_that_not_every_reader_understands_is_refused_in_words(text: str, said: str) -> None:
    form = _Form({"value": text})
    assert said in str(form.errors["value"].as_text())
    shown = form["value"].value()
    assert shown == text
    assert isinstance(form.fields["value"].bound_data(text, None), str)
    form.as_p()
    with pytest.raises(ValidationError):
        StrictJSONField().clean(text)


@pytest.mark.parametrize(
    "value",
    [{"a": [1, 2.5, None, True]}, [[[]]], {"t": '[[[[ \\" {{{'}, 2**63 - 1, "\U0001f600", -(2**63)],
)
def test_json_that_is_sound_passes(value: object) -> None:
    assert StrictJSONField().clean(json.dumps(value)) == value
    assert not isinstance(StrictJSONField().bound_data(json.dumps(value), None), InvalidJSONInput)


@pytest.mark.parametrize("text", ["", "null", " null "])
def test_no_json_at_all_is_the_default_of_the_column(text: str) -> None:
    assert StrictJSONField(required=False, initial=dict).clean(text) == {}
    assert StrictJSONField(required=False).clean(text) is None
    with pytest.raises(ValidationError):
        StrictJSONField(initial=dict).clean(text)


@pytest.mark.parametrize("text", ["[1]", "1", '"text"', "true"])
def test_where_an_object_is_kept_nothing_else_is_taken(text: str) -> None:
    with pytest.raises(ValidationError, match="object in braces"):
        StrictJSONField(required=False, initial=dict).clean(text)


def test_no_form_writes_null_where_a_column_has_none() -> None:
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    for each in admin.site._registry.values():
        for column in each.opts.get_fields():
            if isinstance(column, models.JSONField) and column.blank and not column.null:
                field = each.formfield_for_dbfield(column, request)
                assert field.clean("") is not None, (each, column)


def test_every_json_field_of_every_form_is_the_strict_one() -> None:
    seen = 0
    request = RequestFactory().get("/admin/")
    request.user = AnonymousUser()
    for each in admin.site._registry.values():
        for column in each.opts.get_fields():
            if isinstance(column, models.JSONField):
                assert isinstance(each.formfield_for_dbfield(column, request), StrictJSONField), (
                    each, column,
                )  # fmt: skip
                seen += 1
    assert seen > 20


@pytest.mark.django_db
def test_more_than_a_page_takes_is_413_before_it_is_read(client: Client, settings) -> None:
    settings.MAX_PAGE_UPLOAD_BYTES = 1024**2

    class Unread:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"What was sent was asked for {name}.")

    request = RequestFactory().post("/admin/", CONTENT_LENGTH=str(1024**2 + 1))
    request.environ["wsgi.input"] = request._stream = Unread()
    answer = limit_requests(lambda _: pytest.fail("A page was asked."))(request)
    assert answer.status_code == 413
    assert "at most 1 MiB through a page, got 2 MiB" in answer.content.decode()
    assert WAY_BACK in answer.content.decode()
    for odd in ("", "-1", "many", "9" * 30):
        assert client.get("/admin/login/", CONTENT_LENGTH=odd).status_code == 200, odd
    assert "project.pages.errors.limit_requests" in settings.MIDDLEWARE
