"""A process of an installation that wants tokens: `racer.py URL KEY CONNECTOR AUTH THREADS TIMES [SUBJECT]`.

The secret is in the environment variable RACER_SECRET, `app-secret` by default. Each thread asks for a token that many times; a line on standard output tells how often it got one, and which errors it met.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from pydantic import SecretStr, TypeAdapter

from connector_pipelines.core.auth import Auth
from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.sealing import Sealer, given_keys
from connector_pipelines.store.tokens import SealedTokens

_AUTH: TypeAdapter[Auth] = TypeAdapter(Auth)


def main(url: str, key: str, connector_id: str, auth: str, threads: str, times: str, subject: str = "") -> None:
    store = SealedTokens(Database(SecretStr(url)), Sealer(given_keys(SecretStr(key))), connector_id, subject)
    secret = SecretStr(os.environ.get("RACER_SECRET", "app-secret"))
    sign_in = make_sign_in(_AUTH.validate_json(auth), secret=lambda _: secret, connector="CRM", tokens=store, subject=subject or None)
    assert sign_in is not None

    def ask(_: int) -> Counter[str]:
        met: Counter[str] = Counter()
        for _ in range(int(times)):
            try:
                sign_in.headers("GET", "https://api.example.com/", b"")
                met["got"] += 1
            except ConnectorError as error:
                met[error.code] += 1
        return met

    with ThreadPoolExecutor(int(threads)) as pool:
        sys.stdout.write(json.dumps(sum(pool.map(ask, range(int(threads))), Counter())))


if __name__ == "__main__":
    main(*sys.argv[1:])
