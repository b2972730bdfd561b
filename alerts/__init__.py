"""Alerts and service level objectives: rules for Prometheus, their tests, and what is built from them."""
