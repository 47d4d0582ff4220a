"""Packages of PyPI and npm for a harness, in a folder below `target` that is made again when their list changes."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").resolve()


def python(folder, *options):
    """An interpreter that has the packages of the folder's requirements.txt, installed with those options of pip."""
    requirements = Path(folder, "requirements.txt")

    def install(place):
        run(sys.executable, "-m", "venv", place)
        run(place / "bin/python", "-m", "pip", "install", "--quiet", *options, "--requirement", requirements)

    return installed(f"{Path(folder).name}-python", [requirements], install, sys.version) / "bin/python"


def node(folder):
    """A folder whose modules can import the packages of the folder's package-lock.json."""
    lists = [Path(folder, name) for name in ("package.json", "package-lock.json")]

    def install(place):
        for path in lists:
            shutil.copy(path, place)
        run("npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", cwd=place)

    return installed(f"{Path(folder).name}-node", lists, install)


def installed(name, lists, install, *versions):
    place = TARGET / "tools" / name
    wanted = hashlib.sha256("\n".join([*(path.read_text() for path in lists), *versions]).encode()).hexdigest()
    # Written last: what was interrupted counts as missing.
    mark = place / "complete"
    if not (mark.exists() and mark.read_text() == wanted):
        print(f"installing {', '.join(path.name for path in lists)} into {place}", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        install(place)
        mark.write_text(wanted)
    return place


def run(*command, cwd=None):
    subprocess.run([str(part) for part in command], cwd=cwd, check=True, stdin=subprocess.DEVNULL)
