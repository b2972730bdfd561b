"""A folder of certificates as a web configuration names them, for tests."""

from __future__ import annotations

from pathlib import Path

import bcrypt
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

PASSWORD = b"open sesame"
"""The password of `HASH`."""
HASH = bcrypt.hashpw(PASSWORD, bcrypt.gensalt(4)).decode()
TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key}\n"
"""The least that makes TLS of the files."""


class WebFolder:
    """A folder with ``ca.pem``, and of each of server, client, other and foreign a certificate and its key.

    Server is localhost; client is prometheus.example and more; other has another name; foreign has client's names from
    an authority that nobody knows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(path / "ca.pem")
        names = ("prometheus.example", "192.0.2.7", "2001:db8::1", "prometheus@example.com")
        self.renew("server")
        self._write("client", self.authority.issue_cert(*names))
        self._write("other", self.authority.issue_cert("other.example"))
        self._write("foreign", trustme.CA().issue_cert(*names))

    def renew(self, name: str) -> None:
        """Write another certificate for localhost under *name*, and its key."""
        self._write(name, self.authority.issue_cert("localhost", "127.0.0.1", "::1"))

    def _write(self, name: str, issued: trustme.LeafCert) -> None:
        issued.cert_chain_pems[0].write_to_path(self.path / f"{name}.crt")
        issued.private_key_pem.write_to_path(self.path / f"{name}.key")

    def encrypt(self, name: str) -> None:
        """Write the key of *name* as ``encrypted.key``."""
        key = load_pem_private_key((self.path / f"{name}.key").read_bytes(), None)
        encryption = BestAvailableEncryption(b"hunter2")
        (self.path / "encrypted.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption)
        )

    def write(self, text: str) -> Path:
        """Write the web configuration, in one step; return its path."""
        target, draft = self.path / "web.yml", self.path / "web.yml.new"
        draft.write_text(text, encoding="utf-8")
        return draft.replace(target)
