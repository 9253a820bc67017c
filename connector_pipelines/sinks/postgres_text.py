"""Full text in Postgres: chunks found by their words.

The default configuration is `simple`: it takes words as they are. A stemmer for one language mangles the words of the
others and drops some of them whole (English has no use for "die" or "an"), and file shares mix languages, part numbers
and identifiers. What stemming would have found, the second try finds by the beginnings of words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, LiteralString

from pydantic import Field

from connector_pipelines.core.errors import ConfigurationError
from connector_pipelines.core.protocols import Tools
from connector_pipelines.core.types import Hit, Query
from connector_pipelines.net.postgres import storable
from connector_pipelines.sinks._postgres import PostgresConfig
from connector_pipelines.sinks._postgres_tables import PostgresTables, hits

if TYPE_CHECKING:
    from psycopg import Cursor
    from psycopg.sql import Composed

__all__ = ["Config", "Sink"]

_MOST_QUERY_CHARACTERS = 2_000
_MOST_RANKED = 2_000  # matches; ranking reads each, so a word that is everywhere must not cost seconds
_MOST_TERMS = 16
_MOST_PER_TERM = 1_000

_EXCLUDED = re.compile(r'(?<!\S)-+(?:"[^"]*"?|\S*)')  # what websearch_to_tsquery reads as "not"

_COLUMN = """
ALTER TABLE {chunks} ADD COLUMN tsv tsvector GENERATED ALWAYS AS (to_tsvector({language}::regconfig, left(text, 100000))) STORED;
CREATE INDEX ON {chunks} USING gin (tsv);
"""
# A query of exclusions only ("T", for everything) asks for nothing.
_ALL_WORDS = """
WITH asked AS (SELECT websearch_to_tsquery({language}::regconfig, %(text)s) AS q),
found AS MATERIALIZED (
    SELECT c.document_id, c.ordinal, c.tsv, asked.q FROM asked, {chunks} c
    WHERE querytree(asked.q) NOT IN ('', 'T') AND c.tsv @@ asked.q AND c.tenant_id = %(tenant)s
      AND (%(endpoint)s::text IS NULL OR c.endpoint = %(endpoint)s) LIMIT %(ranked)s)
SELECT f.document_id, d.generation, f.ordinal, ts_rank_cd(f.tsv, f.q) AS score
FROM found f JOIN {documents} d USING (document_id) ORDER BY score DESC, f.document_id, f.ordinal LIMIT %(limit)s
"""
# Postgres does not know how rare a word is, and without that a question is answered with whatever says "the" most often.
# The weight is BM25's, over at most as many chunks as are read for a term: what is in more of them than that counts nothing.
_ANY_WORD = r"""
WITH terms AS (
    SELECT ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || CASE WHEN length(lexeme) > 3 THEN ''':*' ELSE '''' END)::tsquery AS q
    FROM unnest(to_tsvector({language}::regconfig, %(wanted)s)) ORDER BY positions[1], lexeme LIMIT %(terms)s),
excluded AS (SELECT websearch_to_tsquery({language}::regconfig, %(excluded)s) AS q),
counted AS (
    SELECT count(*) AS n FROM (
        SELECT FROM {chunks} c
        WHERE c.tenant_id = %(tenant)s AND (%(endpoint)s::text IS NULL OR c.endpoint = %(endpoint)s) LIMIT %(per_term)s) some_chunks),
matches AS (
    SELECT m.document_id, m.ordinal, count(*) OVER (PARTITION BY terms.q) AS frequency
    FROM terms CROSS JOIN excluded CROSS JOIN LATERAL (
        SELECT c.document_id, c.ordinal FROM {chunks} c
        WHERE c.tsv @@ terms.q AND (numnode(excluded.q) = 0 OR c.tsv @@ excluded.q)
          AND c.tenant_id = %(tenant)s AND (%(endpoint)s::text IS NULL OR c.endpoint = %(endpoint)s) LIMIT %(per_term)s) m)
SELECT m.document_id, d.generation, m.ordinal, sum(ln(1 + (counted.n - m.frequency + 0.5) / (m.frequency + 0.5))) AS score
FROM counted CROSS JOIN matches m JOIN {documents} d USING (document_id)
GROUP BY m.document_id, d.generation, m.ordinal ORDER BY score DESC, m.document_id, m.ordinal LIMIT %(limit)s
"""


class Config(PostgresConfig):
    """Settings of a full text sink."""

    language: str = Field(
        "simple",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Text search configuration of the server: `simple` for any mix of languages, or one such as `english` or `german`.",
    )


class Sink(PostgresTables):
    """Every word first; where no chunk has them all, any word or its beginning, the rarest counting most."""

    config_type = Config
    kind = "postgres_text"

    def __init__(self, name: str, config: Config, tools: Tools) -> None:
        super().__init__(name, config, tools)
        self._config = config

    def search(self, query: Query) -> Sequence[Hit]:
        if query.limit <= 0:
            return []
        with self._database.transaction("search the sink") as cursor:
            if not self._exists(cursor):
                return []
            self._check(cursor)
            return self._ask(cursor, _ALL_WORDS, query) or self._ask(cursor, _ANY_WORD, query)

    def _facts(self) -> dict[str, str]:
        return {**super()._facts(), "language": self._config.language}

    def _add_column(self, cursor: Cursor[Any]) -> None:
        names = [name for (name,) in cursor.execute("SELECT DISTINCT cfgname FROM pg_ts_config ORDER BY cfgname")]
        if self._config.language not in names:
            raise ConfigurationError(
                f"the database has no text search configuration {self._config.language!r}", advice=f"it has {', '.join(names)}"
            )
        cursor.execute(self._in_language(_COLUMN))

    def _ask(self, cursor: Cursor[Any], question: LiteralString, query: Query) -> list[Hit]:
        text = storable(query.text)[:_MOST_QUERY_CHARACTERS]
        values = {
            "text": text,
            "wanted": _EXCLUDED.sub(" ", text),
            "excluded": " ".join(_EXCLUDED.findall(text)),
            "tenant": storable(query.tenant_id),
            "endpoint": None if query.endpoint is None else storable(query.endpoint),
            "limit": query.limit,
            "ranked": _MOST_RANKED,
            "terms": _MOST_TERMS,
            "per_term": _MOST_PER_TERM,
        }
        # Never prepared: one plan for a tenant with everything and one with nothing suits neither.
        return hits(cursor.execute(self._in_language(question), values, prepare=False).fetchall())

    def _in_language(self, text: LiteralString) -> Composed:
        from psycopg.sql import Literal

        return self._sql(text, language=Literal(self._config.language))
