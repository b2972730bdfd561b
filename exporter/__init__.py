"""Counts every query of Presto and Trino clusters exactly once, per user, and serves the counts to Prometheus."""

__version__ = "0.1.0"
