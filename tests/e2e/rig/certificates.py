"""Certificates of every kind that a Redis is run with, made with openssl."""

import subprocess
from pathlib import Path

_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
#: The names of this machine.
HERE = "subjectAltName=DNS:localhost,IP:127.0.0.1"


class Certificates:
    """A directory with certificates: `name.crt`, and `name.key` beside it."""

    def __init__(self, directory: Path):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory

    def openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True)

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def text(self, *names: str) -> str:
        return "".join((self.directory / f"{name}.crt").read_text() for name in names)

    def self_signed(
        self, name: str, common_name: str, *extensions: str, days: int = 30, version_1: bool = False
    ) -> None:
        """Its own authority; openssl says CA:TRUE unless told otherwise."""
        more = [word for one in extensions for word in ("-addext", one)]
        where, subject = ["-keyout", f"{name}.key"], ["-subj", f"/CN={common_name}"]
        if days > 0 and not version_1:
            self.openssl("req", "-x509", *_KEY, *where, "-out", f"{name}.crt", *subject, "-days", str(days), *more)
            return
        self.openssl("req", *_KEY, *where, "-out", f"{name}.csr", *subject)
        (self.directory / f"{name}.ext").write_text("basicConstraints=critical,CA:TRUE")
        extended = [] if version_1 else ["-extfile", f"{name}.ext"]
        by = ["-signkey", f"{name}.key", "-days", str(days)]
        self.openssl("x509", "-req", "-in", f"{name}.csr", *by, *extended, "-out", f"{name}.crt")

    def signed(self, name: str, authority: str, common_name: str, *extensions: str, days: int = 30) -> None:
        """Signed by an authority; without extensions it has version 1, as from most recipes."""
        where = ["-keyout", f"{name}.key", "-out", f"{name}.csr"]
        self.openssl("req", *_KEY, *where, "-subj", f"/CN={common_name}")
        (self.directory / f"{name}.ext").write_text("\n".join(extensions))
        more = ["-extfile", f"{name}.ext"] if extensions else []
        by = ["-CA", f"{authority}.crt", "-CAkey", f"{authority}.key", "-CAcreateserial", "-days", str(days)]
        self.openssl("x509", "-req", "-in", f"{name}.csr", *by, "-out", f"{name}.crt", *more)

    def bundle(self, name: str, *of: str, key: str | None = None) -> None:
        """Several certificates in one file, and a copy of a key."""
        (self.directory / f"{name}.crt").write_text(self.text(*of))
        if key:
            (self.directory / f"{name}.key").write_text((self.directory / f"{key}.key").read_text())

    def server(self, name: str, authorities: str, tls_port: int, clients: str = "no") -> list[str]:
        """The arguments of a Redis or Sentinel that shows this certificate."""
        files = {"cert": f"{name}.crt", "key": f"{name}.key", "ca-cert": f"{authorities}.crt"}
        words = [word for what, file in files.items() for word in (f"--tls-{what}-file", self.path(file))]
        return ["--tls-port", str(tls_port), *words, "--tls-auth-clients", clients]
