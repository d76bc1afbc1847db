"""Says whether a source's host may be connected to, and at which address."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# IANA's special-purpose address registries (RFC 6890), the blocks that may be reached from
# everywhere included: relays and AS112 serve no database. And multicast, which stands apart.
SPECIAL_IPV4: Final = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
            "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
            "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
# Of IPv6 only what is assigned as global unicast can be public (RFC 4291), less what is special
# in it; so loopback, local, multicast, translated and compatible forms need not be listed.
GLOBAL_IPV6: Final = ipaddress.IPv6Network("2000::/3")
SPECIAL_IPV6: Final = tuple(
    map(ipaddress.IPv6Network, ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"))
)
# Where an IPv4 address stands inside an IPv6 one that leads to it, and how many bits from the end.
EMBEDDED_IPV4: Final = (
    (ipaddress.IPv6Network("::ffff:0:0/96"), 0),  # mapped (RFC 4291)
    (ipaddress.IPv6Network("64:ff9b::/96"), 0),  # NAT64 (RFC 6052)
    (ipaddress.IPv6Network("2002::/16"), 80),  # 6to4 (RFC 3056)
)


class AddressRefused(Exception):
    """A host may not be connected to; the message says why and what would allow it."""


@dataclass(frozen=True)
class Address:
    """A host that was checked.

    Attributes
    ----------
    host : its name, which certificates are checked against, or the folder of a unix socket.
    address : the IP address to connect to, empty for a unix socket. Connecting to it, not to the
        name, keeps a name server from answering differently the second time.
    """

    host: str
    address: str


def check_address(host: str, port: int, allowed: Sequence[str]) -> Address:
    """Return the address of a host that may be connected to.

    Parameters
    ----------
    host, port : where the source says it is.
    allowed : entries `host:port`; `*` stands for every port, a host may begin with `*.`.
        Empty: every public address. Otherwise only what is listed. Loopback, link-local, private
        and other special addresses and unix sockets only when their host is written out.

    Raises
    ------
    AddressRefused
        When it may not, or when its name is unknown.
    """
    remedy = f"Add {host}:{port} to SEEDBED_FEEDBACK_ALLOWED_HOSTS if it is meant to be read."
    is_named = any(_matches(entry, host, port, exactly=True) for entry in allowed)
    if host.startswith(("/", "@")):
        if not is_named:
            raise AddressRefused(f"{host} is a unix socket of this machine. {remedy}")
        return Address(host, "")
    if "," in host:
        raise AddressRefused("Expected one host, got several.")
    if allowed and not any(_matches(entry, host, port, exactly=False) for entry in allowed):
        raise AddressRefused(f"{host}:{port} is not on the list of allowed hosts. {remedy}")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError, OverflowError) as error:
        raise AddressRefused(f"The host {host!r} is unknown: {error}. Check its name.") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not is_named:
        for address in addresses:
            if not _is_public(address):
                raise AddressRefused(
                    f"{host} is at {address}, which is loopback, link-local, private or otherwise "
                    f"not public. {remedy}"
                )
    return Address(host, addresses[0])


def _matches(entry: str, host: str, port: int, *, exactly: bool) -> bool:
    listed_host, _, listed_port = entry.strip().rpartition(":")
    if listed_port not in ("*", str(port)):
        return False
    listed_host = listed_host.strip("[]").lower()
    host = host.lower()
    if listed_host == host:
        return True
    if exactly:
        return False
    return listed_host == "*" or (listed_host.startswith("*.") and host.endswith(listed_host[1:]))


def _is_public(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in SPECIAL_IPV4)
    if parsed.scope_id is not None:  # of one line of this machine only
        return False
    for network, bits in EMBEDDED_IPV4:
        if parsed in network:
            inner = ipaddress.IPv4Address(int(parsed) >> bits & 0xFFFFFFFF)
            return _is_public(str(inner))
    return parsed in GLOBAL_IPV6 and not any(parsed in network for network in SPECIAL_IPV6)
