"""``python -m tests.dashboards.render URL FOLDER``: the dashboards with data of a real Prometheus, as pictures.

Each committed dashboard becomes a page (HTML with inline SVG), which headless Chromium turns into
``dashboard-<uid>.png``, and pngquant, where it is installed, into a smaller one. The pictures are drawn here, not by
Grafana: they show what is asked, what is answered and how panels, units, legends and thresholds are laid out, not
Grafana's own look.
"""

from __future__ import annotations

import argparse
import html
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dashboards.build import FOLDER
from dashboards.grafana import COLUMNS, Json
from tests.dashboards.drawing import CELL, FAINT, GAP, LINE, PANEL, TEXT, Span, panel
from tests.dashboards.execute import Prometheus, QueryError, Sample, chosen, fill

WIDTH = 1560
_HEAD = 76
_POINTS = 200

_STYLE = f"""
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: #111217; color: {TEXT}; font: 13px "Inter", "Liberation Sans", Arial, sans-serif; }}
header {{ position: absolute; left: 16px; right: 16px; top: 10px; }}
header h1 {{ font-size: 18px; margin: 0 0 8px; font-weight: 500; }}
header h1 small {{ float: right; color: {FAINT}; font-size: 13px; }}
header span {{ border: 1px solid {LINE}; border-radius: 2px; margin-right: 8px; background: {PANEL};
  padding: 3px 8px; }}
header span b {{ color: {FAINT}; font-weight: 500; margin-right: 6px; }}
section {{ position: absolute; background: {PANEL}; border: 1px solid {LINE}; border-radius: 2px; overflow: hidden;
  padding: 0 8px; }}
section.row {{ background: none; border: none; font-size: 16px; padding: 4px 0; font-weight: 500; }}
h2 {{ font-size: 14px; font-weight: 500; margin: 0; height: 34px; line-height: 34px; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; }}
h2 i {{ font: italic 10px serif; border: 1px solid {FAINT}; color: {FAINT}; border-radius: 50%; padding: 0 4px;
  margin-left: 6px; vertical-align: 1px; }}
svg {{ display: block; }}
.nothing {{ text-align: center; color: {FAINT}; margin: 20px 0 0; }}
.nothing.big {{ font-size: 26px; color: {TEXT}; }}
.stat {{ display: flex; flex-direction: column; justify-content: center; text-align: center; font-weight: 500; }}
.nothing.big {{ position: absolute; top: 34px; bottom: 8px; left: 0; right: 0; margin: 0; display: grid;
  place-items: center; }}
.stat small {{ font-size: 12px; margin-right: 10px; }}
.beside {{ display: flex; }} .beside > div {{ overflow: hidden; }}
.below {{ overflow: hidden; white-space: normal; padding-left: 8px; }}
.below span {{ margin-right: 14px; font-size: 12px; line-height: 18px; white-space: nowrap; }}
.below b, .legend b {{ display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin-right: 5px;
  vertical-align: 3px; }}
table {{ border-collapse: collapse; table-layout: fixed; }}
.legend {{ width: 100%; font-size: 12px; table-layout: auto; }}
.legend td, .legend th {{ padding: 2px 6px; text-align: right; white-space: nowrap; border-bottom: 1px solid {LINE}; }}
.legend td:first-child, .legend th:first-child {{ text-align: left; }}
.legend th, .data th {{ color: #6e9fff; font-weight: 500; }}
.data th {{ text-align: left; padding: 0 6px; height: 30px; font-size: 12px; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }}
.data td {{ padding: 0 6px; height: 28px; border-top: 1px solid {LINE}; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; }}
.data .number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.data .link {{ color: #6e9fff; }}
.gauge {{ display: flex; align-items: center; }}
.gauge i {{ flex: 1; height: 16px; }} .gauge b {{ display: block; height: 100%; background: #5794f2; opacity: 0.75; }}
.gauge span {{ padding-left: 6px; min-width: 66px; text-align: right; }}
.pages {{ margin: 4px; text-align: right; color: {FAINT}; }}
"""


