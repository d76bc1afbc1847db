"""Which hosts may be connected to: pure, but for asking the name server of this machine."""

import socket

import pytest

from feedback.queries.addresses import AddressRefused, check_address


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.8.8", "localhost", "0", "10.1.2.3", "172.16.0.1", "192.168.1.1",
        "169.254.169.254", "100.64.0.1", "224.0.0.1", "::1", "::", "fe80::1", "fd00::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2130706433",
        "0x7f.1", "/var/run/postgresql", "@socket",
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
