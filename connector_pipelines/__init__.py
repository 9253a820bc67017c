"""A Dagster code location that brings files from where people keep them into stores where they can be used."""

__version__ = "0.1.0"
