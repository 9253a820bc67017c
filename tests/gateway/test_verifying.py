"""Which calls are genuine, as the systems that make them sign them; and that nothing near to genuine is."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.webhooks import ByToken, HmacSignature, WebhookSettings
from connector_pipelines.gateway.calls import Call, Refusal
from connector_pipelines.gateway.verifying import check_signature, check_token, key_of

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECONDS = str(int(NOW.timestamp()))
KEY = b"a-secret-for-webhooks"
BODY = b'{"id": 7}'
URL = "https://hooks.example.com/webhooks/crm"


def call(body: bytes = BODY, query: str = "", method: str = "POST", **headers: str) -> Call:
    return Call(method=method, headers=[(name.replace("_", "-").lower(), value) for name, value in headers.items()], query=query, body=body)


def signature(message: bytes, key: bytes = KEY, algorithm: str = "sha256") -> bytes:
    return hmac.digest(key, message, algorithm)


def settings(**given: Any) -> HmacSignature:
    return HmacSignature(**{"secrets": ["env:SECRET"], "header": "X-Signature", **given})


def check(how: HmacSignature, one: Call, keys: tuple[bytes, ...] = (KEY,), now: datetime = NOW) -> str:
    """The timestamp, or why it was refused."""
    try:
        return check_signature(how, keys, one, now) or "genuine"
    except Refusal as refusal:
        return refusal.reason


GITHUB = settings(header="X-Hub-Signature-256", prefix="sha256=")
SHOPIFY = settings(header="X-Shopify-Hmac-Sha256", encoding="base64")
SLACK = settings(
    header="X-Slack-Signature", prefix="v0=", signed="v0:{timestamp}:{body}", timestamp={"header": "X-Slack-Request-Timestamp"}
)
STRIPE = settings(
    header="Stripe-Signature", prefix="v1=", separator=",", signed="{timestamp}.{body}",
    timestamp={"header": "Stripe-Signature", "prefix": "t=", "separator": ","},
)  # fmt: skip
HUBSPOT = settings(
    header="X-HubSpot-Signature-v3", encoding="base64", signed="{method}{url}{body}{timestamp}", url=URL,
    timestamp={"header": "X-HubSpot-Request-Timestamp"},
)  # fmt: skip
STANDARD = settings(
    header="webhook-signature", prefix="v1,", separator=" ", encoding="base64", secret_encoding="base64",
    signed="{header:webhook-id}.{timestamp}.{body}", timestamp={"header": "webhook-timestamp"},
)  # fmt: skip
MILLISECONDS = f"{SECONDS}123"


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


GENUINE = {
    "github": (GITHUB, call(X_Hub_Signature_256=f"sha256={signature(BODY).hex()}")),
    "shopify": (SHOPIFY, call(X_Shopify_Hmac_Sha256=b64(signature(BODY)))),
    "slack": (
        SLACK,
        call(X_Slack_Request_Timestamp=SECONDS, X_Slack_Signature=f"v0={signature(f'v0:{SECONDS}:'.encode() + BODY).hex()}"),
    ),
    "stripe": (
        STRIPE,
        call(Stripe_Signature=f"t={SECONDS}, v0=00ff, v1={'0' * 64}, v1={signature(f'{SECONDS}.'.encode() + BODY).hex()}"),
    ),
    "hubspot": (
        HUBSPOT,
        call(
            X_HubSpot_Request_Timestamp=MILLISECONDS,
            X_HubSpot_Signature_v3=b64(signature(f"POST{URL}".encode() + BODY + MILLISECONDS.encode())),
        ),
    ),
    "standard": (
        STANDARD,
        call(
            webhook_id="msg_1",
            webhook_timestamp=SECONDS,
            webhook_signature=f"v1,{b64(signature(b'other'))} v1,{b64(signature(f'msg_1.{SECONDS}.'.encode() + BODY))} v1a,x",
        ),
    ),
}


@pytest.mark.parametrize("scheme", GENUINE)
def test_calls_are_genuine_as_the_systems_that_make_them_sign_them(scheme: str) -> None:
    how, one = GENUINE[scheme]

    assert check(how, one) not in {"unsigned", "forged", "replayed", "ambiguous"}
    assert check(how, one, (b"the-old-one", KEY)) == check(how, one)


@pytest.mark.parametrize("scheme", GENUINE)
def test_a_call_is_forged_when_its_body_is_another_or_its_secret_is(scheme: str) -> None:
    how, one = GENUINE[scheme]
    other = Call(method=one.method, headers=one.headers, query=one.query, body=one.body + b" ")

    assert (check(how, other), check(how, one, (b"another",))) == ("forged", "forged")


@pytest.mark.parametrize("scheme", ["slack", "stripe", "hubspot", "standard"])
def test_a_call_is_replayed_when_it_is_older_than_five_minutes_or_from_the_future(scheme: str) -> None:
    how, one = GENUINE[scheme]
    skews = [timedelta(seconds=s) for s in (-302, -299, 299, 302)]

    assert [check(how, one, now=NOW + skew) == "replayed" for skew in skews] == [True, False, False, True]


@pytest.mark.parametrize("scheme", ["slack", "stripe", "hubspot", "standard"])
def test_an_old_call_with_a_fresh_time_put_in_is_forged(scheme: str) -> None:
    how, one = GENUINE[scheme]
    fresh = str(int(NOW.timestamp()) + 3600)
    put_in = [(name, value.replace(MILLISECONDS, fresh).replace(SECONDS, fresh)) for name, value in one.headers]

    assert check(how, Call(method="POST", headers=put_in, query="", body=BODY), now=NOW + timedelta(hours=1)) == "forged"


@pytest.mark.parametrize("time", ["", "soon", "-5", "1e9", "9" * 17, "٣" * 10, f"{SECONDS} ", "2026-13-01T00:00:00Z", "9999999999999999"])
def test_a_time_that_is_none_is_no_proof(time: str) -> None:
    message = f"v0:{time}:".encode("latin-1", errors="replace") + BODY
    one = call(X_Slack_Request_Timestamp=time, X_Slack_Signature=f"v0={signature(message).hex()}")

    try:
        found = check(SLACK, one)
    except UnicodeEncodeError:
        found = "no header holds that"
    assert found in {"unsigned", "replayed", "forged", "no header holds that"}


def test_a_time_may_be_written_as_iso_8601() -> None:
    time = "2026-03-10T12:00:30Z"
    one = call(X_Slack_Request_Timestamp=time, X_Slack_Signature=f"v0={signature(f'v0:{time}:'.encode() + BODY).hex()}")

    assert check(SLACK, one) == time


@pytest.mark.parametrize(
    "value",
    ["", "sha256=", "sha256", "sha1=00", "sha256=zz", "sha256=é", f"sha256={signature(BODY).hex()[:-2]}", f"sha256={signature(BODY).hex()}00",
     f"SHA256={signature(BODY).hex()}", f"sha256={b64(signature(BODY))}", "sha256=" + "0" * 10_000],
)  # fmt: skip
def test_what_is_no_signature_is_refused(value: str) -> None:
    assert check(GITHUB, call(X_Hub_Signature_256=value)) in {"unsigned", "forged"}


def test_a_call_without_the_header_is_unsigned_and_one_that_has_it_twice_is_ambiguous() -> None:
    good = f"sha256={signature(BODY).hex()}"
    twice = Call(method="POST", headers=[("x-hub-signature-256", good), ("x-hub-signature-256", "sha256=00")], query="", body=BODY)

    assert check(GITHUB, call()) == "unsigned"
    assert check(GITHUB, twice) == "ambiguous"
    assert check(STRIPE, call(Stripe_Signature=f"t={SECONDS},t=1,v1=00")) == "ambiguous"


def test_of_a_thousand_signatures_in_a_header_only_the_first_few_are_tried() -> None:
    good = signature(f"{SECONDS}.".encode() + BODY).hex()

    assert check(STRIPE, call(Stripe_Signature=f"t={SECONDS}," + ",".join(["v1=00"] * 1000) + f",v1={good}")) == "forged"


def test_other_hashes_and_keys_in_other_spellings_are_known() -> None:
    for algorithm in ("sha1", "sha512"):
        assert check(settings(algorithm=algorithm), call(X_Signature=signature(BODY, algorithm=algorithm).hex())) == "genuine"
    assert key_of(settings(secret_encoding="hex"), KEY.hex()) == KEY
    assert key_of(settings(secret_encoding="base64"), f"whsec_{b64(KEY)}") == KEY


def test_a_secret_in_the_wrong_spelling_is_told_without_it() -> None:
    with pytest.raises(ConfigurationError, match="is not hex") as told:
        key_of(settings(secret_encoding="hex"), "hunter2hunter2")

    assert "hunter2" not in f"{told.value!r} {told.value.advice} {told.value.__context__!r}"


@given(st.binary(max_size=200), st.text(alphabet=st.characters(max_codepoint=255), max_size=80))
def test_no_guess_is_genuine(body: bytes, guess: str) -> None:
    for how in (GITHUB, SHOPIFY, settings()):
        assert check(how, call(body, **{how.header.replace("-", "_"): how.prefix + guess})) in {"unsigned", "forged"}


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=80))
def test_no_guess_is_the_token(guess: str) -> None:
    with pytest.raises(Refusal):
        check_token(ByToken(secrets=["env:TOKEN"], name="X-T"), (KEY, b"another"), call(X_T=guess))


def test_signatures_and_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[int, int]] = []

    def watched(ours: bytes, theirs: bytes) -> bool:
        compared.append((len(ours), len(theirs)))
        return compare(ours, theirs)

    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", watched)
    check(GITHUB, GENUINE["github"][1], (KEY, b"old"))
    check_token(ByToken(secrets=["env:TOKEN"], name="X-T"), (KEY, b"old"), call(X_T=KEY.decode()))

    # With the first key it is genuine already; the second is compared all the same. Of tokens, hashes are.
    assert compared == [(32, 32)] * 4


def test_a_token_may_have_letters_that_are_not_ascii() -> None:
    check_token(ByToken(secrets=["env:TOKEN"], name="X-T"), ("schlüssel".encode(),), call(X_T="schlüssel".encode().decode("latin-1")))


def test_a_token_in_the_query_is_there_once() -> None:
    how = ByToken(secrets=["env:TOKEN"], place="query", name="token")

    check_token(how, (b"a&b c",), call(query="x=1&token=a%26b+c"))
    for query, reason in (("token=a&token=b", "ambiguous"), ("token=", "unsigned"), ("&".join(["a=1"] * 200), "malformed")):
        with pytest.raises(Refusal, match=reason):
            check_token(how, (b"a",), call(query=query))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"signed": "{timestamp}"}, "should hold {body}"),
        ({"signed": "{bdoy}"}, "not {bdoy}"),
        ({"signed": "{body"}, "single brace"),
        ({"signed": "{timestamp}.{body}"}, "go together"),
        ({"timestamp": {"header": "X-Time"}}, "go together"),
        ({"signed": "{url}{body}"}, "go together"),
        ({"secrets": ["hunter2"]}, "reference to a secret"),
        ({"secrets": []}, "at least 1"),
        ({"header": "X Signature"}, "pattern"),
    ],
)
def test_settings_that_would_prove_nothing_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(**wrong)


def test_a_delivery_goes_by_one_place_only() -> None:
    for wrong in ({}, {"header": "X-Id", "path": "id"}):
        with pytest.raises(ValidationError, match="one of"):
            WebhookSettings.model_validate({"verify": {"type": "source"}, "delivery_id": wrong})
