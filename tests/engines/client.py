"""One statement on its way through ``/v1/statement``, as its client sees it.

What the client sees, or does to its query, is noted in the `Sent` that `truth` counts. The list of queries is never
asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests

from tests.engines import EngineError
from tests.engines.servers import ADMIN, Server
from tests.engines.truth import ABANDONED, FINISHED, USER_CANCELED, Ending, Fate, Sent, ending, ending_of

_PATIENCE = 90.0
_REQUEST_SECONDS = 60.0


class Clients:
    """Everybody who sends statements to a server; `sent` has every statement, in the order of the server's answers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.sent: list[Sent] = []
        self._left: list[Statement] = []
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))

    def send(
        self,
        user: str,
        source: str,
        sql: str,
        *,
        session: Sequence[str] = (),
        prepared: tuple[str, str] | None = None,
    ) -> Statement:
        """Return a statement that the server has taken, its first result not asked for yet.

        *session* holds ``property=value`` pairs, *prepared* a prepared statement's name and text.
        """
        headers = {"Source": source, "Session": ",".join(session)}
        if prepared:
            headers["Prepared-Statement"] = f"{prepared[0]}={quote(prepared[1])}"
        prefix = self.server.engine.dialect.header_prefix
        # Names go out as UTF-8 and servers read header bytes as ISO-8859-1. What they read is who the user is.
        encoded = {f"{prefix}{name}": value.encode() for name, value in {**headers, "User": user}.items() if value}
        response = self.call("POST", f"{self.server.url}/v1/statement", encoded, sql.encode())
        if response.status_code != requests.codes.ok:
            raise EngineError(f"POST /v1/statement: answered {response.status_code} to user {user!r}")
        reply = response.json()
        sent = Sent(reply["id"], user.encode().decode("latin-1"), source, sql)
        self.sent.append(sent)
        return Statement(self, sent, encoded, reply)

    def call(self, method: str, url: str, headers: Mapping[str, bytes], body: bytes | None = None) -> requests.Response:
        """Return the server's answer, whatever its status."""
        return self._http.request(method, url, data=body, headers=dict(headers), timeout=_REQUEST_SECONDS)

    def administrator(self) -> dict[str, bytes]:
        """Return the headers of a request by the administrator."""
        return {f"{self.server.engine.dialect.header_prefix}User": ADMIN.encode()}

    def left(self, statement: Statement) -> None:
        """Remember a statement that its client left, for `wait_for_left`."""
        self._left.append(statement)

    def wait_for_left(self) -> None:
        """Return once the server has ended every query whose client left it."""
        for statement in self._left:
            statement.wait_for_server()
        self._left.clear()


