"""Files that hold secrets and certificates, read at every use, so that they may be rotated."""

from __future__ import annotations

import errno
from pathlib import Path

from exporter.errors import UnauthorizedError

_MAX_SECRET_BYTES = 65536


def read_file(path: str) -> bytes:
    """Return what the file holds now, at most 64 KiB and one byte of it.

    Raises OSError, also for what is not a regular file: opening a pipe could block for ever.
    """
    file = Path(path)
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "Not a regular file")
    with file.open("rb") as stream:
        return stream.read(_MAX_SECRET_BYTES + 1)


def read_secret(path: str) -> bytes:
    """Return the one line that the file holds now. Raises UnauthorizedError, which does not quote it."""
    try:
        secret = read_file(path).rstrip(b"\r\n")
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        reason = getattr(error, "strerror", None) or "not a path"
        raise UnauthorizedError(f"{path}: {reason}; it must be a file that the exporter may read") from None
    if not secret:
        raise UnauthorizedError(f"{path}: empty; write the secret into it")
    if len(secret) >= _MAX_SECRET_BYTES or any(byte < 0x20 or byte == 0x7F for byte in secret):
        raise UnauthorizedError(f"{path}: not one line of text; write the secret alone into it")
    return secret
