"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# A busy machine is no failure; and what lands must not depend on luck, while every other run looks for new examples.
settings.register_profile("ours", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("ours")
