"""The unit of systemd. No systemd runs where tests run, so nothing here starts it. What can be had without: systemd's
own judgement of the file, and the program under the restrictions of the file that a process can put on itself: another
user, no new privileges, the system calls, no memory that is both written and run, the address families. Not seen here:
what takes namespaces (Protect…, Private…), the making of the state folder, restarts."""

import ctypes
import os
import platform
import pwd
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from checks import PATIENCE, equal
from client import Api
from node import CHEAP
from ports import free_port
from proxies import deployed
from server import PASSWORD

UNIT = "hallpass@.service"
# Of 100, where 0 is nothing exposed at all.
EXPOSURE_MAX = 15
NUMBERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")


def check(binary):
    with tempfile.TemporaryDirectory(prefix="hallpass-unit-") as folder:
        folder = Path(folder)
        unit = deployed(UNIT, program=("/usr/local/bin/hallpass", binary))
        systemd_has_nothing_to_say(folder, unit)
        makes_a_user(folder)
        if platform.machine() == "x86_64" and os.getuid() == 0:
            runs_under_the_restrictions(folder, binary, Settings(unit))
        else:
            print("not run under the restrictions: that takes root, on x86-64", flush=True)


def analyze(*arguments):
    done = subprocess.run(
        ["systemd-analyze", *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def systemd_has_nothing_to_say(folder, unit):
    (folder / UNIT).write_text(unit)
    equal(analyze("verify", "--man=no", folder / "hallpass@8001.service"), (0, ""), "systemd-analyze verify")
    # It would say so.
    (folder / "wrong@.service").write_text(unit.replace("ProtectHome=", "ProtectHoem="))
    assert "ProtectHoem" in analyze("verify", "--man=no", folder / "wrong@8001.service")[1], "verify verifies nothing"
    threshold = f"--threshold={EXPOSURE_MAX}"
    status, told = analyze("security", "--offline=true", threshold, folder / "hallpass@8001.service")
    assert status == 0, told
    print(told.strip().splitlines()[-1].strip("→ "), flush=True)


def makes_a_user(folder):
    root = folder / "root"
    (root / "etc/sysusers.d").mkdir(parents=True)
    (root / "etc/sysusers.d/hallpass.conf").write_text(deployed("hallpass.sysusers"))
    subprocess.run(["systemd-sysusers", f"--root={root}"], check=True, capture_output=True)
    name, *_, home, shell = (root / "etc/passwd").read_text().strip().split(":")
    equal((name, home, Path(shell).name), ("hallpass", "/var/lib/hallpass", "nologin"), "the user")


class Settings:
    """Those of the unit's section [Service]; some stand there more than once."""

    def __init__(self, unit):
        self.lines = re.findall(r"^(\w+)=(.*)$", unit.split("[Service]")[1].split("[Install]")[0], re.MULTILINE)

    def all(self, name):
        return [value for found, value in self.lines if found == name]

    def one(self, name):
        [value] = self.all(name)
        return value


def runs_under_the_restrictions(folder, binary, settings):
    nobody = pwd.getpwnam("nobody")
    restrict = Restrictions(settings, nobody)
    state, config = folder / "state", folder / "Rocket.toml"
    state.mkdir(mode=int(settings.one("StateDirectoryMode"), 8))
    os.chown(state, nobody.pw_uid, nobody.pw_gid)
    folder.chmod(0o755)
    program = shutil.copy(binary, folder / "hallpass")
    config.write_text("\n".join(["[default.hallpass]", *(f"{name} = {value}" for name, value in CHEAP.items())]))
    config.chmod(0o640)
    os.chown(config, 0, nobody.pw_gid)
    port = free_port()
    given = settings.one("Environment").replace("%i", str(port)).split()
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(PATIENCE)
    notify = folder / "notify"
    manager.bind(str(notify))
    notify.chmod(0o777)
    environment = dict(pair.split("=", 1) for pair in given) | {
        "ROCKET_CONFIG": str(config), "NOTIFY_SOCKET": str(notify),
    }

    def start(*command, **more):
        return subprocess.Popen(
            command, cwd=state, env=environment | more, umask=int(settings.one("UMask"), 8), preexec_fn=restrict,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )

    refusals_are_refused(start)
    adding = start(program, "user", "add", "ann@example.org")
    said = adding.communicate(f"{PASSWORD}\n", PATIENCE)
    assert adding.returncode == 0, said
    unusable = start(program, "serve", HALLPASS_SITE_NAME="")
    told = unusable.communicate(timeout=PATIENCE)[1]
    expected = settings.one("RestartPreventExitStatus")
    equal(str(unusable.returncode), expected, f"status over a wrong setting, which said {told}")
    server = start(program, "serve")
    # Whoever waits for a line of it then gets its end.
    limit = threading.Timer(PATIENCE, server.kill)
    limit.start()
    try:
        assert "is ready" in server.stdout.readline(), server.stderr.read()
        equal(manager.recv(100), b"READY=1\n", "what systemd is told")
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{server.pid}/status").read_text().splitlines())
        seen = [status[name].strip() for name in ("Seccomp", "NoNewPrivs", "CapEff", "CapBnd")]
        equal(seen, ["2", "1", "0" * 16, "0" * 16], "what the system says of the process")
        api = Api(f"http://127.0.0.1:{port}")
        bearer = api.log_in("ann@example.org", PASSWORD)["access_token"]
        api.call("PATCH", "/me", {"name": "Ann"}, bearer=bearer).expect(200)
        modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (state / "data").iterdir()}
        equal(set(modes.values()), {"0o600"}, f"modes of {sorted(modes)}")
        with a_request_that_never_ends(port):
            server.terminate()
            equal(server.wait(int(settings.one("TimeoutStopSec"))), 0, "status at the end")
        log = server.stderr.read()
        assert "WARN" not in log and "ERROR" not in log, log
    finally:
        limit.cancel()
        server.kill()
        manager.close()


def a_request_that_never_ends(port):
    """So much of its body has come that it counts as being in flight."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    connection.sendall(b'Content-Length: 100\r\n\r\n{"email":"ann@example.org",')
    # Until it has arrived.
    time.sleep(1)
    return connection


def refusals_are_refused(start):
    """What the unit forbids is forbidden here: a priority, a socket of another family, memory to write and run."""
    attempts = (
        "import os; os.setpriority(os.PRIO_PROCESS, 0, 5)",
        "import socket; socket.socket(socket.AF_NETLINK)",
        "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC)",
    )
    for attempt in attempts:
        done = start("/usr/bin/python3", "-c", attempt)
        told = done.communicate(timeout=PATIENCE)[1]
        assert re.search(r"PermissionError|Address family not supported", told), f"{attempt}: allowed {told}"


class Restrictions:
    """Called in the child, before it becomes the program. Numbers are of prctl(2), seccomp(2) and linux/filter.h."""

    NO_NEW_PRIVS, SECCOMP, CAPBSET_DROP, MDWE = 38, 22, 24, 65
    ALLOW, REFUSE = 0x7FFF0000, 0x00050000
    LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
    X86_64, SOCKET = 0xC000003E, 41
    FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10}
    EPERM, EAFNOSUPPORT = 1, 97

    def __init__(self, settings, user):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.user = user
        # Here, root may not raise the limit.
        self.files = min(int(settings.one("LimitNOFILE")), resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        numbers = dict(re.findall(r"#define __NR_(\w+) (\d+)", NUMBERS.read_text()))
        allowed = system_calls("@default")
        for words in settings.all("SystemCallFilter"):
            calls = set().union(*map(system_calls, words.lstrip("~").split()))
            allowed = allowed - calls if words.startswith("~") else allowed | calls
        self.code = self._code(
            sorted(int(numbers[name]) for name in allowed if name in numbers),
            [self.FAMILIES[name] for name in settings.one("RestrictAddressFamilies").split()],
        )

    def _code(self, calls, families):
        """A filter: number, of the system call or of the family, in a list."""
        def unless(number, then):
            return [(self.EQUAL, 0, 1, number), (self.RETURN, 0, 0, then)]

        code = [(self.LOAD, 0, 0, 4), (self.EQUAL, 1, 0, self.X86_64), (self.RETURN, 0, 0, self.REFUSE | self.EPERM)]
        code += [(self.LOAD, 0, 0, 0)]
        for call in calls:
            code += unless(call, self.ALLOW) if call != self.SOCKET else []
        code += [(self.EQUAL, 1, 0, self.SOCKET), (self.RETURN, 0, 0, self.REFUSE | self.EPERM), (self.LOAD, 0, 0, 16)]
        for family in families:
            code += unless(family, self.ALLOW)
        return b"".join(
            ctypes.string_at(ctypes.byref(Instruction(*parts)), 8)
            for parts in [*code, (self.RETURN, 0, 0, self.REFUSE | self.EAFNOSUPPORT)]
        )

    def __call__(self):
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))
        for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
            self._prctl(self.CAPBSET_DROP, capability)
        os.setgroups([])
        os.setgid(self.user.pw_gid)
        os.setuid(self.user.pw_uid)
        self._prctl(self.NO_NEW_PRIVS, 1)
        self._prctl(self.MDWE, 1)
        self._prctl(self.SECCOMP, 2, ctypes.byref(Program(len(self.code) // 8, self.code)))

    def _prctl(self, *arguments):
        if self.libc.prctl(*arguments, *[0] * (5 - len(arguments))) != 0:
            raise OSError(ctypes.get_errno(), f"prctl {arguments[0]}")


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def system_calls(word):
    """The names that a word of SystemCallFilter= stands for."""
    if not word.startswith("@"):
        return {word}
    status, listed = analyze("syscall-filter", word)
    assert status == 0, listed
    words = [line.strip() for line in listed.splitlines()[1:]]
    return set().union(*(system_calls(one) for one in words if one and not one.startswith("#")))
