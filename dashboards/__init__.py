"""Grafana dashboards as data: each module describes one, `grafana` turns them into JSON, `build` writes the files."""
