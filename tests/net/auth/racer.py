"""A process of an installation that wants tokens: `racer.py URL KEY CONNECTOR AUTH THREADS TIMES`.

Each thread asks for a token that many times; a line on standard output tells how often it got one, and which errors it met.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from pydantic import SecretStr

from connector_pipelines.core.errors import ConnectorError
from connector_pipelines.core.oauth import OAuth2Auth
from connector_pipelines.net.auth import make_sign_in
from connector_pipelines.store.catalog.database import Database
from connector_pipelines.store.sealing import Sealer, given_keys
from connector_pipelines.store.tokens import SealedTokens


def main(url: str, key: str, connector_id: str, auth: str, threads: str, times: str) -> None:
    store = SealedTokens(Database(SecretStr(url)), Sealer(given_keys(SecretStr(key))), connector_id)
    sign_in = make_sign_in(OAuth2Auth.model_validate_json(auth), secret=lambda _: SecretStr("app-secret"), connector="CRM", tokens=store)
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
