"""Do the pages say what is true: do links lead somewhere, do the commands exist, is everything there described?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from connector_pipelines.cli.app import app
from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.pipeline.connectors_file import read_connectors_file
from connector_pipelines.registry import extractor_type, kinds, sink_type, source_type
from connector_pipelines.settings import Settings

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
SHORT = {page: str(page.relative_to(ROOT)) for page in PAGES}

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
_PLACEHOLDERS = {"ID": "1", "SLUG": "papers"}

every_page = pytest.mark.parametrize("page", PAGES, ids=SHORT.get)


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = [link for link in _LINK.findall(_prose(page)) if "://" not in link and not _leads_somewhere(page, link)]
    assert broken == []


@every_page
def test_every_command_it_names_exists_with_its_options(page: Path) -> None:
    wrong = {line: problem for line in _commands(page) if (problem := _problem(line))}
    assert wrong == {}


@every_page
def test_every_connectors_file_it_shows_is_right(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(b for b in _blocks(page, "yaml") if re.match(r"(connectors|tenants|sinks|partitions):", b)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block)
        read_connectors_file(path)


@every_page
def test_every_endpoint_it_shows_by_itself_is_right(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(b for b in _blocks(page, "yaml") if b.startswith("      - slug:")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(f"connectors:\n  - name: Mine\n    kind: local_folder\n    endpoints:\n{block}")
        read_connectors_file(path)


@every_page
def test_every_python_it_shows_compiles(page: Path) -> None:
    for block in _blocks(page, "python"):
        compile(block, SHORT[page], "exec")


def test_every_page_is_reached_from_the_index() -> None:
    linked = {(DOCS / link.split("#")[0]).resolve() for link in _LINK.findall(_prose(DOCS / "index.md"))}
    assert {page for page in DOCS.rglob("*.md") if page.name != "index.md"} - linked == set()


def test_every_command_is_named_in_the_readme() -> None:
    group: Any = typer.main.get_command(app)
    readme = (ROOT / "README.md").read_text()
    assert [name for name in group.commands if f"connectors {name}" not in readme] == []


def test_every_environment_variable_is_described() -> None:
    page = (DOCS / "reference/configuration.md").read_text()
    assert [str(f.validation_alias) for f in Settings.model_fields.values() if f"`{f.validation_alias}`" not in page] == []


def test_every_variable_the_pages_name_exists() -> None:
    variable = r"\b(?:CONNECTORS|MINIO|DAGSTER)_[A-Z_]+[A-Z]\b"
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    # What only the containers of others are told.
    known |= set(re.findall(variable, (ROOT / "docker-compose.yml").read_text()))
    named = {name for page in PAGES for name in re.findall(variable, page.read_text())}
    assert named - known == set()


@pytest.mark.parametrize("kind", [k.name for k in kinds("source") if k.distribution is None])
def test_every_source_has_a_page_that_describes_each_of_its_settings(kind: str) -> None:
    page = (DOCS / f"sources/{kind}.md").read_text()
    assert [name for name in _settings(source_type(kind).config_type) if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("kind", [k.name for k in kinds("sink") if k.distribution is None])
def test_every_sink_is_described_with_each_of_its_settings(kind: str) -> None:
    page = (DOCS / "sinks.md").read_text()
    assert f"| `{kind}` |" in page
    assert [name for name in _settings(sink_type(kind).config_type) if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize("name", [k.name for k in kinds("extractor") if k.distribution is None])
def test_every_format_is_described(name: str) -> None:
    page = (DOCS / "extractors.md").read_text()
    types = extractor_type(name).media_types
    assert [t for t, suffixes in types.items() for wanted in (t, *suffixes) if f"`{wanted}`" not in page] == []


def test_every_code_of_an_error_is_explained() -> None:
    page = (DOCS / "concepts.md").read_text()
    assert [code for code in _codes(ConnectorError) if f"`{code}`" not in page] == []


def test_everything_that_was_tried_names_the_test_that_tries_it() -> None:
    page = (DOCS / "delivery-guarantees.md").read_text()
    tried = page.partition("## What was tried")[2].partition("\n## ")[0]
    rows = [line for line in tried.splitlines() if re.match(r"\| (?!---|What was tried)", line)]
    named = [_TEST.fullmatch(row.strip("| ").rsplit(" | ", 1)[-1]) for row in rows]

    assert len(rows) >= 30
    assert [row for row, test in zip(rows, named, strict=True) if test is None or not _is_a_test(test[1], test[2])] == []


@pytest.mark.parametrize("line", ["connectors frobnicate", "connectors sync --frobnicate", "connectors failures explain 1 --all"])
def test_what_does_not_exist_would_be_noticed(line: str) -> None:
    assert _problem(line)


def _prose(page: Path) -> str:
    return _CODE.sub("", _FENCE.sub("", page.read_text()))


def _blocks(page: Path, language: str) -> list[str]:
    return [body for found, body in _FENCE.findall(page.read_text()) if found == language]


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name) if name else page
    return target.exists() and (not anchor or anchor in {_anchor(h) for h in _HEADING.findall(_FENCE.sub("", target.read_text()))})


def _anchor(heading: str) -> str:
    """As GitHub makes it: lower case, no punctuation but hyphens and underscores, spaces as hyphens."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _commands(page: Path) -> Iterator[str]:
    """Lines of blocks and pieces of code that begin with `connectors`; `$` before them and comments behind them left out."""
    text = page.read_text()
    if page.name == "CHANGELOG.md":
        # Of past versions, whose commands may be gone.
        return
    lines = [line for language, body in _FENCE.findall(text) if not language for line in body.splitlines()]
    for line in [*lines, *_CODE.findall(_FENCE.sub("", text))]:
        if re.match(r"(\$ )?connectors ([a-z]+( |$)|--)", line):
            yield line.removeprefix("$ ").rstrip("…").strip()


def _problem(line: str) -> str | None:
    """What is wrong with a command line, or None; parsed, not run."""
    words = [_PLACEHOLDERS.get(word, word) for word in shlex.split(re.split(r"[>|&;]", line)[0], comments=True)][1:]
    command: Any = typer.main.get_command(app)
    root, help_options = command, command.context_settings["help_option_names"]
    while words and (below := getattr(command, "commands", {}).get(words[0])):
        command, words = below, words[1:]
    if command is root and words and not words[0].startswith("-"):
        return f"no command {words[0]!r}"
    known = {option for parameter in command.params for option in parameter.opts} | set(help_options)
    return next((f"no option {word!r}" for word in words if word.startswith("-") and word.split("=")[0] not in known), None)


def _is_a_test(module: str, name: str) -> bool:
    path = ROOT / module
    return path.is_file() and re.search(rf"^def {name}\(", path.read_text(), re.MULTILINE) is not None


def _settings(model: Any) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _codes(root: type[ConnectorError]) -> Iterator[str]:
    yield root.code
    for branch in root.__subclasses__():
        yield from _codes(branch)
