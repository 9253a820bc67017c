"""What of a record is searched: by its stream's templates, or as is usual."""

from __future__ import annotations

from decimal import Decimal

import pytest

from connector_pipelines.core.errors import ConfigurationError, Malformed, ResourceError
from connector_pipelines.core.types import Stream, content_hash
from connector_pipelines.pipeline import templating
from connector_pipelines.pipeline.rendering import MAX_TITLE, Renderer, fields_of, made_by


def render(content: bytes, max_bytes: int = 10_000, **stream):
    return Renderer(Stream(**{"name": "things", "primary_key": ("id",)} | stream), max_bytes).render(content)


def body(template: str, content: bytes = b'{"id": 1, "name": "Ada", "tags": ["a", "b"], "of": {"name": "Works", "items": 3}}') -> str:
    return "".join(text for text, _ in render(content, body=template).chunks)


# as is usual


def test_without_templates_the_key_is_the_title_and_every_text_is_searched():
    found = render(
        b'{"id": 7, "n": 1, "ok": true, "a": "one", "b": {"c": "two", "d": [{"e": "three"}, "four", 5]}, "f": " ", "g": null}',
        primary_key=("id", "b.c", "gone"),
    )

    assert (found.title, found.url) == ("things 7 two", None)
    assert [text for text, _ in found.chunks] == ["a: one\nb.c: two\nb.d.e: three\nb.d: four"]


def test_a_record_without_text_has_no_chunks():
    assert render(b'{"id": 7}').chunks == ()


def test_a_long_text_is_cut_and_a_short_one_is_one_chunk_with_its_hash():
    short, long = render(b'{"a": "short"}'), render(b'{"a": "%s"}' % (b"many words " * 300))

    assert list(short.chunks) == [("a: short", content_hash("a: short"))]
    assert len(long.chunks) > 3
    assert all(len(text) <= 1000 and digest == content_hash(text) for text, digest in long.chunks)


def test_text_that_no_database_takes_is_left_out():
    assert [text for text, _ in render(rb'{"a": "x\u0000y\ud800z"}').chunks] == ["a: xyz"]


# by templates


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ name }}!", "Ada!"),
        ("{{ of.name }} {{ of['name'] }} {{ record.of.name }} {{ record['name'] }}", "Works Works Works Ada"),
        ("{% for t in tags %}{{ loop.index }}{{ t }}{% if not loop.last %},{% endif %}{% endfor %}", "1a,2b"),
        ("{{ tags | join(' ') | upper }}", "A B"),
        ("[{{ missing }}{{ missing.deeper.still }}{{ record['no such'] }}{{ of.nothing }}]", "[]"),
        ("{{ of.items }}", "3"),
        ("[{{ of.keys }}{{ items }}]", "[]"),
        ("{{ id + 1 }} {{ id * 3 }}", "2 3"),
        ("{{ '<b>' }}", "<b>"),
        ("{% for t in missing %}x{% else %}none{% endfor %}", "none"),
    ],
)
def test_a_template_is_filled_in(template, text):
    assert body(template) == text


def test_a_field_may_be_called_anything():
    assert (
        body("{{ record['First name'] }} {{ range }} {{ self_ }}", b'{"First name": "Ada", "range": "of hills", "self_": 1}')
        == "Ada of hills 1"
    )


def test_what_is_null_is_empty():
    assert body("[{{ a }}]", b'{"a": null}') == "[]"


def test_a_title_is_one_line_and_no_longer_than_may_be():
    assert render(b'{"id": 1}', title=" a\n b {{ id }} ").title == "a b 1"
    assert len(render(b'{"id": 1}', title="x" * 10_000).title) == MAX_TITLE


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://x.example/{{ id }}", "https://x.example/1"), (" http://x ", "http://x"), ("javascript:alert({{ id }})", None), ("", None),
        ("https://x\n.example", None), ("{{ missing }}", None), ("file:///etc/passwd", None),
    ],
)  # fmt: skip
def test_a_link_is_an_address_of_the_web_or_none(link, url):
    assert render(b'{"id": 1}', link=link).url == url


