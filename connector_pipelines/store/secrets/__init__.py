"""What a secret reference stands for, wherever the secret is kept: the environment, a file, Vault, AWS, our own sealed table."""

from __future__ import annotations

from connector_pipelines.store.secrets._aws import AwsSecrets, AwsSettings
from connector_pipelines.store.secrets._backend import SecretBackend
from connector_pipelines.store.secrets._cache import Cache
from connector_pipelines.store.secrets._files import MAX_SECRET_BYTES
from connector_pipelines.store.secrets._rotating import Rotated, rotate
from connector_pipelines.store.secrets._secrets import Audit, Secrets
from connector_pipelines.store.secrets._stored import StoredSecrets
from connector_pipelines.store.secrets._vault import Vault
from connector_pipelines.store.secrets._vault_settings import VaultSettings

__all__ = [
    "MAX_SECRET_BYTES", "Audit", "AwsSecrets", "AwsSettings", "Cache", "Rotated", "SecretBackend", "Secrets", "StoredSecrets", "Vault",
    "VaultSettings", "rotate",
]  # fmt: skip
