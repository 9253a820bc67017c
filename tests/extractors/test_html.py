from __future__ import annotations

import pytest

from connector_pipelines.core.errors import ResourceError
from connector_pipelines.extractors.html import Extractor
from tests.extractors.conftest import MakeFile, read

HTML = "text/html"
PAGE = b"""<!doctype html><html><head><title> Site
 portal </title><style>p {color: red}</style><script>var wall = 1;</script></head>
<body><nav><a href="/">Home</a></nav><p>Welcome to<b> the site</b>.</p>
<h1>Walls</h1><p>See <a href="https://example.com/plan">the plan</a>.<br>New line</p>
<h2>Axis <i>7</i></h2><ul><li>one<li>two</ul>
<table><tr><th>Point</th><th>mm</th></tr><tr><td>P1</td><td>14</td></tr></table>
<template>unseen</template><noscript>no script</noscript><!-- remark --><img alt="photo of the crack">
</body></html>"""


def test_a_page_is_split_at_headings_without_scripts_and_navigation(make_file: MakeFile) -> None:
    found = read(Extractor(), make_file("a.html", PAGE, HTML))

    assert [(section.place.heading, section.text) for section in found.sections] == [
        (None, "Welcome to the site."),
        ("Walls", "Walls\nSee the plan.\nNew line"),
        ("Walls › Axis 7", "Axis 7\none\ntwo\nPoint | mm\nP1 | 14\nphoto of the crack"),
    ]
    assert found.facts.title == "Site portal"


@pytest.mark.parametrize(
    "meta", ['<meta charset="windows-1251">', '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">']
)
def test_the_charset_a_page_names_is_honoured(make_file: MakeFile, meta: str) -> None:
    data = f"<html><head>{meta}<title>Стена</title></head><body>да</body></html>".encode("cp1251")

    found = read(Extractor(), make_file("a.html", data, HTML))

    assert found.facts.title == "Стена"
    assert found.text == "да"


@pytest.mark.parametrize("charset", ["hex", "no-such-charset", "utf-16"])
def test_a_charset_that_cannot_be_is_passed_over(make_file: MakeFile, charset: str) -> None:
    data = f'<meta charset="{charset}"><p>größer</p>'.encode("cp1252")

    assert read(Extractor(), make_file("a.html", data, HTML)).text == "größer"


def test_a_page_nested_five_thousand_deep_does_no_harm(make_file: MakeFile) -> None:
    data = b"<div>" * 5_000 + b"deep"

    assert read(Extractor(), make_file("a.html", data, HTML)).text == "deep"


def test_a_page_far_larger_than_its_text_may_be_is_not_read(make_file: MakeFile) -> None:
    with pytest.raises(ResourceError):
        read(Extractor(), make_file("a.html", b"<p>x</p>" * 1000, HTML, max_text_bytes=1000))
