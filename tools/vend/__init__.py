"""Vend's analytics tool: loads RAW from Postgres and runs dbt for both sides of the warehouse."""

__version__ = "0.1.0"
