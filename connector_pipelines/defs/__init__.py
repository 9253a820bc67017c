"""The only Dagster code: assets, partitions, sensors, schedules, checks, resources. `build.build` puts them together."""
