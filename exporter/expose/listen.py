"""Sockets to listen on: of TCP, at a path, or passed by systemd."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from exporter.errors import ListenError

BACKLOG = 512
"""Connections that wait to be accepted."""

_FIRST_PASSED = 3  # file descriptor; those of systemd follow each other. Source: sd_listen_fds(3)


def listen(host: str, port: int) -> socket.socket:
    """Return what listens on an address of TCP; *host* "" is every interface, IPv6 and IPv4. Raises ListenError."""
    place = _tcp_place(host, port)
    try:
        if host in ("", "::") and socket.has_dualstack_ipv6():
            try:
                return _prompt(
                    socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
                )
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):  # IPv6 is built in, but turned off
                    raise
        # Of a name's addresses one, IPv4 before IPv6, as the official exporters do.
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        return _prompt(socket.create_server(address[:2], family=family, backlog=BACKLOG))
    except OSError as error:
        raise _refused(place, "address", error) from error


def listen_at(path: str) -> socket.socket:
    """Return a Unix socket that listens at *path*, in place of one that a killed process left. Raises ListenError."""
    listening = socket.socket(socket.AF_UNIX)
    try:
        if Path(path).is_socket() and not _is_listened_on(path):
            Path(path).unlink()
        listening.bind(path)
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise _refused(f"unix:{path}", "path", error) from error
    return listening


def passed_by_systemd(environ: Mapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd passed to this process, as *environ* tells. Raises ListenError if it did not."""
    place = "--web.systemd-socket"
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal() or not int(count):
        raise ListenError(f"{place}: systemd passed no socket; start the exporter by a .socket unit with ListenStream=")
    passed = []
    for number in range(_FIRST_PASSED, _FIRST_PASSED + int(count)):
        try:
            one = socket.socket(fileno=number)
            if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                raise OSError
        except OSError:
            raise ListenError(f"{place}: file descriptor {number} does not listen; use ListenStream=") from None
        one.set_inheritable(False)
        passed.append(_prompt(one))
    return passed


def _prompt(listening: socket.socket) -> socket.socket:
    """Return *listening*, whose connections send what they have at once.

    asyncio would see to it, but not for a socket that does not name its protocol. Without it, the second part of each
    short answer waits 40 ms for the first to be acknowledged.
    """
    if listening.family in (socket.AF_INET, socket.AF_INET6):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def place_of(listening: socket.socket) -> str:
    """Return where *listening* listens, as it would be configured."""
    name = listening.getsockname()
    return _tcp_place(*name[:2]) if isinstance(name, tuple) else f"unix:{name}"


def _tcp_place(host: str, port: int) -> str:
    return f"{f'[{host}]' if ':' in host else host}:{port}"


def _is_listened_on(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) != errno.ECONNREFUSED


def _refused(place: str, what: str, error: OSError) -> ListenError:
    number = error.errno or 0
    reason = os.strerror(number).lower() if number > 0 else error.strerror  # below zero: a name that is not found
    return ListenError(f"{place}: cannot listen: {reason}; choose another {what} or free this one")
