"""Builds what is measured."""

import tomllib
from pathlib import Path

import tools
from contenders import Bare, Flask, RustPeer

HERE = Path(__file__).resolve().parent


def hallpass(plan):
    """The program, and what fills its database."""
    cargo = ["cargo", "build", "--locked", "--profile", plan.profile]
    tools.run(*cargo, "--bin", "hallpass", *(("--example", "seed") if plan.growth else ()), cwd=HERE.parent)
    if plan.smoke:
        tools.run("cargo", "test", "--locked", "--quiet", "--bench", "micro", cwd=HERE.parent)
    folder = tools.TARGET / folder_of(plan)
    return folder / "hallpass", folder / "examples/seed"


def peers(plan, folder):
    """Those who are compared with it, and the folder of the programs that show what the machine can do."""
    target = tools.TARGET / "bench-peers"
    place = target / folder_of(plan)
    cargo = ["cargo", "build", "--locked", "--profile", plan.profile, "--target-dir", target]
    if plan.smoke:
        tools.run(*cargo, "--package", "bare", cwd=HERE / "peers")
        return {"a": Bare(place / "bare", folder)}, None
    ours, theirs = (release_profile(workspace) for workspace in (HERE.parent, HERE / "peers"))
    assert ours == theirs, f"hallpass is not built as its peers are: {ours} and {theirs}"
    tools.run(*cargo, cwd=HERE / "peers")
    python = tools.python(HERE / "peers/flask_jwt")
    return {
        "a": Bare(place / "bare", folder),
        "b": RustPeer(place / "axum_jwt", folder),
        "c": RustPeer(place / "axum_login", folder),
        "d": Flask(python, folder),
    }, place


def folder_of(plan):
    return "debug" if plan.profile == "dev" else plan.profile


def release_profile(workspace):
    return tomllib.loads((workspace / "Cargo.toml").read_text()).get("profile", {}).get("release", {})
