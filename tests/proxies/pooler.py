"""PgBouncer between the nodes and PostgreSQL. Where each connection has a session of its own, nothing differs, and a
restart logs nobody out; where sessions are shared, hallpass refuses to start."""

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import postgres as server
from checks import PATIENCE, Started, equal, wait_until
from client import Client
from node import Node
from nodes import Cluster, by_way_of
from ports import free_port
from readme import example
from server import PASSWORD
from visitor import Visitor

EMAIL = "ann@example.org"
VISITORS = 12
# Rotations all the time.
SHORT = {"access_token_ttl_seconds": 2}
STARTS = 10
# Longer than a node waits for a connection.
AWAY_SECONDS = 7


def check(binary, postgres):
    with PgBouncer(postgres) as pooler, Cluster(binary, postgres, [pooler.port] * 2, **SHORT) as cluster:
        both_are_told_of_changes(cluster, postgres)
        what_one_node_ends_the_other_refuses(*cluster.nodes)
        a_restart_logs_nobody_out(cluster, pooler)


def check_refusal(binary, postgres, mode):
    with PgBouncer(postgres, mode) as pooler, tempfile.TemporaryDirectory(prefix="hallpass-") as folder:
        url = by_way_of(pooler.port, postgres.url)
        node = Node(binary, folder, database_url=url)
        for command in ["serve", "migrate"]:
            refuses(node, command)
        # With others that take the sessions in between, too.
        with busy(url):
            for _ in range(STARTS):
                refuses(node, "migrate")


def both_are_told_of_changes(cluster, postgres):
    database = cluster.nodes[0].environment["HALLPASS_DATABASE_URL"].rpartition("/")[2]
    listening = f"select count(*) from pg_stat_activity where datname = '{database}' and query like 'LISTEN%'"
    wait_until(lambda: postgres.sql(listening) == ["2"], "both listen")


def what_one_node_ends_the_other_refuses(first, second):
    visitor = Guest(first)
    visitor.submit("/register", name="Ann", email=EMAIL, password=PASSWORD).expect(303, "/account")
    visitor.submit("/logout").expect(303, "/")
    visitor.log_in(EMAIL)
    visitor.door = second
    assert EMAIL in visitor.get("/account").expect(200).text
    before = visitor.refresh_token
    time.sleep(2.5)
    visitor.get("/account").expect(200)
    assert visitor.refresh_token != before, "did not rotate"
    copy = Guest(second)
    copy.jar = dict(visitor.jar)
    copy.get("/account").expect(200)
    visitor.door = first
    visitor.submit("/logout").expect(303, "/")
    time.sleep(1)
    copy.get("/account").expect(303, "/login?next=%2Faccount")


def a_restart_logs_nobody_out(cluster, pooler):
    visitors = [Guest(cluster.nodes[number % 2]) for number in range(VISITORS)]
    for visitor in visitors:
        visitor.log_in(EMAIL)
    stopped = threading.Event()
    with ThreadPoolExecutor(VISITORS) as pool:
        crowd = [pool.submit(work, visitor, stopped) for visitor in visitors]
        try:
            for seconds in (0, AWAY_SECONDS):
                time.sleep(3)
                pooler.stop()
                time.sleep(seconds)
                pooler.start()
            time.sleep(6)
        finally:
            stopped.set()
        pages, refused = (sum(counts) for counts in zip(*(one.result() for one in crowd)))
    print(f"over two restarts of PgBouncer: {pages} pages, {refused} times 503", flush=True)
    assert refused, "nobody noticed"
    for visitor in visitors:
        assert EMAIL in visitor.get("/account").expect(200).text


def work(visitor, stopped):
    """Loads pages; returns how many there were, and how many were refused for the moment."""
    pages = refused = 0
    while not stopped.is_set():
        before = set(visitor.jar)
        answer = visitor.get("/account")
        if answer.status == 503:
            equal(set(visitor.jar), before, "cookies")
            refused += 1
        else:
            assert EMAIL in answer.expect(200).text
            pages += 1
        time.sleep(0.1)
    return pages, refused


def refuses(node, command):
    done = subprocess.run([node.binary, command], cwd=node.folder, env=node.environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and "pool_mode" in done.stderr, f"{command}: {done}"


@contextmanager
def busy(url):
    """Other programs of the same user and database, each of which uses whatever session is free."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write("select pg_sleep(0.002);\n")
        script.flush()
        bench = [server.program("pgbench"), "--no-vacuum", "--client=10", "--time=600", f"--file={script.name}", url]
        others = subprocess.Popen(bench, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)
            yield
            assert others.poll() is None, "nobody was busy"
        finally:
            others.terminate()
            others.wait()


class Guest(Visitor):
    """Asks a node, with no proxy in between."""

    def connection(self):
        return Client(self.door.url, self.source).connection()


class PgBouncer(Started):
    """`with PgBouncer(postgres) as pooler:` gives a running one, set as the README says."""

    def __init__(self, postgres, pool_mode="session"):
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="hallpass-pooler-"))
        settings = example("ini", **{
            "hallpass = host=db.example.org": f"* = host=127.0.0.1 port={postgres.port}",
            "pool_mode=session": f"pool_mode={pool_mode}",
        })
        (self.folder / "pgbouncer.ini").write_text(
            f"{settings}listen_addr = 127.0.0.1\nlisten_port = {self.port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {self.folder}/users\n"
        )
        (self.folder / "users").write_text(f'"{server.NAME}" "{server.PASSWORD}"\n')
        self.process = None
        # It refuses to run as root.
        self.user = "nobody" if os.getuid() == 0 else None
        if self.user:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, self.user)

    def begin(self):
        self.start()

    def __exit__(self, fault, *_):
        self.stop()
        if fault is not None:
            print(*(self.folder / "log").read_text().splitlines()[-40:], sep="\n", flush=True)
        shutil.rmtree(self.folder)

    def start(self):
        with open(self.folder / "log", "a") as log:
            self.process = subprocess.Popen(
                ["pgbouncer", self.folder / "pgbouncer.ini"], user=self.user, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        wait_until(self.answers, "PgBouncer answers")

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except ConnectionRefusedError:
            return False

    def stop(self):
        """Cuts all connections: later versions would wait for their clients on SIGTERM."""
        if self.process:
            self.process.kill()
            self.process.wait()
