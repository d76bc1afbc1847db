"""How a process hears that it shall end."""

import contextlib
import os
import select
import signal
from types import FrameType


class Ending:
    """Whether this process was asked to end; `ask` is safe in the handler of a signal.

    `threading.Event` is not: whoever wakes from its `wait` holds its lock for a moment, and a
    handler that runs there takes the same lock in the same thread, and waits for ever.
    """

    def __init__(self) -> None:
        self.is_asked = False
        self._woken, self._wakes = os.pipe()
        os.set_blocking(self._wakes, False)

    @classmethod
    def by_signal(cls) -> "Ending":
        """Return one that Ctrl-C and SIGTERM ask, in place of ending the process at once."""
        ending = cls()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ending.ask)
        return ending

    def ask(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        """Ask to end, and wake who waits."""
        self.is_asked = True
        with contextlib.suppress(BlockingIOError):  # it was asked often enough to fill the pipe
            os.write(self._wakes, b".")

    def wait(self, seconds: float) -> bool:
        """Wait so many seconds at most; return whether it was asked to end."""
        if not self.is_asked:
            select.select([self._woken], [], [], seconds)
        return self.is_asked
