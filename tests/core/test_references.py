"""What is written like a reference to a secret, and what is not."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from connector_pipelines import telemetry
from connector_pipelines.core.references import FORMS, SCHEMES, LocalReference, SecretReference, is_reference

RIGHT = [
    "env:TOKEN", "env:_x1", "file:a", "file:/run/secrets/a b", "vault:kv/app#password", "vault:kv/team/app?version=3#client secret",
    "vault:secret/data.json#key", "aws:prod/app", "aws:prod/app#password", "aws:arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/app-AbCdEf#a",
    "store:api", "store:crm/token.v2",
]  # fmt: skip
WRONG = [
    "", "TOKEN", "env:", "env:1x", "env:a b", "file:", "file: x", "vault:kv", "vault:kv/app", "vault:kv/app#", "vault:/app#x", "vault:kv/#x",
    "vault:kv/app#x#y", "vault:kv/app?version=0#x", "vault:kv/app#x?", "aws:", "aws:a b", "aws:a#", "store:", "store:/x", "store:a b", "store:" + "x" * 201,
    "ENV:TOKEN", "https://user:password@host", "hvs.CAESIJ", "bao:kv/app#x",
]  # fmt: skip


@pytest.mark.parametrize("text", RIGHT)
def test_a_reference_is_taken_as_it_is(text):
    assert TypeAdapter(SecretReference).validate_python(text) == text


@pytest.mark.parametrize("text", [text for text in WRONG if text != "vault:kv/app#x?"])
def test_anything_else_is_refused_without_being_shown(text):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(SecretReference).validate_python(text)

    told = caught.value.errors(include_input=False)[0]["msg"]
    assert all(form in told for form in FORMS.values())
    assert not text or text.partition(":")[2] == "" or text not in told


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_needed_first_is_on_this_machine(text):
    assert is_reference(text, ("env", "file")) is text.startswith(("env:", "file:"))
    if not text.startswith(("env:", "file:")):
        with pytest.raises(ValidationError, match="env:NAME or file:PATH"):
            TypeAdapter(LocalReference).validate_python(text)


def test_a_reference_is_no_secret_to_the_log():
    assert telemetry._REFERENCES == SCHEMES
    for reference in RIGHT:
        assert telemetry.masked("password", reference) == reference
        assert telemetry.scrub(f'password="{reference}"') == f'password="{reference}"'
