"""Log events as they leave the process, written by a real process of their own."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
import threading

import pytest

from connector_pipelines.telemetry import get_logger, masked, redact, scrub


def run(body: str, *, style: str = "json", level: str = "INFO") -> list[str]:
    start = f"""
    import logging
    from connector_pipelines.telemetry import configure_logging, get_logger, redact, scrub
    configure_logging({level!r}, {style!r})
    log = get_logger("connector_pipelines.test")
    """
    code = textwrap.dedent(start) + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer abc.def-ghi", "Authorization: ***"),
        ("{'Authorization': 'Basic Zm9vOmJhcg==', 'Accept': 'x'}", "{'Authorization': '***', 'Accept': 'x'}"),
        ("sent Bearer eyJhbGciOi.abc", "sent Bearer ***"),
        ("password=hunter2 user=bob", "password=*** user=bob"),
        ("host=h password='two words' user=bob", "host=h password=*** user=bob"),
        ('{"client_secret": "a\\"b", "id": 1}', '{"client_secret": ***, "id": 1}'),
        ("password: hunter2", "password: ***"),
        ("token=abc&x=1", "token=***&x=1"),
        ("postgresql://bob:pa@ss@h:5432/db", "postgresql://bob:***@h:5432/db"),
        (
            "GET https://s/x?X-Amz-Credential=AK&X-Amz-Date=1&X-Amz-Signature=f0",
            "GET https://s/x?X-Amz-Credential=***&X-Amz-Date=1&X-Amz-Signature=***",
        ),
        ("https://s/x?sv=1&sig=abc%3D&se=2", "https://s/x?sv=1&sig=***&se=2"),
        ("https://s/x?access_token=abc", "https://s/x?access_token=***"),
        ("https://s/x?alt=json&key=AIzaSy", "https://s/x?alt=json&key=***"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text, expected):
    assert scrub(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:9000/bucket/logo@2x.png is not there",
        "the token expected here is a comma",
        "settings.token: is missing; add it",
        "password=env:DB_PASSWORD and secret=file:/run/secret",
        "max_tokens=512 tokenizer=wordllama monkey=1 keyword=x",
        "mail bob@example.com",
    ],
)
def test_what_only_resembles_one_is_left_readable(text):
    assert scrub(text) == text


def test_a_known_secret_is_masked_in_every_form_it_turns_up_in():
    redact("p@ss/wörd-5519'x")

    text = "plain p@ss/wörd-5519'x, quoted p%40ss%2Fw%C3%B6rd-5519%27x, repr " + repr(["p@ss/wörd-5519'x"])

    assert "5519" not in scrub(text)


def test_each_line_of_a_known_key_is_masked():
    redact("-----BEGIN KEY-----\nMIIEvQIBADANBgkqh\nkiG9w0BAQEFAASCBKcw\n-----END KEY-----\n")

    assert scrub("line 2 is kiG9w0BAQEFAASCBKcw") == "line 2 is ***"


def test_a_short_known_secret_is_masked_as_a_word_and_does_not_eat_others():
    redact("qwerty")

    assert scrub("qwerty qwertyuiop (qwerty)") == "*** qwertyuiop (***)"


def test_a_value_too_short_to_mask_leaves_text_alone():
    redact("e")
    redact("")

    assert scrub("here we are") == "here we are"


def test_a_secret_inside_a_longer_one_leaves_no_rest():
    redact("inner-secret-1234")
    redact("prefix-inner-secret-1234-suffix")

    assert scrub("x prefix-inner-secret-1234-suffix y") == "x *** y"


def test_secrets_may_be_made_known_while_others_log():
    names = [f"thread-secret-{n:04d}-value" for n in range(200)]
    threads = [threading.Thread(target=lambda part=names[k::4]: [redact(name) or scrub(name) for name in part]) for k in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {scrub(name) for name in names} == {"***"}


def test_a_field_named_like_a_secret_is_masked_whole_and_references_are_not():
    assert masked("client_secret", "x y") == "***"
    assert masked("apiKey", "x") == "***"
    assert masked("headers", {"Authorization": "Basic x", "Accept": "y"}) == {"Authorization": "***", "Accept": "y"}
    assert masked("password", "env:DB_PASSWORD") == "env:DB_PASSWORD"
    assert masked("max_tokens", 512) == 512


def test_an_event_is_one_json_object_with_its_fields():
    (line,) = run('log.info("sync_finished", endpoint="docs", files=3, took=None)')

    event = json.loads(line)

    assert event.pop("timestamp").endswith("+00:00")
    assert event == {
        "event": "sync_finished",
        "endpoint": "docs",
        "files": 3,
        "took": None,
        "level": "info",
        "logger": "connector_pipelines.test",
    }


def test_events_below_the_level_are_not_written():
    assert run('log.debug("quiet"); log.info("quiet")', level="WARNING") == []


@pytest.mark.parametrize("style", ["json", "console"])
def test_secrets_leave_neither_in_fields_nor_in_tracebacks_nor_from_libraries(style):
    lines = run(
        """
        redact("known-secret-4711")
        try:
            raise RuntimeError("login known-secret-4711 failed; password=other-secret-4712")
        except RuntimeError as error:
            log.exception("sync_failed", error=error, url="postgresql://u:third-secret-4713@h/db", seen=["known-secret-4711"])
        logging.getLogger("httpx").warning("GET %s", "https://h/?sig=fourth-secret-4714")
        logging.getLogger("googleapiclient.discovery").warning("URL being requested: %s", "https://h/?resourcekey=0-fifth-secret-4715")
        logging.getLogger("google.auth.transport").warning("headers: %s", {"X-Goog-Drive-Resource-Keys": "a/0-4716,b/0-4717"})
        log.info("file_read", resource_key="0-eighth-secret-4718")
        logging.getLogger("connector_pipelines.plain").error("plain known-secret-4711")
        """,
        style=style,
    )

    text = "\n".join(lines)
    assert "Traceback" in text
    assert "RuntimeError" in text
    assert all(name in text for name in ("httpx", "googleapiclient", "google.auth"))
    assert "plain ***" in text
    assert [n for n in ("4711", "4712", "4713", "4714", "4715", "4716", "4717", "4718") if n in text] == []


def test_a_hostile_file_name_writes_no_line_of_its_own():
    lines = run(r'log.info("file_stored", path="a\n2026-01-01 [error] forged \x1b[31m \udcff")', style="console")

    assert len(lines) == 1
    assert "\x1b[31m" not in lines[0]


def test_configuring_twice_writes_each_event_once():
    assert len(run('configure_logging("INFO", "json"); log.info("once")')) == 1


def test_the_loggers_of_the_process_and_of_dagster_are_left_as_they_are():
    lines = run(
        """
        root, dagster = logging.getLogger(), logging.getLogger("dagster")
        mine = logging.StreamHandler()
        root.addHandler(mine); dagster.setLevel("INFO")
        configure_logging("DEBUG", "json")
        assert root.handlers == [mine] and root.level == logging.WARNING
        assert dagster.handlers == [] and dagster.propagate
        dagster.info("from dagster")
        log.info("ours")
        """
    )

    assert lines[0] == "from dagster"
    assert json.loads(lines[1])["event"] == "ours"
    assert len(lines) == 2


def test_handlers_of_others_get_our_events_as_readable_text(caplog):
    log = get_logger("elsewhere.connector")

    with caplog.at_level(logging.INFO, logger="elsewhere.connector"):
        log.info("sync_finished", endpoint="docs", api_key="abc")

    assert caplog.messages == ["sync_finished endpoint=docs api_key=***"]
