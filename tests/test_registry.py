"""Kinds, those built in and those of distributions really laid out on disk."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from connector_pipelines import registry
from connector_pipelines.core.errors import ConfigurationError

SOURCE = """
from connector_pipelines.core.protocols import SourceConfig


class Source:
    config_type = SourceConfig

    def __init__(self, config, tools): ...
    def test(self): ...
    def list(self, folder=""): ...
    def changes(self, cursor=""): ...
    def open(self, ref): ...
    def close(self): ...
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Lay out a distribution as pip would, with one module and its entry points for sources."""

    def lay_out(distribution: str, module: str, body: str, points: dict[str, str], group: str = "connector_pipelines.sources") -> None:
        folder = tmp_path / distribution
        info = folder / f"{distribution}-1.0.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(body)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{lines}\n")
        monkeypatch.syspath_prepend(str(folder))

    return lay_out


def error_of(name: str, distribution: str | None = None) -> str | None:
    (kind,) = [
        k for k in registry.kinds("source", check=True) if k.name == name and (distribution is None or k.distribution == distribution)
    ]
    return kind.error


def test_a_module_is_a_kind_and_one_with_an_underscore_is_not():
    names = [kind.name for kind in registry.kinds("source")]

    assert "local_folder" in names
    assert not [name for name in names if name.startswith("_")]


def test_every_kind_built_in_imports():
    found = [kind for role in ("source", "sink", "extractor") for kind in registry.kinds(role, check=True) if kind.distribution is None]

    assert found
    assert [(kind.name, kind.error) for kind in found if kind.error] == []


def test_listing_the_kinds_imports_none_of_them():
    code = """
    import sys
    from connector_pipelines.registry import kinds
    names = [k.location.partition(":")[0] for role in ("source", "sink", "extractor") for k in kinds(role)]
    assert names
    print(*(name for name in names if name in sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == ""


def test_another_distribution_brings_a_kind(install):
    install("acme", "acme_source", SOURCE, {"acme_files": "acme_source:Source"})

    (kind,) = [kind for kind in registry.kinds("source", check=True) if kind.name == "acme_files"]

    assert (kind.distribution, kind.location, kind.error) == ("acme", "acme_source:Source", None)
    assert registry.source_type("acme_files").__module__ == "acme_source"


def test_a_kind_built_in_cannot_be_taken_over(install):
    install("intruder", "intruder_source", SOURCE, {"local_folder": "intruder_source:Source"})

    assert registry.source_type("local_folder").__module__.startswith("connector_pipelines.sources.local_folder")
    assert "taken" in error_of("local_folder", "intruder")
    assert "intruder_source" not in sys.modules


def test_a_kind_that_two_distributions_claim_is_neithers_and_harms_no_other(install):
    install("one", "one_source", SOURCE, {"shared_name": "one_source:Source", "one_alone": "one_source:Source"})
    install("two", "two_source", SOURCE, {"shared_name": "two_source:Source"})

    with pytest.raises(ConfigurationError, match="claimed by one and two"):
        registry.source_type("shared_name")
    assert registry.source_type("one_alone").__module__ == "one_source"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("import no_such_library_at_all", "No module named 'no_such_library_at_all'"),
        ("raise ValueError('password=hunter2')", "ValueError: password=***"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def broken(:", "SyntaxError"),
        ("", "AttributeError"),
        ("Source = 5", "is no source, it has no class"),
        ("class Source:\n    config_type = None", "is no source, it has no changes, close, list, open, test"),
    ],
)
def test_a_plugin_that_does_not_import_is_listed_with_its_error(install, body, says, monkeypatch):
    install("broken", "broken_source", body, {"broken_kind": "broken_source:Source"})
    monkeypatch.delitem(sys.modules, "broken_source", raising=False)

    assert says in error_of("broken_kind")
    assert error_of("local_folder") is None
    with pytest.raises(ConfigurationError) as caught:
        registry.source_type("broken_kind")
    assert "distribution broken" in caught.value.advice
    sys.modules.pop("broken_source", None)


def test_a_plugin_with_a_name_that_is_no_kind_is_listed_with_its_error(install):
    install("odd", "odd_source", SOURCE, {"Odd-Name": "odd_source:Source"})

    assert "not a name for a kind" in error_of("Odd-Name")


def test_an_unknown_kind_is_refused_with_the_closest_and_all_that_are_known():
    with pytest.raises(
        ConfigurationError, match=r"unknown kind of source 'local_foldr'; did you mean 'local_folder'\? known: .*local_folder"
    ):
        registry.source_type("local_foldr")


def test_a_source_is_no_sink():
    with pytest.raises(ConfigurationError, match="unknown kind of sink 'local_folder'"):
        registry.sink_type("local_folder")
