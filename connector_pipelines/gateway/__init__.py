"""The front door: webhooks over HTTP, and the one thing that talks to Dagster's GraphQL."""
