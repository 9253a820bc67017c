"""What this team runs in Dagster."""
