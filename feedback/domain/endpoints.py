"""What a password is sent to, and for which of that an environment variable may be used."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

# Passwords may only come from variables of this name: any other variable of this process, such as
# the secret key, could otherwise be sent to a host that the person editing the source controls.
PASSWORD_VARIABLE_PREFIX = "FEEDBACK_PASSWORD_"  # noqa: S105 - the name of a variable
PASSWORD_VARIABLE = rf"{PASSWORD_VARIABLE_PREFIX}[A-Z0-9_]+"
TLS_MODES = ("disable", "prefer", "require", "verify-ca", "verify-full")  # the weakest first
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ENTRY = re.compile(
    rf"(?P<variable>{PASSWORD_VARIABLE})=(?:(?P<user>[^@]+)@)?(?P<host>.+):(?P<port>\*|\d{{1,5}})"
    rf"(?:/(?P<database>[^/?]+))?(?:\?sslmode=(?P<sslmode>{'|'.join(TLS_MODES)}))?"
)
VARIABLES_FORM = "NAME=host:port, NAME=host:*, NAME=user@host:port/database?sslmode=verify-full"


class VariablesUnreadable(ValueError):
    """An entry that says where a variable may be used has not the expected form."""


@dataclass(frozen=True)
class Endpoint:
    """Where and how a password is sent: all that an attacker would have to change to be given it.

    Attributes
    ----------
    host : in small letters and without a final dot; of a unix socket its folder, as it stands.
    authority : fingerprint of certificates that are believed instead of this machine's; or empty.
    """

    host: str
    port: int
    database: str
    user: str
    sslmode: str
    authority: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", normal_host(self.host))

    def __str__(self) -> str:
        own = f" and the CA certificate {self.authority[:12]}" if self.authority else ""
        at = f"{self.user}@{self.host}:{self.port}/{self.database}"
        return f"{at} with sslmode {self.sslmode}{own}"

    @property
    def stays_inside(self) -> bool:
        """Whether nobody but this machine can listen."""
        return self.host.startswith(("/", "@")) or self.host in LOOPBACK

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is kept beside a password."""
        return asdict(self)

    def may_have(self, given_for: "Endpoint") -> bool:
        """Tell whether a password given for that endpoint may be sent to this one.

        It may be the same one only, with TLS that checks no less and believes nobody else.
        """
        same = (self.host, self.port, self.database, self.user) == (
            given_for.host,
            given_for.port,
            given_for.database,
            given_for.user,
        )
        believed = self.authority == given_for.authority or not given_for.checks_certificates
        return same and believed and not is_weaker(self.sslmode, given_for.sslmode)

    @property
    def checks_certificates(self) -> bool:
        """Whether somebody has to vouch for who answers."""
        return not is_weaker(self.sslmode, "verify-ca")

    @property
    def believed_mode(self) -> str:
        """The mode, as whoever runs the machine may believe it: an own authority checks nothing."""
        return "require" if self.authority and self.checks_certificates else self.sslmode


class VariableUse(NamedTuple):
    """One entry of SEEDBED_FEEDBACK_VARIABLES; empty parts say nothing."""

    variable: str
    host: str
    port: str
    database: str
    user: str
    sslmode: str

    def allows(self, endpoint: Endpoint) -> bool:
        """Tell whether the variable may be sent to the endpoint.

        Without a mode in the entry, it does not cross a network without encryption. Who edits a
        source may say whom to believe, so that its own authority vouches for nobody here.
        """
        least = self.sslmode or ("disable" if endpoint.stays_inside else "require")
        return (
            self.host == endpoint.host
            and self.port in ("*", str(endpoint.port))
            and self.database in ("", endpoint.database)
            and self.user in ("", endpoint.user)
            and not is_weaker(endpoint.believed_mode, least)
        )


def normal_host(host: str) -> str:
    """Return the one spelling of a host under which it is compared."""
    host = host.strip()
    if host.startswith(("/", "@")):
        return host
    return host.strip("[]").rstrip(".").lower()


def is_weaker(mode: str, than: str) -> bool:
    """Tell whether a TLS mode protects less than another one; an unknown one protects nothing."""
    return _strength(mode) < _strength(than)


def read_variables(entries: Sequence[str]) -> list[VariableUse]:
    """Read what SEEDBED_FEEDBACK_VARIABLES says.

    Raises
    ------
    VariablesUnreadable
        When an entry has another form.
    """
    uses = []
    for entry in filter(None, map(str.strip, entries)):
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise VariablesUnreadable(
                f"SEEDBED_FEEDBACK_VARIABLES has {entry!r}; expected entries such as "
                f"{VARIABLES_FORM}, separated by commas, and names that begin with "
                f"{PASSWORD_VARIABLE_PREFIX}."
            )
        parts = {name: value or "" for name, value in found.groupdict().items()}
        uses.append(VariableUse(**{**parts, "host": normal_host(parts["host"])}))
    return uses


def refuse_variable(variable: str, endpoint: Endpoint, entries: Sequence[str]) -> str:
    """Say why a variable may not be sent to an endpoint; empty when it may."""
    try:
        uses = read_variables(entries)
    except VariablesUnreadable as error:
        return str(error)
    if any(use.variable == variable and use.allows(endpoint) for use in uses):
        return ""
    wanted = f"{variable}={endpoint.host}:{endpoint.port}"
    if not endpoint.stays_inside and is_weaker(endpoint.sslmode, "require"):
        wanted += f"?sslmode={endpoint.sslmode}"
    return (
        f"The variable {variable} may not be used for {endpoint}. If it is meant to be, whoever "
        f"runs Seedbed adds {wanted} to SEEDBED_FEEDBACK_VARIABLES; otherwise enter the password."
    )


def _strength(mode: str) -> int:
    return TLS_MODES.index(mode) if mode in TLS_MODES else -1