def page(dashboard: Json, prometheus: Prometheus, given: Mapping[str, str]) -> tuple[str, int]:
    """Return the dashboard as an HTML page, and the page's height in pixels."""
    variables = chosen(dashboard, prometheus, given)
    span = Span(prometheus.until - prometheus.span, prometheus.until, _events(dashboard, prometheus, variables))
    cell = (WIDTH - 32 + GAP) / COLUMNS
    parts = [_head(dashboard, variables, span)]
    bottom = 0
    for built in dashboard["panels"]:
        at = built["gridPos"]
        x, y = 16 + at["x"] * cell, _HEAD + at["y"] * (CELL + GAP)
        width, height = at["w"] * cell - GAP, at["h"] * (CELL + GAP) - GAP
        bottom = max(bottom, y + height)
        place = f"left:{x:.0f}px;top:{y:.0f}px;width:{width:.0f}px;height:{height:.0f}px"
        if built["type"] == "row":
            title = html.escape(_titled(built["title"], variables))
            parts.append(f'<section class="row" style="{place}">⌄ {title}</section>')
        else:
            body = panel(built, _answers(built, prometheus, variables), span, width - 2, height - 2)
            parts.append(f'<section style="{place}">{body}</section>')
    text = f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style><body>{"".join(parts)}'
    return text, round(bottom) + 16


def _titled(text: str, variables: Mapping[str, str]) -> str:
    return fill(text, {name: "All" if value == ".+" else value for name, value in variables.items()})


def _answers(built: Json, prometheus: Prometheus, variables: Mapping[str, str]) -> list[list[Sample]]:
    answers = []
    for target in built["targets"]:
        expr = fill(target["expr"], variables)
        answers.append(prometheus.over_time(expr, _POINTS) if target["range"] else prometheus.instant(expr))
    return answers


def _events(dashboard: Json, prometheus: Prometheus, variables: Mapping[str, str]) -> list[tuple[float, str]]:
    """Return the moments and colours of the annotations, as Grafana makes them of an answer."""
    events = []
    for annotation in dashboard["annotations"]["list"]:
        if "expr" not in annotation:
            continue
        for sample in prometheus.over_time(fill(annotation["expr"], variables), _POINTS):
            if annotation["useValueForTime"]:
                moments = {round(value / 1000) for _, value in sample.points}
            else:
                moments = {round(at) for at, value in sample.points[:1] if value > 0}
            events += [(float(at), annotation["iconColor"]) for at in moments]
    return events


def _head(dashboard: Json, variables: Mapping[str, str], span: Span) -> str:
    labels = {variable["name"]: variable["label"] for variable in dashboard["templating"]["list"]}
    chips = "".join(
        f"<span><b>{html.escape(label)}</b>{html.escape(_titled('$' + name, variables))}</span>"
        for name, label in labels.items()
    )
    shown = f"{time.strftime('%H:%M', time.gmtime(span.start))} to {time.strftime('%H:%M', time.gmtime(span.end))} UTC"
    return f"<header><h1>{html.escape(dashboard['title'])}<small>{shown}</small></h1>{chips}</header>"


def screenshot(text: str, height: int, picture: Path) -> None:
    """Write the page as a picture, in few colours where pngquant is installed. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory(prefix="dashboards-") as folder:
        source = Path(folder) / "page.html"
        source.write_text(text, "utf-8")
        command = [
            "chromium",
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/chromium",
            f"--window-size={WIDTH},{height}",
            f"--screenshot={picture}",
            source.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    if shutil.which("pngquant"):
        subprocess.run(
            ["pngquant", "--force", "--output", str(picture), "--speed=1", "--nofs", "64", str(picture)],
            check=True,
            timeout=120,
        )


def main(argv: Sequence[str]) -> int:
    """Draw every dashboard whose variables have values; say which have none."""
    parser = argparse.ArgumentParser(prog="python -m tests.dashboards.render", description=__doc__)
    parser.add_argument("url", help="of a Prometheus, such as http://localhost:9090")
    parser.add_argument("folder", type=Path, help="where the pictures are written")
    parser.add_argument("--range", type=float, default=1800.0, metavar="SECONDS", help="to look back (default: 1800)")
    parser.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE", help="such as user=anna")
    parser.add_argument("--only", metavar="UID", help="draw this dashboard only")
    parser.add_argument("--html", action="store_true", help="write the pages, too")
    options = parser.parse_args(argv)
    given = dict(variable.split("=", 1) for variable in options.variable)
    for path in sorted((FOLDER / "provisioned").glob(f"{options.only or '*'}.json")):
        try:
            text, height = page(json.loads(path.read_text("utf-8")), Prometheus(options.url, options.range), given)
        except QueryError as error:
            print(f"{path.stem}: not drawn: {error}")
            continue
        picture = options.folder.resolve() / f"dashboard-{path.stem}.png"
        screenshot(text, height, picture)
        if options.html:
            picture.with_suffix(".html").write_text(text, "utf-8")
        print(f"{picture.name}: {WIDTH} x {height}, {picture.stat().st_size // 1024} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
