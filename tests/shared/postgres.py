"""A PostgreSQL of the tests' own: a cluster in a temporary folder, on a free loopback port, removed afterwards.

python3 tests/shared/postgres.py COMMAND …   runs a command that finds it by TEST_POSTGRES
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ports import free_port

NAME = "hallpass"
PASSWORD = "only for tests"

# Nothing here has to survive a loss of power.
SETTINGS = {
    "fsync": "off",
    "max_connections": "300",
    "ssl_cert_file": "server.crt",
    "ssl_key_file": "server.key",
    "unix_socket_directories": "",
    "log_min_messages": "warning",
}


class Postgres:
    """`with Postgres() as postgres:` gives a running server; `url` leads to an empty database, `ca` to the certificate
    of the authority that signed the server's."""

    def __init__(self, **settings):
        self.folder = Path(tempfile.mkdtemp(prefix="hallpass-postgres-"))
        self.data = self.folder / "data"
        self.ca = self.folder / "ca.crt"
        # It refuses to run as root; Debian's package has brought a user for it.
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        self.folder.chmod(0o755)
        self.port = free_port()
        self.settings = SETTINGS | settings | {"port": str(self.port), "listen_addresses": "127.0.0.1"}
        self.settings["ssl"] = "on" if has_tls() else "off"
        self.process = None
        self._run("initdb", "--pgdata", self.data, "--username", NAME, "--pwfile", self._file("password", PASSWORD),
                  "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
        self._certify()
        self.start()
        self.sql("create database hallpass", database="postgres")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop("QUIT")
        shutil.rmtree(self.folder)

    @property
    def url(self):
        return self.url_of(NAME)

    def url_of(self, database):
        return f"postgres://{NAME}:{PASSWORD.replace(' ', '%20')}@localhost:{self.port}/{database}"

    def start(self):
        """Starts the server and waits until it answers."""
        settings = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(
                [program("postgres"), "-D", self.data, *settings],
                user=self.user, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
            )
        end = time.monotonic() + 60
        while subprocess.run([program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode != 0:
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, signal="INT"):
        """INT ends all connections in order; QUIT is a crash, from which the next start recovers."""
        subprocess.run(["kill", f"-{signal}", str(self.process.pid)], check=True)
        self.process.wait(timeout=60)

    def sql(self, text, database=NAME):
        """Runs SQL; returns the rows, unaligned."""
        psql = [program("psql"), "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", text]
        done = subprocess.run([*psql, self.url_of(database)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def _file(self, name, content):
        path = self.folder / name
        path.write_text(content)
        if self.user:
            shutil.chown(path, self.user)
        return path

    def _run(self, name, *arguments):
        done = subprocess.run(
            [program(name), *map(str, arguments)],
            user=self.user, cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"

    def _certify(self):
        """An authority, and a certificate of it for localhost."""
        def openssl(*arguments):
            subprocess.run(["openssl", *map(str, arguments)], cwd=self.folder, check=True, capture_output=True)

        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")
        openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", self.ca, "-subj", "/CN=Tests")
        openssl("req", "-x509", *key, "-keyout", "server.key", "-out", "server.crt", "-subj", "/CN=localhost",
                "-CA", self.ca, "-CAkey", "ca.key", "-addext", "subjectAltName=DNS:localhost",
                "-addext", "basicConstraints=critical,CA:FALSE")
        for name in ("server.key", "server.crt"):
            path = shutil.move(self.folder / name, self.data / name)
            os.chmod(path, 0o600)
            if self.user:
                shutil.chown(path, self.user, pwd.getpwnam(self.user).pw_gid)


def program(name):
    """Of the folder POSTGRES_BIN; else Debian's, which are not on the path: of several versions, the newest."""
    if folder := os.environ.get("POSTGRES_BIN"):
        return str(Path(folder, name))
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    found = versions[-1] if versions else shutil.which(name)
    assert found, f"{name} was not found: install postgresql"
    return found


def has_tls():
    """Whether the server was built with it."""
    built = subprocess.run([program("pg_config"), "--configure"], capture_output=True, text=True, check=True)
    return "openssl" in built.stdout


if __name__ == "__main__":
    # Stopped from outside, it tidies up, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Postgres() as postgres:
        environment = os.environ | {
            "TEST_POSTGRES": postgres.url,
            # Debian's psql and pg_dump first look for the right version, which takes longer than the work.
            "PATH": f"{Path(program('psql')).parent}{os.pathsep}{os.environ['PATH']}",
        }
        if has_tls():
            environment["TEST_POSTGRES_CA"] = str(postgres.ca)
        sys.exit(subprocess.run(sys.argv[1:], env=environment).returncode)
