"""Asks coordinators: bytes, or a typed failure."""
