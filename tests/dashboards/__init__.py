"""Dashboards against a Prometheus with data: what their expressions answer, and how that looks."""
