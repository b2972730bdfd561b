"""``python -m dashboards.build``: write the dashboards as JSON, for provisioning and for import by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from dashboards import exporter_itself, patterns, servers, slo, user, users
from dashboards.grafana import Dashboard, Json, importable, provisioned

FOLDER = Path(__file__).parent
DASHBOARDS = (
    users.DASHBOARD,
    user.DASHBOARD,
    patterns.DASHBOARD,
    servers.CLUSTER_DASHBOARD,
    servers.NODES_DASHBOARD,
    slo.DASHBOARD,
    exporter_itself.DASHBOARD,
)
FORMS: dict[str, Callable[[Dashboard], Json]] = {"provisioned": provisioned, "importable": importable}
"""The two forms of a dashboard, by the folder that holds them."""


def files() -> dict[Path, str]:
    """Return the text of every file that is built, by its path."""
    return {
        FOLDER / form / f"{dashboard.uid}.json": json.dumps(build(dashboard), indent=2, ensure_ascii=False) + "\n"
        for form, build in FORMS.items()
        for dashboard in DASHBOARDS
    }


def write() -> None:
    """Write every file, and remove those of dashboards that are no more."""
    built = files()
    for form in FORMS:
        (FOLDER / form).mkdir(exist_ok=True)
        for path in (FOLDER / form).glob("*.json"):
            if path not in built:
                path.unlink()
    for path, text in built.items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    write()
