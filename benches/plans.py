"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    name: str
    rounds: int
    seconds: int
    profile: str = "release"
    smoke: bool = False
    # Next to what others cost, and what the machine can do.
    compared: bool = True
    # Live sessions, each of an account of its own, whose memory is measured.
    crowd: int = 10_000
    # What is compared with each other: databases with so many accounts.
    growth: tuple = ()
    # Chains of refresh tokens there: enough for their rows to lie all over the table.
    chains: int = 200
    # Sessions made there for their end.
    pruned: int = 2_000


FULL = Plan("full run", rounds=7, seconds=10)
QUICK = Plan("quick run", rounds=3, seconds=3)
GROWTH = Plan("growth", rounds=5, seconds=5, compared=False, growth=(1, 10_000, 1_000_000))
SMOKE = Plan(
    "smoke run: these figures mean nothing",
    **dict(rounds=1, seconds=1, profile="dev", smoke=True, crowd=20, growth=(1, 20), chains=20, pruned=20),
)
