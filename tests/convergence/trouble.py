"""What goes wrong meanwhile, whatever is read: connections to the database that end."""

from __future__ import annotations

import random

import psycopg

__all__ = ["end_connections"]


def end_connections(database_url: str, dice: random.Random) -> int:
    """End some of the connections to the database that others have; how many."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute(
            """SELECT count(pg_terminate_backend(pid)) FROM (
                   SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                   ORDER BY md5(pid || %s) LIMIT %s) some_of_them""",
            [str(dice.random()), dice.choice((1, 1, 2, 20))],
        ).fetchone()
    return int(row[0]) if row else 0