class Statement:
    """A statement and its client, who must do one of: read it, cancel it, leave it, have it ended, or be cut off."""

    def __init__(self, clients: Clients, sent: Sent, headers: Mapping[str, bytes], reply: dict[str, Any]) -> None:
        self.sent = sent
        self._clients = clients
        self._headers = headers
        self._reply = reply
        self._holder: threading.Thread | None = None
        self._holding = False
        self._broken: Exception | None = None

    @property
    def state(self) -> str:
        """The state of the query in the server's last answer."""
        return str(self._reply["stats"]["state"])

    def step(self) -> bool:
        """Ask for the next result; return False if there is none."""
        if not (next_uri := self._reply.get("nextUri")):
            return False
        response = self._clients.call("GET", next_uri, self._headers)
        if response.status_code == requests.codes.service_unavailable:
            time.sleep(0.1)
            return True
        if response.status_code != requests.codes.ok:
            raise EngineError(f"query {self.sent.id}: GET nextUri answered {response.status_code}")
        self._reply = response.json()
        return True

    def wait_until(self, *states: str) -> Statement:
        """Follow the query until it is in one of these states, or has ended."""
        deadline = time.monotonic() + _PATIENCE
        while self.state not in states and self.step():
            if time.monotonic() > deadline:
                raise EngineError(f"query {self.sent.id}: still {self.state} after {_PATIENCE:.0f} s, not {states}")
        return self

    def read(self) -> None:
        """Read to the end and note how the query ended."""
        self.release()
        while self.step():
            pass
        self._note("read to the end")

    def cancel(self) -> None:
        """Cancel as a driver does that closes a result: ``DELETE nextUri``."""
        self.release()
        if "nextUri" not in self._reply:
            raise EngineError(f"query {self.sent.id}: ended as {self.state} before its client could cancel it")
        self._cancel_at(self._reply["nextUri"], self._headers, "DELETE nextUri")

    def cancel_by_id(self) -> None:
        """Cancel as an administrator's tool does: ``DELETE /v1/query/{id}``."""
        self.release()
        url = f"{self._clients.server.url}/v1/query/{self.sent.id}"
        self._cancel_at(url, self._clients.administrator(), "DELETE /v1/query/{id}")

    def end_by_administrator(self, what: str) -> None:
        """End it with ``PUT /v1/query/{id}/killed`` or ``/preempted``, and read what the client is told."""
        self.release()
        url = f"{self._clients.server.url}/v1/query/{self.sent.id}/{what}"
        headers = {**self._clients.administrator(), "Content-Type": b"text/plain"}
        response = self._clients.call("PUT", url, headers, b"a trial")
        if not response.ok:
            raise EngineError(f"query {self.sent.id}: PUT {what} answered {response.status_code}")
        self.read()
        self.sent.how = f"PUT {what}"

    def leave(self) -> None:
        """Go away without a word; the server gives the query up after its client timeout."""
        self.release()
        self.sent.end("client left", ending(*ABANDONED))
        self._clients.left(self)

    def leave_unread(self) -> None:
        """Go away before the last result of a small query. What that means differs: the server is asked later."""
        self.sent.how = "left before the last result"
        self._clients.left(self)

    def never_follow(self) -> None:
        """Never ask for the first result."""
        self.sent.fate, self.sent.how = Fate.NEVER_FOLLOWED, "POST only"

    def cut_off(self) -> None:
        """Say that the server is about to be stopped under this query."""
        self.sent.fate, self.sent.how = Fate.CUT_OFF, "server stopped"

    def hold(self) -> Statement:
        """Keep asking in the background, as a waiting client does."""
        self._holding = True
        self._holder = threading.Thread(target=self._keep_asking, daemon=True)
        self._holder.start()
        return self

    def release(self) -> None:
        """End what `hold` began, and raise what went wrong meanwhile, unless the query was cut off."""
        self._holding = False
        if self._holder:
            self._holder.join()
            self._holder = None
        if self._broken and self.sent.fate is not Fate.CUT_OFF:
            raise self._broken

    def wait_for_server(self) -> None:
        """Return once the server says that the query has ended; where the client cannot know how, take its word."""
        deadline = time.monotonic() + _PATIENCE
        while (ended := self._ending_by_server()) is None:
            if time.monotonic() > deadline:
                raise EngineError(f"query {self.sent.id}: not given up after {_PATIENCE:.0f} s")
            time.sleep(0.2)
        if self.sent.ending is None:
            self.sent.end(self.sent.how, ended)

    def _ending_by_server(self) -> Ending | None:
        response = self._clients.server.get(f"/v1/query/{self.sent.id}", ADMIN)
        if response.status_code != requests.codes.ok:
            raise EngineError(f"query {self.sent.id}: the server has forgotten it; raise query.min-expire-age")
        return ending_of(response.json())

    def _keep_asking(self) -> None:
        try:
            while self._holding and self.step():
                pass
        except (EngineError, requests.RequestException) as error:
            self._broken = error

    def _cancel_at(self, url: str, headers: Mapping[str, bytes], how: str) -> None:
        response = self._clients.call("DELETE", url, headers)
        if not response.ok:
            raise EngineError(f"query {self.sent.id}: {how} answered {response.status_code}")
        self.sent.end(how, ending(*USER_CANCELED))

    def _note(self, how: str) -> None:
        error = self._reply.get("error")
        self.sent.end(how, ending(error["errorType"], error["errorName"]) if error else FINISHED)
