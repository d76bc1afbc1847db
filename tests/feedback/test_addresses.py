"""Which hosts may be connected to: pure, but for asking the name server of this machine."""

import ipaddress
import socket

import pytest

from feedback.queries.addresses import AddressRefused, check_address


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.8.8", "localhost", "0", "10.1.2.3", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "::1", "::", "fe80::1", "fd00::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2130706433",
        "0x7f.1", "/var/run/postgresql", "@socket", "::127.0.0.1", "::ffff:0:7f00:1",
        "::ffff:0:0:7f00:1", "2001:0:808:808::80ff:fffe", "fe80::1%lo", "64:ff9b:1::808:808",
    ],
)  # fmt: skip
@pytest.mark.parametrize("allowed", [[], ["*:*"], ["*:5432"]])
def test_inside_addresses_are_refused_unless_written_out(host, allowed):
    with pytest.raises(AddressRefused):
        check_address(host, 5432, allowed)


def test_a_host_that_is_written_out_is_allowed_on_its_port_only():
    assert check_address("127.0.0.1", 5432, ["127.0.0.1:5432"]).address == "127.0.0.1"
    assert check_address("::1", 5432, ["[::1]:*"]).address == "::1"
    assert check_address("/run/pg", 5432, ["/run/pg:*"]).address == ""
    with pytest.raises(AddressRefused, match="SEEDBED_FEEDBACK_ALLOWED_HOSTS"):
        check_address("127.0.0.1", 22, ["127.0.0.1:5432"])


def test_public_addresses_are_allowed_unless_a_list_leaves_them_out():
    assert check_address("8.8.8.8", 5432, []).address == "8.8.8.8"
    with pytest.raises(AddressRefused, match="not on the list"):
        check_address("8.8.8.8", 5432, ["db.example.org:5432"])


def test_a_name_with_one_inside_address_among_public_ones_is_refused(monkeypatch):
    def answer(host, port, **_):
        return [(2, 1, 6, "", (address, port)) for address in ("8.8.8.8", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1"):
        check_address("db.example.org", 5432, ["*.example.org:5432"])


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch):
    answers = iter(["8.8.8.8", "127.0.0.1"])
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, port, **_: [(2, 1, 6, "", (next(answers), port))]
    )
    found = check_address("db.example.org", 5432, [])
    assert (found.host, found.address) == ("db.example.org", "8.8.8.8")


def test_several_hosts_and_unknown_names_are_refused():
    for host in ("a,b", "no-such-host.invalid"):
        with pytest.raises(AddressRefused):
            check_address(host, 5432, [])


# The blocks of https://www.iana.org/assignments/iana-ipv4-special-registry and its sister for IPv6,
# of multicast, and of what was given up (site-local, IPv4-compatible, IPv4-translated).
REGISTRIES = """
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
192.0.0.0/24 192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/31 192.0.2.0/24
192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15
198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
::1/128 ::/128 ::ffff:127.0.0.0/104 64:ff9b::10.0.0.0/104 64:ff9b:1::/48 100::/64 100:0:0:1::/64
2001::/23 2001::/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32
2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002:a00::/24
2002:7f00::/24 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8
::/96 ::ffff:0:0:0/96
""".split()  # noqa: SIM905 - a list of strings would be a page of quotes


@pytest.mark.parametrize("block", REGISTRIES)
def test_no_address_of_a_special_block_is_public(block):
    network = ipaddress.ip_network(block)
    for address in {network[0], network[-1], network[network.num_addresses // 2]}:
        with pytest.raises(AddressRefused):
            check_address(str(address), 5432, [])


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_public_addresses_of_every_form_are_public(address):
    assert check_address(address, 5432, []).host == address


@pytest.mark.parametrize(("host", "port"), [("a\0b", 5432), ("8.8.8.8", 10**30), ("\ud800", 1)])
def test_what_is_no_host_or_port_is_refused_in_words(host, port):
    with pytest.raises(AddressRefused, match="Check its name"):
        check_address(host, port, [])
