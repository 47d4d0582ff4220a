"""Free ports for servers: whoever gets one keeps it, also while nothing listens there."""

import random
import socket

# Below those that Linux gives to outgoing connections (ip_local_port_range in ip(7)): a server that is down finds its
# port free again. Above all to which browsers do not connect.
PORTS = range(20_000, 32_768)
CLAIMS = []


def free_port():
    """Claimed by an abstract socket (unix(7)) named after it: of all processes one alone can have it, it ends with that
    process, however that ends, and leaves no file behind."""
    for port in random.sample(PORTS, len(PORTS)):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0hallpass-port-{port}")
            with socket.socket() as free:
                free.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            CLAIMS.append(claim)
            return port
    raise OSError("no port is free")
