"""A real Kerberos KDC (MIT) of one realm, on a free loopback port, with a database of its own in a folder."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

REALM = "PRESTO.EXAMPLE"
_PROGRAMS = ("krb5kdc", "kadmin.local", "kdb5_util")
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
_SECONDS = 30.0


def missing_program() -> str | None:
    """Return which of the programs of MIT Kerberos is not installed; None if all are."""
    return next((name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None), None)


class Kdc:
    """A KDC; it answers within its ``with`` block, and between `start` and `stop`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port: int = listener.getsockname()[1]
        self.config = folder / "krb5.conf"
        """What clients and servers need: KRB5_CONFIG, ``http.authentication.krb5.config``."""
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.config.write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            f" dns_canonicalize_hostname = false\n rdns = false\n udp_preference_limit = 1\n"
            f"[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{self.port}\n }}\n"
            f"[domain_realm]\n localhost = {REALM}\n"
        )
        (folder / "kdc.conf").write_text(
            f"[kdcdefaults]\n kdc_listen = 127.0.0.1:{self.port}\n kdc_tcp_listen = 127.0.0.1:{self.port}\n"
            f"[realms]\n {REALM} = {{\n  database_name = {folder / 'principal'}\n"
            f"  key_stash_file = {folder / 'stash'}\n  acl_file = {folder / 'kadm5.acl'}\n"
            "  max_life = 10h\n  default_principal_flags = +preauth\n"
            "  supported_enctypes = aes256-cts-hmac-sha1-96:normal\n }\n"
            f"[logging]\n kdc = FILE:{folder / 'kdc.log'}\n admin_server = FILE:{folder / 'kadmin.log'}\n"
        )
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", secrets.token_hex(16))

    @property
    def environment(self) -> Mapping[str, str]:
        """What a client needs in its environment."""
        return {"KRB5_CONFIG": str(self.config)}

    def __enter__(self) -> Kdc:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Answer from now on."""
        with (self._folder / "krb5kdc.out").open("ab") as output:
            self._process = subprocess.Popen(
                [self._program("krb5kdc"), "-n", "-r", REALM], env=self._environment(), stdout=output, stderr=output
            )

    def stop(self) -> None:
        """Answer no more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def add(self, principal: str) -> None:
        """Let the realm have a principal with a random key."""
        self._run("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")

    def change_key(self, principal: str) -> None:
        """Give a principal another key: what its keytabs hold is good for nothing."""
        self._run("kadmin.local", "-r", REALM, "-q", f"cpw -randkey {principal}")

    def keytab(self, name: str, *principals: str) -> Path:
        """Return a keytab in the KDC's folder with the keys that these principals have now."""
        path = self._folder / name
        path.unlink(missing_ok=True)
        for principal in principals:
            self._run("kadmin.local", "-r", REALM, "-q", f"ktadd -norandkey -k {path} {principal}")
        return path

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._program(program), *arguments],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode or "while" in done.stderr:  # kadmin.local ends with 0 whatever its query came to
            raise OSError(f"{program}: {done.stderr.strip() or done.stdout.strip()}")

    @staticmethod
    def _program(name: str) -> str:
        found = shutil.which(name, path=_PATH)
        if found is None:
            raise OSError(f"{name}: not installed; install krb5-kdc and krb5-admin-server")
        return found

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.environment, "KRB5_KDC_PROFILE": str(self._folder / "kdc.conf")}
