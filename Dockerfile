# syntax=docker/dockerfile:1
# One image for everything: code location, webserver, daemon, migration, and the runs of a cluster.
#
#   docker build --tag connector-pipelines:0.1.0 --build-arg VERSION=0.1.0 --build-arg REVISION="$(git rev-parse HEAD)" .
#
# The base is named by tag, so that a rebuild brings its security fixes. To build the same bytes again, name it by digest:
#   --build-arg PYTHON_IMAGE=python:3.12-slim-bookworm@sha256:…   (docker buildx imagetools inspect python:3.12-slim-bookworm)
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# What of pyproject.toml's extras the image has. `all` is every source and sink; production needs `aws` at least, for compute logs.
ARG EXTRAS=all
# Build tools are held to constraints.txt too, in the environments that pip makes for building.
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# Before the code: its dependencies are installed anew only when these two files change.
COPY constraints.txt pyproject.toml README.md ./
RUN --mount=type=cache,target=/root/.cache/pip \
    mkdir connector_pipelines && echo '__version__ = "0"' > connector_pipelines/__init__.py \
    && python -m venv /opt/venv && /opt/venv/bin/pip install ".[${EXTRAS}]" && /opt/venv/bin/pip uninstall --yes connector-pipelines
COPY connector_pipelines ./connector_pipelines
RUN --mount=type=cache,target=/root/.cache/pip \
    pip wheel --no-deps --wheel-dir /wheels . && /opt/venv/bin/pip install --no-deps /wheels/*.whl && /opt/venv/bin/pip check

FROM ${PYTHON_IMAGE} AS runtime
# Language data of Tesseract for scanned pages, by Debian's names, as in "tesseract-ocr-eng tesseract-ocr-deu".
ARG OCR_LANGUAGES="tesseract-ocr-eng"
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="connector-pipelines" \
      org.opencontainers.image.description="Dagster code location that brings files from where people keep them into stores where they can be found" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# tini: runs are children of the code server, and extraction workers of runs; those whose parent died are reaped by process 1.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini ${OCR_LANGUAGES} \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 connectors \
    && useradd --uid 10001 --gid connectors --home-dir /var/lib/connectors --no-create-home --shell /usr/sbin/nologin connectors \
    && install --directory --owner connectors --group connectors --mode 0750 /var/lib/connectors /var/tmp/connectors
COPY --from=build /opt/venv /opt/venv
COPY dagster_home/production/ /opt/dagster/
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DAGSTER_HOME=/opt/dagster \
    CONNECTORS_HOME=/var/lib/connectors \
    CONNECTORS_CONFIG=/etc/connectors/connectors.yaml \
    CONNECTORS_LOG_FORMAT=json \
    HOME=/var/lib/connectors \
    # Where files rest on their way to the object store: as large as the largest few of them.
    TMPDIR=/var/tmp/connectors \
    # OCR runs a process per CPU by itself; with threads inside of each they take four times the CPU (measured).
    OMP_THREAD_LIMIT=1
# By number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/connectors
EXPOSE 3000 4000
ENTRYPOINT ["tini", "--"]
CMD ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "4000", "--module-name", "connector_pipelines.definitions", "--location-name", "connector_pipelines"]
# Of the code location, which is the default command; other commands bring a check of their own.
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 \
    CMD ["dagster", "api", "grpc-health-check", "--port", "4000"]
