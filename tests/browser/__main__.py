"""``python -m tests.browser FOLDER``: pictures of the pages, as the documentation shows them."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.browser.chromium import browsing
from tests.browser.site import serving
from tests.browser.usage import Usage


def main(folder: Path) -> None:
    """Write the pictures into *folder*."""
    usage = Usage()
    fingerprint = usage.ask_default().rows[2].name
    pictures = [
        ("queries-overview", "/queries", 1400, 1560, False),
        ("queries-overview-dark", "/queries", 1400, 1560, True),
        ("queries-fingerprint", f"/queries/fingerprint/{fingerprint}", 1400, 1560, False),
        ("queries-user", "/queries/user?name=dashboards", 1400, 1560, False),
        ("queries-phone", "/queries?order_by=failed", 400, 1560, False),
    ]
    with serving(usage.ask) as address, browsing() as tab:
        for name, path, width, height, dark in pictures:
            tab.look(width=width, dark=dark)
            tab.open(address + path)
            (folder / f"{name}.png").write_bytes(tab.picture(height=height))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
