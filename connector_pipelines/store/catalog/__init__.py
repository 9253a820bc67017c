"""The catalog (Postgres): what there is, what was done with it, what waits. One module per question; each function takes a transaction."""
