"""The --kind option that every command of training has."""

from argparse import ArgumentParser, ArgumentTypeError

from training.kinds import DEFAULT_KIND, ModelKind, UnknownModelKind, all_kinds, get_kind


def add_kind_option(parser: ArgumentParser) -> None:
    """Let the command choose among the model kinds there are."""
    parser.add_argument(
        "--kind",
        type=_kind,
        default=DEFAULT_KIND,
        metavar="KIND",
        help=f"{', '.join(kind.name for kind in all_kinds())} (default: %(default)s)",
    )


def _kind(name: str) -> ModelKind:
    try:
        return get_kind(name)
    except UnknownModelKind as error:
        raise ArgumentTypeError(str(error)) from error


def share(text: str) -> float:
    """Read a share between 0 and 1, both excluded, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1:
        raise ArgumentTypeError(f"expected a share between 0 and 1, such as 0.8, got {text!r}")
    return value


def seed(text: str) -> int:
    """Read a seed, a whole number from 0 to 2**32 - 1, for argparse."""
    if not text.isascii() or not text.isdigit() or int(text) >= 2**32:
        raise ArgumentTypeError(f"expected a whole number from 0 to 2**32 - 1, got {text!r}")
    return int(text)
