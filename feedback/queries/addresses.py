"""Says whether a source's host may be connected to, and at which address."""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass


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
    except (socket.gaierror, UnicodeError) as error:
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
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        # An IPv4 address can be written inside an IPv6 one, in several ways.
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            parsed = inner
    return parsed.is_global and not parsed.is_multicast
