"""`connectors.yaml`, written to disk and read back."""

from __future__ import annotations

import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from connector_pipelines.core.config import Interval
from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.pipeline.connectors_file import read_connectors_file, template

NO_SLUG = "not a short name: lower-case letters, digits and underscores, beginning with a letter, 60 at most"
PLUGIN = """
from pathlib import Path
from connector_pipelines.core.protocols import SourceConfig


class Config(SourceConfig):
    home: Path
    more: tuple[Path, ...] = ()
    maybe: Path | None = None
    either: Path | str = ""
    text: str = ""


class Source:
    config_type = Config

    def __init__(self, config, tools): ...
    def test(self): ...
    def list(self, folder=""): ...
    def changes(self, cursor=""): ...
    def open(self, ref): ...
    def close(self): ...
"""


@pytest.fixture
def read(tmp_path):
    def write_and_read(text: str):
        (tmp_path / "connectors.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
        return read_connectors_file(tmp_path / "connectors.yaml")

    return write_and_read


@pytest.fixture
def mistakes(read):
    def told(text: str) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            read(text)
        assert caught.value.advice
        return str(caught.value).splitlines()

    return told


def endpoint(lines: str = "", *, settings: str = "{root: /srv}", slug: str = "docs") -> str:
    """A file with one endpoint, whose own lines begin on line 5; `settings` stands on line 6."""
    head = f"connectors:\n- name: A\n  kind: local_folder\n  endpoints:\n  - slug: {slug}\n    settings: {settings}\n"
    return head + textwrap.indent(textwrap.dedent(lines), "    ")


@pytest.mark.parametrize("root", ["/srv/files", "./docs", "~/Documents", 'a "quoted" name', "C:\\files: #1", "größe", "'", "- x", "ROOT"])
def test_the_template_is_a_file_without_mistakes_that_syncs_the_folder(read, tmp_path, root):
    file = read(template(root))

    (only,) = file.connectors[0].endpoints
    assert only.settings["root"] == (root if root.startswith(("/", "~")) else str(tmp_path / root))
    assert only.schedule == Interval(every=timedelta(minutes=5))
    assert set(file.sinks) == {"vectors", "search"}


def test_what_the_template_has_commented_out_is_without_mistakes_too(read):
    lines = template("/srv").splitlines()
    prose = ("# What", "# Every", "# Who", "# Where", "# (vectors)", "# The windows")
    uncommented = [line if line.startswith(prose) else line.replace("# ", "", 1) for line in lines]
    kept = [line for line in uncommented if not line.strip().startswith(("Names", "What", "When", "Only", "A sweep", "Keep"))]

    file = read("\n".join(kept))

    assert [each.slug for each in file.connectors[0].endpoints] == ["my_files", "drawings"]
    assert file.connectors[0].tenant == "acme"
    assert file.partitions["local_folder"].every == "month"


def test_every_mistake_is_told_with_its_line_its_place_and_its_fix(mistakes):
    told = mistakes(
        """\
        connectors:
          - name: A
            kind: local_foldr
            tennant: x
            endpoints:
              - slug: My Slug
                settings: {root: /srv}
                schedule:
                  type: interval
                  every: 5 minutez
              - settings: {root: /srv}
                max_delete_share: 2
        partitions:
          local_folder: {timezone: Mars}
        """
    )

    assert told == [
        "connectors.yaml:3: connectors[0].kind: " + told[0].split("kind: ", 1)[1],
        "connectors.yaml:4: connectors[0].tennant: unknown field; did you mean 'tenant'? known: auth, endpoints, kind, name, tenant, webhook",
        f"connectors.yaml:6: connectors[0].endpoints[0].slug: 'My Slug' is {NO_SLUG}",
        "connectors.yaml:10: connectors[0].endpoints[0].schedule.every: '5 minutez' is not a duration; write it like 30s, 5m, 1h 30m or 2d",
        "connectors.yaml:11: connectors[0].endpoints[1].slug: is missing; add it (Names the endpoint in asset keys, on the command line and in metrics)",
        "connectors.yaml:12: connectors[0].endpoints[1].max_delete_share: should be less than or equal to 1, not 2",
        "connectors.yaml:14: partitions.local_folder.timezone: 'Mars' is not an IANA time zone such as Europe/Berlin",
    ]
    assert "did you mean 'local_folder'?" in told[0]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            "schedule: {type: intervall, every: 5m}",
            "7: connectors[0].endpoints[0].schedule: type 'intervall' is unknown; did you mean 'interval'?",
        ),
        ("schedule: {every: 5m}", "7: connectors[0].endpoints[0].schedule: says no type, add `type:`; known: cron, interval, manual"),
        ("schedule: {type: interval}", "7: connectors[0].endpoints[0].schedule.every: is missing; add it (How long"),
        (
            "schedule: {type: interval, every: 5m, interval: 5m}",
            "7: connectors[0].endpoints[0].schedule.interval: unknown field; known: every, type",
        ),
        ("schedule: {type: interval, every: 5s}", "7: connectors[0].endpoints[0].schedule.every: an interval is 10s at least"),
        ("schedule: {type: cron, expression: '0 6 * *'}", "7: connectors[0].endpoints[0].schedule: '0 6 * *' is not a cron expression"),
        (
            "schedule: {type: cron, expression: '0 6 * * *', timezone: Mars}",
            "7: connectors[0].endpoints[0].schedule: 'Mars' is not an IANA time",
        ),
        ("schedule:", "7: connectors[0].endpoints[0].schedule: nothing stands after it"),
        ("paused: maybe", "7: connectors[0].endpoints[0].paused: should be a valid boolean"),
        (
            "sinks: vectors",
            "7: connectors[0].endpoints[0].sinks: should be a list, each item on a line that begins with '- ', not 'vectors'",
        ),
        ("sinks: [vectrs]", "7: connectors[0].endpoints[0].sinks[0]: there is no sink 'vectrs' under `sinks:`; did you mean 'vectors'?"),
        ("extraction:\n  time_limit: soon", "8: connectors[0].endpoints[0].extraction.time_limit: 'soon' is not a duration"),
        ("paused: true\npaused: false", "8: connectors[0].endpoints[0].paused: stands here twice, first on line 7; keep one"),
    ],
)
def test_a_mistake_in_an_endpoint(mistakes, lines, says):
    (told,) = mistakes(endpoint(lines))

    assert told.startswith(f"connectors.yaml:{says}")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("{}", "root: is missing; add it (The folder)"),
        ("{rooot: /srv, root: /srv}", "rooot: unknown field; did you mean 'root'?"),
        ("{root: ''}", "root: root must be the path of a folder"),
        ("{root: /srv, page_size: many}", "page_size: should be a valid integer"),
        ("{root: /srv, include: '*.pdf'}", "include: should be a list"),
    ],
)
def test_the_kind_checks_its_own_settings(mistakes, settings, says):
    (told,) = mistakes(endpoint(settings=settings))

    assert told.startswith(f"connectors.yaml:6: connectors[0].endpoints[0].settings.{says}")


