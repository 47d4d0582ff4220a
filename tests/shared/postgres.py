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
from pathlib import Path

from checks import PATIENCE, wait_until
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
    # In the folder, so that a server that is killed leaves none of it elsewhere.
    "dynamic_shared_memory_type": "mmap",
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

    def _fill(self):
        self._run("initdb", "--pgdata", self.data, "--username", NAME, "--pwfile", self._file("password", PASSWORD),
                  "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync", "--no-instructions")
        self._certify()
        self.start()
        self.sql("create database hallpass", database="postgres")

    def __enter__(self):
        try:
            self._fill()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.process and self.process.poll() is None:
                self.stop(signal.SIGQUIT)
        finally:
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
        wait_until(self._is_ready, "PostgreSQL answers", self._told)

    def _is_ready(self):
        assert self.process.poll() is None, self._told()
        ask = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ask).returncode == 0

    def _told(self):
        """The server's log."""
        return (self.folder / "log").read_text()

    def stop(self, how=signal.SIGINT):
        """SIGINT ends all connections in order; SIGQUIT is a crash, from which the next start recovers."""
        self.process.send_signal(how)
        self.process.wait(PATIENCE)

    def processes(self):
        """The server's first, which starts the others."""
        server = self.process.pid
        return [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]

    def kill(self):
        """All of it at once, as when its machine dies."""
        os.kill(self.process.pid, signal.SIGSTOP)
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        self.process.wait()
        # The kernel would keep it.
        memory = (self.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
        subprocess.run(["ipcrm", "--shmem-id", memory], check=True)

    def sql(self, text, database=NAME):
        """Runs SQL; returns the rows, unaligned."""
        psql = [program("psql"), "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", text]
        done = subprocess.run([*psql, self.url_of(database)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def set(self, name, value):
        """A setting that needs no restart."""
        self.sql(f"alter system set {name} = '{value}'")
        self.sql("select pg_reload_conf()")

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


class Replica(Postgres):
    """`with Replica(primary) as replica:` gives a copy that follows a primary, and can take its place."""

    def __init__(self, primary, **settings):
        self.primary = primary
        super().__init__(**settings)

    def _fill(self):
        self._run("pg_basebackup", "--pgdata", self.data, "--dbname", self.primary.url, "--write-recovery-conf",
                  "--checkpoint", "fast", "--no-sync")
        self._file(self.ca.name, self.primary.ca.read_text())
        self.start()
        self.catch_up()

    def catch_up(self):
        """Until it has all that its primary has committed so far."""
        written = self.primary.sql("select pg_current_wal_flush_lsn()")[0]
        self._until(self, f"select pg_last_wal_receive_lsn() >= '{written}'")

    def hold_the_primary(self):
        """From now on the primary waits for it with each commit: synchronous replication."""
        self.primary.set("synchronous_standby_names", "*")
        self._until(self.primary, "select sync_state = 'sync' from pg_stat_replication")

    def fall_behind(self):
        """What its primary commits from now on, it does not have."""
        self.set("primary_conninfo", "")
        self._until(self, "select count(*) = 0 from pg_stat_wal_receiver")

    def promote(self):
        """It is a primary when this returns."""
        assert self.sql("select pg_promote()") == ["t"], self._told()

    def _until(self, server, condition):
        wait_until(lambda: server.sql(condition) == ["t"], condition, self._told)


def program(name):
    """Of the folder POSTGRES_BIN; else Debian's, which are not on the path: of several versions, the newest."""
    if folder := os.environ.get("POSTGRES_BIN"):
        return str(Path(folder, name))
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    found = versions[-1] if versions else shutil.which(name)
    assert found, f"{name} was not found: install postgresql"
    return found


def has_tls():
    """Whether the server was built with it; Debian's is."""
    if not os.environ.get("POSTGRES_BIN"):
        return True
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
