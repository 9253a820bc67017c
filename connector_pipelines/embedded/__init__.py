"""The local stack: Postgres as a child process, objects in a folder."""
