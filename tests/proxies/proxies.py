"""nginx and Caddy with the files of deploy/, of which only ports and places are changed."""

import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from checks import PATIENCE, Started, wait_until
from client import Client
from nodes import HOST
from ports import free_port

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


def deployed(name, **changes):
    """The file, with each of `changes` made. What is changed must stand there exactly once."""
    text = (DEPLOY / name).read_text()
    for what, (written, real) in changes.items():
        assert text.count(written) == 1, f"{what}: {written!r} stands {text.count(written)} times in deploy/{name}"
        text = text.replace(written, real)
    return text


class Proxy(Started):
    """`with Nginx(cluster) as proxy:` gives one that serves https://example.org at `https_port`."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.folder = Path(tempfile.mkdtemp(prefix="hallpass-proxy-"))
        self.http_port, self.https_port = free_port(), free_port()
        self.first, self.second = (f"127.0.0.1:{node.port}" for node in (cluster.nodes * 2)[:2])
        certify(self.folder)
        self.tls = ssl.create_default_context(cafile=self.folder / "ca.crt")
        self.prepare()
        self.process = None
        # Nothing in the files needs to be root, but for the ports.
        self.user = "nobody" if os.getuid() == 0 else None
        if self.user:
            nobody = pwd.getpwnam(self.user)
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)

    def begin(self):
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(
                self.command(), user=self.user, group=self.user and "nogroup", cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={"HOME": str(self.folder), "PATH": os.environ["PATH"]},
            )
        wait_until(self.answers, f"{self.NAME} answers")

    def __exit__(self, fault, *_):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            finally:
                self.process.kill()
        if fault is not None:
            print(self.log(), flush=True)
        shutil.rmtree(self.folder)

    def answers(self):
        assert self.process.poll() is None, self.log()
        try:
            plain = Client(f"http://127.0.0.1:{self.http_port}")
            return plain.send("GET", "/", headers=[("Host", HOST)]).status == 308
        except OSError:
            return False

    def use(self, nodes):
        """Leaves out the others, as the files say an operator does before stopping one, and waits until that holds."""
        text = self.configuration
        for node in self.cluster.nodes:
            written, left_out = self.line(f"127.0.0.1:{node.port}")
            assert text.count(written) == 1, f"{written!r} stands {text.count(written)} times in the configuration"
            text = text if node in nodes else text.replace(written, left_out)
        (self.folder / self.FILE).write_text(text)
        self.reload()
        time.sleep(2)

    def log(self):
        """The last lines of what the proxy said."""
        return "\n".join((self.folder / "log").read_text().splitlines()[-40:])


class Nginx(Proxy):
    NAME, FILE = "nginx", "hallpass.conf"

    def prepare(self):
        loopback = "[::1]" if has_ipv6() else "127.0.0.2"
        self.configuration = deployed(
            "nginx.conf",
            http=("listen 80;", f"listen 127.0.0.1:{self.http_port};"),
            http_ipv6=("listen [::]:80;", f"listen {loopback}:{self.http_port};"),
            https=("listen 443 ssl http2;", f"listen 127.0.0.1:{self.https_port} ssl http2;"),
            https_ipv6=("listen [::]:443 ssl http2;", f"listen {loopback}:{self.https_port} ssl http2;"),
            first=("127.0.0.1:8001", self.first),
            second=("127.0.0.1:8002", self.second),
            log=("/var/log/nginx/hallpass.log", f"{self.folder}/access.log"),
            certificate=("/etc/letsencrypt/live/example.org/fullchain.pem", f"{self.folder}/server.crt"),
            key=("/etc/letsencrypt/live/example.org/privkey.pem", f"{self.folder}/server.key"),
        )
        (self.folder / self.FILE).write_text(self.configuration)
        # What surrounds the file in Debian's nginx.conf, as far as it could make a difference.
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"    {kind}_temp_path {self.folder}/{kind};\n" for kind in kinds)
        (self.folder / "nginx.conf").write_text(
            f"pid {self.folder}/nginx.pid;\nerror_log stderr;\ndaemon off;\nworker_processes 2;\n"
            "events {\n    worker_connections 768;\n}\n"
            "http {\n    sendfile on;\n    tcp_nopush on;\n    gzip on;\n"
            f"    access_log {self.folder}/others.log;\n{places}    include {self.folder}/{self.FILE};\n}}\n"
        )

    def command(self):
        return ["nginx", "-e", "stderr", "-p", self.folder, "-c", self.folder / "nginx.conf"]

    def line(self, address):
        return f"server {address} max_fails=1 fail_timeout=1s;", f"server {address} down;"

    def reload(self):
        self.process.send_signal(signal.SIGHUP)


class Caddy(Proxy):
    NAME, FILE = "caddy", "Caddyfile"

    def prepare(self):
        self.admin = f"127.0.0.1:{free_port()}"
        options = (f"\tadmin {self.admin}\n\tdefault_bind 127.0.0.1\n"
                   f"\thttp_port {self.http_port}\n\thttps_port {self.https_port}\n")
        certificate = f"{self.folder}/server.crt {self.folder}/server.key"
        self.configuration = deployed(
            "Caddyfile",
            ports=("\n{\n", "\n{\n" + options),
            certificate=("\nexample.org {\n", f"\nexample.org {{\n\ttls {certificate}\n"),
            first=("127.0.0.1:8001", self.first),
            second=("127.0.0.1:8002", self.second),
        )
        (self.folder / self.FILE).write_text(self.configuration)

    def command(self):
        return ["caddy", "run", "--adapter", "caddyfile", "--config", self.folder / self.FILE]

    def line(self, address):
        return f" {address}", ""

    def reload(self):
        subprocess.run(
            ["caddy", "reload", "--adapter", "caddyfile", "--config", self.folder / self.FILE, "--address", self.admin],
            check=True, capture_output=True, env={"HOME": str(self.folder), "PATH": os.environ["PATH"]},
        )


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as there:
            there.bind(("::1", 0))
        return True
    except OSError:
        return False


def certify(folder):
    """An authority, and a certificate of it for the site."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=Tests")
    openssl("req", "-x509", *key, "-keyout", "server.key", "-out", "server.crt", "-subj", f"/CN={HOST}",
            "-CA", "ca.crt", "-CAkey", "ca.key", "-addext", f"subjectAltName=DNS:{HOST}",
            "-addext", "basicConstraints=critical,CA:FALSE")