# what does not go


@pytest.mark.parametrize(
    "template",
    [
        "{{ 1 / 0 }}", "{{ name + 1 }}", "{{ name.__class__.__mro__[1].__subclasses__() }}", "{{ record.update({}) }}", "{{ tags.append(1) }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% include 'x' %}", "{{ 'x' * 1000000000 }}", "{{ 2 ** 1000000 }}", "{{ missing() }}",
        "{{ name | no_such_filter_at_run_time if false else name.nothing() }}",
    ],
)  # fmt: skip
def test_what_cannot_be_filled_in_is_a_fault_of_the_record(template):
    with pytest.raises((Malformed, ConfigurationError)) as fault:
        body(template)
    assert "`body` of the stream 'things'" in str(fault.value)


def test_the_values_of_a_record_are_not_in_the_message():
    with pytest.raises(Malformed) as fault:
        body("{{ secret + 1 }}", b'{"secret": "hunter2"}')
    assert "hunter2" not in str(fault.value)


def test_a_template_that_is_none_is_a_setting_to_correct():
    with pytest.raises(ConfigurationError, match=r"`title` of the stream 'things' is no template: .* \(line 1\)"):
        render(b"{}", title="{{ name")


@pytest.mark.parametrize(
    "template",
    ["{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}", "{% for a in big %}{% for b in big %}{% endfor %}{% endfor %}"],
)  # fmt: skip
def test_loops_take_no_more_turns_than_they_may(template, monkeypatch):
    monkeypatch.setattr(templating, "MAX_TURNS", 5_000)

    with pytest.raises(ResourceError, match="5000 turns"):
        body(template, b'{"big": [%s]}' % b",".join([b"1"] * 1000))


def test_turns_are_counted_for_each_record(monkeypatch):
    monkeypatch.setattr(templating, "MAX_TURNS", 3)
    renderer = Renderer(Stream(name="things", primary_key=(), body="{% for t in tags %}{{ t }}{% endfor %}"), 100)

    assert [renderer.render(b'{"tags": ["a", "b"]}').chunks[0][0] for _ in range(3)] == ["ab"] * 3


@pytest.mark.parametrize("stream", [{}, {"body": "{{ a }}"}, {"body": "{% for b in a %}{{ a }}{% endfor %}"}])
def test_text_beyond_the_limit_is_refused(stream):
    with pytest.raises(ResourceError) as refusal:
        render(b'{"a": "%s"}' % (b"x" * 101), max_bytes=100, **stream)
    assert refusal.value.limit == "max_text_bytes=100"


# the fields


def test_numbers_are_what_they_were():
    fields = fields_of(b'{"a": 1.5, "b": 123456789012345678901234567890, "c": 0.1234567890123456789, "d": 1e400, "e": -7}')

    assert fields == {"a": 1.5, "b": 123456789012345678901234567890, "c": Decimal("0.1234567890123456789"), "d": Decimal("1e400"), "e": -7}
    assert [type(fields[name]) for name in "ab"] == [float, int]


@pytest.mark.parametrize(("content", "fields"), [(b'{"a": NaN}', {"a": None}), (rb'{"a": "\ud800"}', {"a": "\ud800"})])
def test_what_others_send_and_the_standard_refuses_is_read(content, fields):
    assert fields_of(content) == fields


@pytest.mark.parametrize("content", [b"", b"x", b"[1]", b"1", b'{"a"', b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(content):
    with pytest.raises(Malformed):
        fields_of(content)


# its name


def test_another_template_is_another_name():
    stream = {"name": "things", "primary_key": ("id",)}
    names = {made_by(Stream(**stream | other)) for other in ({}, {"title": "x"}, {"body": "x"}, {"link": "x"}, {"primary_key": ("other",)})}

    assert len(names) == 5
    assert made_by(Stream(**stream, columns={"a": "text"}, cursor_field="a")) == made_by(Stream(**stream))
