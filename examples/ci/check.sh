#!/bin/sh
# What CI runs: each command ends with another code than 0 if something is wrong, and then the script does.
set -eu
cd "$(dirname "$0")"

# Of connectors.yaml alone: mistakes with their line, in a second.
connectors validate

# Dagster's home, with its dagster.yaml. What is there already stays as it is.
export DAGSTER_HOME="${DAGSTER_HOME:-$PWD/dagster_home}"
connectors init

# That Dagster can load what comes of it, by either of its commands.
dagster definitions validate -m acme_data.definitions
dg check defs

# One partition through all stages, as a Dagster run in this process. A checkout gives files the time of the checkout: set it.
touch -d 2024-03-05T12:00:00Z papers/well-4.txt
dagster asset materialize -m acme_data.definitions --select 'key:"local_folder/papers/listing"+' --partition 2024-03-05

# Everything; code 3 if any item failed.
connectors sync papers --strict

# That it is found.
connectors search "pump impeller"
