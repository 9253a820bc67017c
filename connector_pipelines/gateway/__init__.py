"""The front door, and the one thing that talks to Dagster's GraphQL."""
