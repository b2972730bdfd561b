"""What every request passes first: the limit of their rate, and the question for a password.

The order and the answers are those of Prometheus' exporter-toolkit. A password costs what its hash costs, be it right,
wrong or of nobody; a right one is remembered by a hash that costs nothing, as there. So who has been let in is never
behind those who try: passwords wait in a line of their own, one at a time is checked, and no address has all of it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import bcrypt
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.bucket import Bucket
from exporter.expose.access import Access

_log = logging.getLogger(__name__)

_WAITING = 32  # passwords that wait to be checked
_WAITING_OF_ONE = 4  # of those, from one address
_BCRYPT_BYTES = 72  # of a password count, as in every bcrypt
_REALM = 'Basic realm="presto-query-exporter", charset="UTF-8"'


class Guard:
    """The application behind what every request passes first."""

    def __init__(self, app: ASGIApp, current: Callable[[], Access]) -> None:
        """Guard *app*; *current* returns what is asked of clients now."""
        self._app = app
        self._current = current
        self._bucket = Bucket()
        self._passwords = Passwords()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or refuse it."""
        access = self._current()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _replaced(message["headers"], access.headers)
            await send(message)

        answer = await self._refusal(scope, access) or self._app
        await answer(scope, receive, send_with_headers)

    async def _refusal(self, scope: Scope, access: Access) -> Response | None:
        address = (scope["client"] or ("",))[0]
        if not self._bucket.take(access.request_interval, access.request_burst, time.monotonic()):
            _note_refusal("more requests than rate_limit has", address)
            return PlainTextResponse("too many requests\n", 429)
        if not access.users:
            return None
        given = credentials(Headers(scope=scope).get("authorization", ""))
        if given is not None:
            is_right = await self._passwords.check(access.users, *given, address)
            if is_right is None:
                _note_refusal("too many passwords wait to be checked", address)
                return PlainTextResponse("too many passwords to check; try again\n", 503, {"Retry-After": "1"})
            if is_right:
                return None
        _note_refusal("no user and password" if given is None else "no such user, or another password", address)
        return PlainTextResponse("user and password, please\n", 401, {"WWW-Authenticate": _REALM})


def _note_refusal(reason: str, address: str) -> None:
    _log.debug("client refused: %s", reason, extra={"client": address or "unix"})


def _replaced(headers: Iterable[tuple[bytes, bytes]], by: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in by}
    return [*(header for header in headers if header[0].lower() not in names), *by]


def credentials(authorization: str) -> tuple[bytes, bytes] | None:
    """Return user and password of a header of Basic authentication; None if it is none."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except ValueError:
        return None
    return (user, password) if colon else None


class Passwords:
    """Checks passwords, one at a time and in a thread, and remembers for each user the last that was right."""

    def __init__(self) -> None:
        self._secret = os.urandom(32)
        self._right: dict[bytes, bytes] = {}
        self._checks: dict[bytes, asyncio.Task[bool]] = {}
        self._waiting: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    async def check(self, users: Mapping[bytes, bytes], user: bytes, password: bytes, address: str) -> bool | None:
        """Return whether *password* is that of *user*, one of *users* with their hashes; None if too many wait."""
        hashed = users.get(user)
        proof = self._proof(user, hashed or b"", password)
        if hashed is not None and hmac.compare_digest(self._right.get(user, b""), proof):
            return True
        check = self._checks.get(proof)  # a browser asks several times at once
        if check is None:
            if self._waiting.total() >= _WAITING or self._waiting[address] >= _WAITING_OF_ONE:
                return None
            check = asyncio.create_task(self._check(password[:_BCRYPT_BYTES], hashed or nobody(users.values())))
            self._checks[proof] = check
            self._waiting[address] += 1
            check.add_done_callback(lambda _: self._forget(proof, address))
        if not await asyncio.shield(check) or hashed is None:
            return False
        self._right[user] = proof
        return True

    async def _check(self, password: bytes, hashed: bytes) -> bool:
        async with self._turn:
            return await _in_thread(lambda: bcrypt.checkpw(password, hashed))

    def _forget(self, proof: bytes, address: str) -> None:
        del self._checks[proof]
        self._waiting -= Counter([address])  # and those with none

    def _proof(self, *parts: bytes) -> bytes:
        """Return what nobody can make, or make parts of, without the secret of this process."""
        digest = hashlib.blake2b(key=self._secret)
        for part in parts:
            digest.update(len(part).to_bytes(8, "big") + part)
        return digest.digest()


async def _in_thread(work: Callable[[], bool]) -> bool:
    """Return what *work* returns, in a thread that does not hold up the end of the process, however long it takes."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[bool] = loop.create_future()

    def finish(value: bool) -> None:
        if not result.done():
            result.set_result(value)

    def run() -> None:
        value = False
        try:
            value = work()
        finally:
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(finish, value)

    threading.Thread(target=run, name="password", daemon=True).start()
    return await result


def nobody(hashes: Iterable[bytes]) -> bytes:
    """Return the hash of no password, which costs as much to check as the most expensive of *hashes*."""
    return b"$2b$%02d$%s" % (max(int(each[4:6]) for each in hashes), b"." * 53)
