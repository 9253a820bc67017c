"""The compose file, the image and the instance fit together, and open nothing that need not be open."""

from __future__ import annotations

import re
from typing import Any

import pytest

from connector_pipelines.settings import Settings
from tests.deployment.production import COMPOSE, REPOSITORY, SHIPPED

OURS = ["migrate", "code-location", "webserver", "gateway", "daemon"]
LONG_LIVED = [name for name, service in COMPOSE["services"].items() if service.get("restart") == "unless-stopped"]
OF_OTHERS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "QDRANT_API_KEY", "CODE_LOCATION_HOST"}


def service(name: str) -> dict[str, Any]:
    return COMPOSE["services"][name]


def test_every_secret_that_must_be_set_is_a_line_of_the_example_and_has_no_value_there() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", (REPOSITORY / "docker-compose.yml").read_text()))
    lines = dict(line.split("=", 1) for line in (REPOSITORY / ".env.example").read_text().splitlines() if re.match(r"\w+=", line))
    assert lines == dict.fromkeys(required, "")


@pytest.mark.parametrize("name", OURS)
def test_every_process_is_given_what_the_instance_reads_and_nothing_nobody_knows(name: str) -> None:
    read = {variable for file in SHIPPED.iterdir() for variable in re.findall(r"\{env: (\w+)\}", file.read_text())}
    given = set(service(name)["environment"])
    assert read - given == set()
    assert given - OF_OTHERS - {str(field.validation_alias) for field in Settings.model_fields.values()} == set()


@pytest.mark.parametrize("name", OURS)
def test_our_containers_cannot_write_to_themselves_and_have_no_capability(name: str) -> None:
    assert (service(name)["read_only"], service(name)["cap_drop"], service(name)["security_opt"]) == (
        True,
        ["ALL"],
        ["no-new-privileges:true"],
    )


def test_only_the_webserver_and_the_gateway_are_published_and_only_on_this_machine() -> None:
    published = {name: found["ports"] for name, found in COMPOSE["services"].items() if "ports" in found}
    assert list(published) == ["webserver", "gateway"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert COMPOSE["networks"]["data"]["internal"] is True


def test_what_keeps_data_has_no_way_out() -> None:
    assert [service(name)["networks"] for name in ("postgres", "minio", "qdrant", "daemon")] == [["data"]] * 4


def test_everything_that_stays_is_watched_bounded_and_started_again() -> None:
    image_has_one = "HEALTHCHECK" in (REPOSITORY / "Dockerfile").read_text()
    assert set(COMPOSE["services"]) - set(LONG_LIVED) == {"minio-setup", "migrate"}
    assert [name for name in LONG_LIVED if "healthcheck" not in service(name) and not (name in OURS and image_has_one)] == []
    assert [name for name in LONG_LIVED if "memory" not in service(name)["deploy"]["resources"]["limits"]] == []


def test_the_image_runs_as_a_number_that_is_not_root_and_holds_no_secret_of_the_folder_it_was_built_in() -> None:
    users = re.findall(r"^USER (\d+):(\d+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert users == [("10001", "10001")]
    assert next(line for line in ignored if line and not line.startswith("#")) == "*"
    assert not [line for line in ignored if line.startswith("!") and ("env" in line or "yaml" in line)]


def test_commands_of_the_compose_file_find_what_the_image_copies() -> None:
    copied = (REPOSITORY / "Dockerfile").read_text()
    assert "COPY dagster_home/production/ /opt/dagster/" in copied
    for name in ("webserver", "daemon"):
        assert service(name)["command"][-2:] == ["--workspace", "/opt/dagster/workspace.yaml"]
    assert {file.name for file in SHIPPED.iterdir()} == {"dagster.yaml", "workspace.yaml"}
