"""What the API server says when it refuses, as people and the engine read it."""

import orjson
import pytest

from gitops.cluster import ApiRefused, UnknownKind
from gitops.cluster.errors import api_error
from gitops.cluster.secrets import hide_secret_values


def status(code: int, reason: str, message: str, **details: object) -> bytes:
    return orjson.dumps(
        {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": message, "details": details}
    )


def test_the_sentence_names_what_was_asked_and_the_server_s_own_words() -> None:
    error = api_error(
        "apply Deployment/team/web",
        422,
        status(
            422,
            "Invalid",
            'Deployment.apps "web" is invalid: spec.selector: field is immutable',
            causes=[{"reason": "FieldValueInvalid", "field": "spec.selector", "message": "field is immutable"}],
        ),
    )

    assert str(error).startswith('apply Deployment/team/web: Deployment.apps "web" is invalid')
    assert (error.invalid, error.immutable, error.conflict) == (True, True, False)
    assert error.causes[0].field == "spec.selector"


@pytest.mark.parametrize(
    ("code", "message", "permanent"),
    [
        (403, "forbidden", True),
        (422, "invalid", True),
        (500, "failed to create typed patch object (a/b; /v1, Kind=ConfigMap): .x: field not declared in schema", True),
        (500, "etcdserver: leader changed", False),
        (409, "object was modified", False),
        (429, "too many requests", False),
        (504, "timeout", False),
    ],
)
def test_an_error_knows_whether_trying_again_can_help(code: int, message: str, permanent: bool) -> None:
    error = api_error("apply", code, status(code, "", message))

    assert isinstance(error, ApiRefused) is permanent
    assert error.transient is not permanent


def test_a_proxy_s_page_is_cut_to_its_first_line() -> None:
    error = api_error("get", 502, b"Bad Gateway\n<html>a long page</html>")

    assert error.message == "Bad Gateway"


def test_an_unknown_kind_says_what_to_do() -> None:
    assert "kind Foo of x.io/v1; install its CustomResourceDefinition" in str(UnknownKind("x.io", "v1", "Foo"))


@pytest.mark.parametrize("value", ["aHVudGVyMg==", 123456, 'quo"ted'])
def test_a_secret_s_values_are_not_repeated(value: object) -> None:
    sent = orjson.dumps({"kind": "Secret", "data": {"password": value}})
    answer = status(500, "", f".data.password: expected string, got {value}")

    shown = hide_secret_values(answer, sent)

    assert "***" in api_error("apply", 500, shown).message
    assert str(value) not in api_error("apply", 500, shown).message
