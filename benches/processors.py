"""Which processors run what, and how busy they are already."""

import os
import time

ALL = sorted(os.sched_getaffinity(0))
SERVERS = set(ALL[:2])
# Two more for wrk, where there are as many.
LOAD = set(ALL[2:]) if len(ALL) >= 4 else SERVERS


def for_servers():
    os.sched_setaffinity(0, SERVERS)


def for_load():
    os.sched_setaffinity(0, LOAD)


def load_place():
    return "the same ones" if LOAD == SERVERS else "others"


def busy(seconds=0.5):
    """The share of the machine that is in use, also by other guests of the host, while the caller sleeps."""
    idle, every = times()
    time.sleep(seconds)
    idle_after, every_after = times()
    return 1 - (idle_after - idle) / max(1, every_after - every)


def times():
    """Idle time and all time since the machine started, in ticks; proc(5)."""
    with open("/proc/stat") as stat:
        user, nice, system, idle, iowait, irq, softirq, steal = map(int, stat.readline().split()[1:9])
    return idle + iowait, user + nice + system + idle + iowait + irq + softirq + steal
