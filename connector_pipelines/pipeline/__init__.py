"""The path of a file: stages that hand over through the catalog. No Dagster, no SQL, no HTTP."""
