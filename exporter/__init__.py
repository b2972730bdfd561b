"""Counts every query of Presto and Trino clusters exactly once, per user, and serves the counts to Prometheus."""

__version__ = "0.1.0"
__revision__ = "unknown"
"""The commit that was built; images and packages write it."""
