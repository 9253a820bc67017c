"""Which paths globs cover, what names become, and which media types they claim."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from connector_pipelines.sources._globs import Scope
from connector_pipelines.sources._media_types import media_type_of
from connector_pipelines.sources.local_folder import Config
from connector_pipelines.sources.local_folder.names import id_of, name_of, path_of

ANY_NAME = st.binary(min_size=1, max_size=12).filter(lambda b: b not in {b".", b".."} and not {0, 0x2F} & set(b)).map(os.fsdecode)
# Drawn from what escaping turns on, which random bytes hardly ever hit.
TRICKY_NAME = st.lists(st.sampled_from(["%", "2", "5", "F", "E", "9", "é", "\udcff", "\udce9", "\n"]), min_size=1).map("".join)
ANY_PATH = st.lists(ANY_NAME | TRICKY_NAME, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("pattern", "covered", "not_covered"),
    [
        ("**/*", ["a", "a/b", ".a/.b/c", "a\nb", "a/b\nc"], []),
        ("**", ["a", "a/b"], []),
        ("*", ["a", ".a", "a b"], ["a/b"]),
        ("*.pdf", ["a.pdf", ".pdf", "a\n.pdf"], ["a.PDF", "d/a.pdf", "a.pdf.txt", "a.pdfx", "apdf"]),
        ("**/*.pdf", ["a.pdf", "d/a.pdf", "d/e/a.pdf"], ["a.txt", "a.pdf/b"]),
        ("docs/**", ["docs", "docs/a", "docs/a/b"], ["docsx", "docsx/a", "a/docs/b", "Docs/a"]),
        ("docs/*", ["docs/a"], ["docs", "docs/a/b"]),
        ("docs/**/*.md", ["docs/a.md", "docs/b/c/a.md"], ["a.md", "docs/a.txt"]),
        ("a/**/b/**/c", ["a/b/c", "a/x/b/c", "a/x/y/b/z/c", "a/b/b/c"], ["a/c", "a/b", "x/a/b/c"]),
        ("**/a/**", ["a", "a/b", "x/a", "x/y/a/b/c"], ["b", "xa/b", "ax"]),
        ("**/**/a", ["a", "x/a", "x/y/a"], ["ab"]),
        ("?.txt", ["a.txt", "é.txt", "🏗.txt"], ["ab.txt", ".txt", "e\u0301.txt"]),
        ("a?b", ["a.b"], ["a/b", "ab"]),
        ("[abc].txt", ["a.txt"], ["d.txt", "A.txt"]),
        ("[!abc]", ["d", "^"], ["a", "/"]),
        ("[a-cx]", ["b", "x"], ["d", "-"]),
        ("a[+-9]b", ["a0b", "a.b"], ["a/b"]),
        ("a[!x]b", ["a.b"], ["a/b"]),
        ("[]]", ["]"], ["[]]"]),
        ("[!]]", ["a"], ["]"]),
        ("[[]", ["["], []),
        ("[*?]", ["*", "?"], ["a", ""]),
        ("[^a]", ["^", "a"], ["b"]),
        ("[\\d]", ["\\", "d"], ["1"]),
        ("[a", ["[a"], ["a"]),
        ("{a,b}.txt", ["{a,b}.txt"], ["a.txt"]),
        ("a.b+c(d)|e$", ["a.b+c(d)|e$"], ["axb+c(d)|e$"]),
        ("**/~$*", ["~$a.docx", "x/~$a.docx"], ["a~$", "~a"]),
        ("**/.~lock.*#", [".~lock.a.odt#"], [".~lock.a.odt"]),
    ],
)
def test_globs_cover(pattern: str, covered: list[str], not_covered: list[str]) -> None:
    include, exclude = Scope.of([pattern], []), Scope.of(["**"], [pattern])
    for path in covered:
        assert (path, include.includes(path), exclude.excludes(path)) == (path, True, True)
    for path in not_covered:
        assert (path, include.includes(path), exclude.excludes(path)) == (path, False, False)


@pytest.mark.parametrize("pattern", ["", "/a", "a/", "a//b", "../a", "a/./b", "a**", "**b/c", "a/***", "[z-a]"])
def test_what_cannot_be_read_as_a_glob_is_refused(pattern: str) -> None:
    for setting in ("include", "exclude"):
        with pytest.raises(ValidationError) as refusal:
            Config.model_validate({"root": "/data", setting: [pattern]})
        assert repr(pattern) in str(refusal.value)


@pytest.mark.parametrize(
    ("patterns", "may", "may_not"),
    [
        (["**/*"], ["a", "a/b"], []),
        (["*.pdf"], [], ["a", "a.pdf"]),
        (["docs/*.pdf"], ["docs"], ["other", "docs/a"]),
        (["docs/2*/**/x.pdf"], ["docs", "docs/2024", "docs/2024/a/b"], ["docs/1999", "other/2024", "doc"]),
        (["a/b/c", "x/**"], ["a", "a/b", "x", "x/y"], ["a/b/c", "b"]),
    ],
)
def test_only_folders_that_may_hold_something_are_entered(patterns: list[str], may: list[str], may_not: list[str]) -> None:
    scope = Scope.of(patterns, [])
    assert [folder for folder in may + may_not if scope.may_hold(folder)] == may


def test_what_lies_in_an_excluded_folder_is_not_reached() -> None:
    scope = Scope.of(["**"], ["**/build", "a/*.tmp"])
    reached = [path for path in ("build", "x/build/y", "builds/y", "a/b.tmp/c", "a/b/c.tmp") if scope.reaches(path)]
    assert reached == ["builds/y", "a/b/c.tmp"]


@given(ANY_PATH)
def test_each_name_has_one_id_that_is_text(name: str) -> None:
    file_id = id_of(name)
    assert file_id.encode().decode() == file_id
    assert name_of(file_id) == os.fsdecode(os.fsencode(name))
    assert path_of(name).encode().count(b"/") == name.count("/")


@given(ANY_PATH, ANY_PATH)
def test_different_names_have_different_ids(one: str, other: str) -> None:
    assert (id_of(one) == id_of(other)) is (os.fsencode(one) == os.fsencode(other))


@pytest.mark.parametrize(
    ("name", "file_id", "path"),
    [
        ("plain.txt", "plain.txt", "plain.txt"),
        ("100%.txt", "100%.txt", "100%.txt"),
        ("My%20File.txt", "My%20File.txt", "My%20File.txt"),
        ("50%25.txt", "50%2525.txt", "50%25.txt"),
        ("%C3%A4", "%25C3%25A4", "%C3%A4"),
        ("\udce9\udcff.txt", "%E9%FF.txt", "%E9%FF.txt"),
        ("é\udce9", "é%E9", "é%E9"),
    ],
)
def test_ids_and_paths_look_like_the_name(name: str, file_id: str, path: str) -> None:
    assert (id_of(name), path_of(name)) == (file_id, path)


@pytest.mark.parametrize("file_id", ["", ".", "..", "a/..", "../a", "a/./b", "/a", "a/", "a//b", "a\0", "\ud800", "%C3%A4", "%25"])
def test_text_that_is_no_id_has_no_name(file_id: str) -> None:
    assert name_of(file_id) is None


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.pdf", "application/pdf"), ("A.PDF", "application/pdf"), ("a.md", "text/markdown"), ("a.csv", "text/csv"),
        ("a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("a.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        ("a.csv.gz", "application/gzip"), ("a.tar.gz", "application/gzip"), ("a.parquet", "application/vnd.apache.parquet"),
        ("a.yaml", "application/yaml"), ("a.tsv", "text/tab-separated-values"), ("a.png", "image/png"), ("a.eml", "message/rfc822"),
        ("folder.pdf/file", "application/octet-stream"), ("file", "application/octet-stream"), (".pdf", "application/octet-stream"),
        ("d/.md", "application/octet-stream"), ("a.", "application/octet-stream"), ("a.unheard-of", "application/octet-stream"),
        ("data:,a.csv", "text/csv"), ("what?.csv", "text/csv"),
    ],
)  # fmt: skip
def test_the_suffix_says_the_media_type(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type


class TestSettings:
    def test_the_home_folder_may_be_written_short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/someone")
        assert Config.model_validate({"root": "~/files"}).root == Path("/home/someone/files")

    def test_a_relative_root_is_left_to_whoever_knows_where_it_was_written(self) -> None:
        assert Config.model_validate({"root": "files"}).root == Path("files")

    @pytest.mark.parametrize(
        "settings",
        [{}, {"root": ""}, {"root": " "}, {"root": "a\0"}, {"root": "~no-such-user-here/a"}, {"root": "a", "include": []},
         {"root": "a", "page_size": 0}, {"root": "a", "max_file_bytes": 0}, {"root": "a", "folder": "b"}],
    )  # fmt: skip
    def test_what_cannot_be_meant_is_refused(self, settings: dict[str, object]) -> None:
        with pytest.raises(ValidationError):
            Config.model_validate(settings)

    def test_every_setting_is_described(self) -> None:
        assert [name for name, field in Config.model_fields.items() if not field.description] == []
