"""The reference page is what the models say."""

from __future__ import annotations

from pathlib import Path

from connector_pipelines.pipeline.reference import render_reference
from connector_pipelines.registry import kinds, sink_type, source_type
from connector_pipelines.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def test_the_page_checked_in_is_the_one_the_models_give():
    assert PAGE.read_text(encoding="utf-8") == render_reference(), (
        "run: python -m connector_pipelines.pipeline.reference > docs/reference/configuration.md"
    )


def test_every_environment_variable_is_on_the_page():
    page = render_reference()

    assert [f.validation_alias for f in Settings.model_fields.values() if f"| `{f.validation_alias}` |" not in page] == []


def test_every_setting_of_every_kind_built_in_is_on_the_page_and_described():
    page = render_reference()
    types = {k.name: source_type(k.name).config_type for k in kinds("source") if k.distribution is None}
    types |= {k.name: sink_type(k.name).config_type for k in kinds("sink") if k.distribution is None}

    lacking = [f"{kind}.{name}" for kind, model in types.items() for name, f in model.model_fields.items() if not f.description]

    assert types
    assert lacking == []
    assert [kind for kind in types if f"\n### {kind}\n" not in page] == []


def test_the_page_is_the_same_on_every_machine(monkeypatch, tmp_path):
    here = render_reference()
    monkeypatch.chdir(tmp_path)

    assert render_reference() == here
    assert str(Path.home()) not in here