def test_names_used_twice_and_names_of_nothing_are_told_where_they_stand(mistakes):
    told = mistakes(
        """\
        tenants:
          - name: acme
          - name: acme
        sinks:
          files: {kind: memory}
          other: {kind: memry}
        connectors:
          - {name: A, kind: local_folder, tenant: acme, endpoints: [{slug: docs, settings: {root: /a}}]}
          - name: A
            kind: local_folder
            tenant: acne
            endpoints:
              - {slug: docs, settings: {root: /b}, sinks: [vectors]}
          - {name: A, kind: local_folder, tenant: acme, endpoints: [{slug: more, settings: {root: /c}}]}
        partitions:
          local_foldr: {}
        """
    )

    assert [line.split(";")[0].split(" known")[0] for line in told] == [
        "connectors.yaml:3: tenants[1].name: 'acme' is used already, on line 2",
        "connectors.yaml:5: sinks.files: 'files' is the name of a stage, in the same place of asset keys",
        "connectors.yaml:6: sinks.other.kind: unknown kind of sink 'memry'",
        "connectors.yaml:11: connectors[1].tenant: there is no tenant 'acne' under `tenants:`",
        "connectors.yaml:13: connectors[1].endpoints[0].sinks[0]: there is no sink 'vectors' under `sinks:`",
        "connectors.yaml:13: connectors[1].endpoints[0].slug: 'docs' is used already, on line 8",
        "connectors.yaml:14: connectors[2].name: 'A' is used already, on line 8",
        "connectors.yaml:16: partitions.local_foldr: there is no kind of source 'local_foldr'",
    ]


