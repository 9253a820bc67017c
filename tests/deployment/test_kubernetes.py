"""The values for the official chart: what Dagster makes of them, without a cluster."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes
import pytest
from dagster import DagsterRun
from dagster._config import process_config, resolve_to_config_type
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import construct_dagster_k8s_job
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from ruamel.yaml import YAML

from connector_pipelines.settings import Settings
from tests.deployment.production import COMPOSE

VALUES = Path(__file__).parents[2] / "examples/kubernetes/values.yaml"
SET_BY_THE_CHART = {
    "DAGSTER_HOME": "/opt/dagster/dagster_home", "DAGSTER_K8S_INSTANCE_CONFIG_MAP": "connectors-instance",
    "DAGSTER_K8S_PG_PASSWORD_SECRET": "connectors-postgresql", "DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP": "connectors-pipeline-env",
}  # fmt: skip
# Nobody is asked anything: a job is put together here, and not sent.
KUBECONFIG = """
clusters: [{name: none, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: none, context: {cluster: none, user: none}}]
users: [{name: none, user: {}}]
current-context: none
"""
NOT_OURS = {"DAGSTER_EVENT_BATCH_SIZE"}


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return YAML(typ="safe").load(VALUES)


@pytest.fixture
def launcher_config(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """The chart's values as it writes them into `dagster.yaml`, and as Dagster reads them there."""
    given = values["runLauncher"]["config"]["k8sRunLauncher"]
    for name, value in SET_BY_THE_CHART.items():
        monkeypatch.setenv(name, value)
    written = {_snake(name): value for name, value in given.items()} | {
        "env_secrets": [secret["name"] for secret in given["envSecrets"]],
        "run_k8s_config": {_snake(name): value for name, value in given["runK8sConfig"].items()},
        "job_namespace": "connectors",
        "service_account_name": "connectors-dagster",
        "dagster_home": {"env": "DAGSTER_HOME"},
        "instance_config_map": {"env": "DAGSTER_K8S_INSTANCE_CONFIG_MAP"},
        "postgres_password_secret": {"env": "DAGSTER_K8S_PG_PASSWORD_SECRET"},
        "env_config_maps": [{"env": "DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP"}],
    }
    found = process_config(resolve_to_config_type(K8sRunLauncher.config_type()), written)
    assert found.success, found.errors
    return found.value or {}


@pytest.fixture
def pod(launcher_config: Mapping[str, Any], tmp_path: Path) -> Any:
    """The pod of a run, made by Dagster's own code."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    known = {name: value for name, value in launcher_config.items() if name not in {"load_incluster_config", "kubeconfig_file"}}
    launcher = K8sRunLauncher(load_incluster_config=False, kubeconfig_file=str(kubeconfig), **known)
    context = K8sContainerContext.create_for_run(DagsterRun(job_name="run"), launcher, include_run_tags=False)
    job = construct_dagster_k8s_job(
        job_config=context.get_k8s_job_config("registry.example.internal/connector-pipelines:0.1.0", launcher),
        args=["dagster", "api", "execute_run", "{}"],
        job_name="dagster-run-1",
        user_defined_k8s_config=context.run_k8s_config,
    )
    assert (job.spec.backoff_limit, job.spec.ttl_seconds_after_finished) == (0, 3600)
    return job.spec.template.spec


def test_a_run_is_not_root_writes_to_its_volumes_only_and_keeps_to_its_limits(pod: Any) -> None:
    (container,) = pod.containers
    assert pod.security_context.run_as_non_root is True
    assert pod.security_context.run_as_user == 10001
    assert container.security_context.read_only_root_filesystem is True
    assert container.security_context.capabilities.drop == ["ALL"]
    assert container.resources.limits == {"cpu": "2", "memory": "6Gi"}
    writable = {mount.mount_path for mount in container.volume_mounts if not mount.read_only}
    assert writable >= {"/tmp", "/var/lib/connectors", "/var/tmp/connectors"}


def test_a_run_has_the_secrets_the_configuration_and_everything_that_is_mounted(pod: Any) -> None:
    (container,) = pod.containers
    assert "connectors" in {source.secret_ref.name for source in container.env_from if source.secret_ref}
    assert {"MINIO_ENDPOINT", "MINIO_BUCKET", "DAGSTER_HOME"} <= {variable.name for variable in container.env}
    assert {mount.name for mount in container.volume_mounts} <= {volume.name for volume in pod.volumes}
    assert "/etc/connectors" in {mount.mount_path for mount in container.volume_mounts}


def test_every_process_is_given_the_same_places(values: dict[str, Any]) -> None:
    deployment = values["dagster-user-deployments"]["deployments"][0]
    run = dict(pair.split("=", 1) for pair in values["runLauncher"]["config"]["k8sRunLauncher"]["envVars"])
    logs = values["computeLogManager"]["config"]["s3ComputeLogManager"]
    for process in (deployment, values["dagsterDaemon"], values["dagsterWebserver"]):
        given = {variable["name"]: variable["value"] for variable in process["env"]}
        assert {name: given[name] for name in ("MINIO_ENDPOINT", "MINIO_BUCKET")} == {
            name: run[name] for name in ("MINIO_ENDPOINT", "MINIO_BUCKET")
        }
        assert (logs["endpointUrl"], logs["bucket"]) == (given["MINIO_ENDPOINT"], given["MINIO_BUCKET"])
        assert process["image"] == deployment["image"]
        assert not given.keys() - _settings() - NOT_OURS
    assert not run.keys() - _settings() - NOT_OURS


def test_the_gateway_is_one_the_cluster_takes_with_the_rights_and_places_of_the_others(values: dict[str, Any]) -> None:
    deployment, service = YAML(typ="safe").load_all(VALUES.with_name("gateway.yaml"))
    spec = k8s_model_from_dict(kubernetes.client.V1Deployment, k8s_snake_case_dict(kubernetes.client.V1Deployment, deployment)).spec
    (container,) = spec.template.spec.containers
    chart = values["dagster-user-deployments"]["deployments"][0]
    given = {variable.name: variable.value for variable in container.env}

    assert container.args == COMPOSE["services"]["gateway"]["command"]
    assert container.image == "{repository}:{tag}".format(**chart["image"])
    assert given.items() <= {variable["name"]: variable["value"] for variable in chart["env"]}.items()
    assert [source.secret_ref.name for source in container.env_from] == [secret["name"] for secret in chart["envSecrets"]]
    assert (container.security_context.read_only_root_filesystem, container.security_context.capabilities.drop) == (True, ["ALL"])
    assert (spec.template.spec.security_context.run_as_non_root, spec.template.spec.security_context.run_as_user) == (True, 10001)
    assert {mount.name for mount in container.volume_mounts} == {volume.name for volume in spec.template.spec.volumes}
    assert (container.liveness_probe.http_get.path, container.readiness_probe.http_get.path) == ("/healthz", "/readyz")
    assert service["spec"]["selector"] == spec.selector.match_labels == spec.template.metadata.labels


def _settings() -> set[str]:
    return {str(field.validation_alias) for field in Settings.model_fields.values()}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", lambda found: f"_{found[1].lower()}", name).replace("k8_s", "k8s")
