"""How a test's database is freed of others, and goes away again."""

from __future__ import annotations

import psycopg
from psycopg import sql

# Autovacuum may be at work, too, and only a superuser may end it.
END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
TRIES = 600


def drop_database(administration: psycopg.Connection, name: str) -> None:
    """Drop it, whoever is still connected."""
    statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
    for _ in range(TRIES):
        try:
            administration.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            # Autovacuum is at work in it, which only a superuser may end. It leaves by itself, and soon.
            administration.execute("SELECT pg_sleep(0.1)")
        else:
            return
    administration.execute(statement)