def test_an_endpoint_list_with_one_wrong_endpoint_is_not_called_empty(mistakes):
    (told,) = mistakes(endpoint(slug="5"))

    assert told == "connectors.yaml:5: connectors[0].endpoints[0].slug: should be text, put quotes around it, not 5"


def test_a_connector_without_endpoints_is_refused(mistakes):
    (told,) = mistakes("connectors:\n- {name: A, kind: local_folder, endpoints: []}\n")

    assert told == "connectors.yaml:2: connectors[0].endpoints: should have one item at least"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ":1: is empty"),
        ("# only a comment\n", ":1: is empty"),
        (
            "connectors:\n\t- name: A\n",
            ":2: is not readable as YAML: .*; indent with spaces, YAML allows no tabs",
        ),
        ("connectors: [1\nversion: 1\n", ":1: is not readable as YAML: .* a quote or bracket is not closed"),
        ("connectors: []\n---\nversion: 1\n", ":2: is not readable as YAML: .* another document; keep one"),
        ("version: 1\nconnectors: *nope\n", ":2: is not readable as YAML: found undefined alias 'nope'"),
        ("version: 1\nconnectors: !!python/object:os.system x\n", ":2: is not readable as YAML: .* remove the tag"),
        ("version: !!int x\n", ":1: is not readable as YAML: a value is not what its tag"),
        ("version: 1\nname: a\x00b\n", ":2: holds a character that YAML does not allow, U[+]0000"),
        ("connectors: &a [*a]\n", ":1: nests or repeats itself too far"),
        ("- name: A\n", ":1: should be a block of `name: value` lines, not a list"),
        ("version: 1\nversion: 1\n", ":2: version: stands here twice, first on line 1; keep one"),
        ("version: 2\n", ":1: version: 2 is not one of 1"),
        ("partitions:\n  local_folder:\n    start: 2020-13-01\n", ":3: partitions.local_folder.start: "),
    ],
)
def test_what_is_no_readable_file_is_told_with_its_line(read, text, says):
    with pytest.raises(ConfigurationError, match="^connectors.yaml" + says):
        read(text)


def test_a_few_lines_that_alias_themselves_into_billions_are_refused(mistakes):
    doubled = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))

    (told,) = mistakes(f"a0: &a0 [x]\n{doubled}")

    assert "nests or repeats itself too far" in told


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigurationError, match=r"there is no .*connectors\.yaml") as caught:
        read_connectors_file(tmp_path / "connectors.yaml")

    assert "connectors init" in caught.value.advice


def test_a_folder_in_its_place_is_told(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_connectors_file(tmp_path)


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path):
    (tmp_path / "c.yaml").write_bytes(b"version: 1\n# \xff\n")

    with pytest.raises(ConfigurationError, match=r"c\.yaml:2: is not UTF-8"):
        read_connectors_file(tmp_path / "c.yaml")


def test_anchors_and_merge_keys_work(read):
    file = read(
        """\
        connectors:
          - name: A
            kind: local_folder
            endpoints:
              - &first
                slug: one
                settings: {root: /one}
                schedule: {type: interval, every: 1h}
              - <<: *first
                slug: two
                settings: {root: /two}
        """
    )

    assert [(e.slug, e.settings["root"], e.schedule) for e in file.connectors[0].endpoints] == [
        ("one", "/one", Interval(every=timedelta(hours=1))),
        ("two", "/two", Interval(every=timedelta(hours=1))),
    ]


def test_paths_in_settings_start_from_the_folder_of_the_file(read, tmp_path, monkeypatch):
    folder = tmp_path / "plugin"
    (folder / "paths-1.0.dist-info").mkdir(parents=True)
    (folder / "paths_source.py").write_text(PLUGIN)
    (folder / "paths-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: paths\nVersion: 1.0\n")
    (folder / "paths-1.0.dist-info" / "entry_points.txt").write_text("[connector_pipelines.sources]\npaths = paths_source:Source\n")
    monkeypatch.syspath_prepend(str(folder))
    settings = "{home: in/here, more: [x, /y], maybe: ~/z, either: e, text: t}"

    file = read(f"connectors:\n- name: A\n  kind: paths\n  endpoints:\n  - slug: a\n    settings: {settings}\n")

    assert file.connectors[0].endpoints[0].settings == {
        "home": str(tmp_path / "in/here"),
        "more": [str(tmp_path / "x"), "/y"],
        "maybe": "~/z",
        "either": "e",
        "text": "t",
    }


def test_a_file_reached_by_a_link_has_its_paths_start_beside_the_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "connectors.yaml").write_text(endpoint(settings="{root: docs}"))
    (tmp_path / "connectors.yaml").symlink_to(Path("real/connectors.yaml"))

    file = read_connectors_file(tmp_path / "connectors.yaml")

    assert file.connectors[0].endpoints[0].settings["root"] == str(tmp_path / "docs")


def test_a_secret_in_the_wrong_place_is_not_repeated(mistakes):
    url = "postgresql://u:hunter2@h/db"
    lines = f"extraction: {{passwords: hunter2, time_limit: '{url}'}}\nname: ['{url}']\nsinks: ['{url}']"

    told = mistakes(endpoint(lines, settings="{root: /srv, token: hunter2}"))

    assert len(told) == 5
    assert "hunter2" not in "\n".join(told)


def test_a_file_with_very_many_mistakes_tells_the_first_and_how_many_more(mistakes):
    told = mistakes("connectors:\n" + "- 5\n" * 80)

    assert told[0].startswith("connectors.yaml:2: ")
    assert len(told) == 51
    assert told[-1] == "and 30 more"


def test_a_kind_that_cannot_prove_calls_by_itself_is_not_asked_to(mistakes):
    told = mistakes(
        """\
        connectors:
          - name: A
            kind: local_folder
            webhook: {verify: {type: source}}
            endpoints: [{slug: a, settings: {root: /srv}}]
          - name: B/C
            kind: local_folder
            webhook: {verify: {type: token, secrets: [hunter2hunter2]}}
            endpoints: [{slug: b, settings: {root: /srv}}]
        """
    )

    assert "the kind 'local_folder' has no way of its own to prove calls; verify them with `hmac` or `token`" in told[0]
    assert "connectors.yaml:8: connectors[1].webhook.verify.secrets" in told[1]
    assert not [line for line in told if "hunter2" in line]


# sinks that keep records

OF_RECORDS = """
    sinks:
      table: {kind: postgres_table}
      search: {kind: postgres_text}
    connectors:
      - name: files
        kind: local_folder
        endpoints:
          - slug: docs
            settings: {root: /}
            SINKS
"""


def test_an_endpoint_without_streams_that_names_a_sink_of_records_is_told_both(mistakes):
    (told,) = mistakes(OF_RECORDS.replace("SINKS", "sinks: [search, table]"))

    assert told == (
        "connectors.yaml:11: connectors[0].endpoints[0].sinks[1]: the sink 'table' (postgres_table) keeps the records of streams, "
        "and a local_folder has no streams; leave it out"
    )


def test_all_sinks_of_an_endpoint_without_streams_are_those_that_keep_text(read):
    file = read(OF_RECORDS.replace("SINKS", ""))

    assert file.connectors[0].endpoints[0].sinks == ("search",)


def test_all_sinks_of_an_endpoint_with_streams_are_all(read, tmp_path, monkeypatch):
    (tmp_path / "with_streams.py").write_text(PLUGIN + "    def streams(self): ...\n    def sample(self, stream, limit): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "with_streams-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: with-streams\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[connector_pipelines.sources]\nwith_streams = with_streams:Source\n")

    file = read(OF_RECORDS.replace("SINKS", "").replace("local_folder", "with_streams").replace("root: /", "home: /"))

    assert file.connectors[0].endpoints[0].sinks is None
