"""Faults, named by what happens next. Raised by a call, or given for one item of a bulk answer."""

from __future__ import annotations


class Fault(Exception):
    """A call did not end in a receipt."""

    def __init__(self, detail: str, *, outage: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.outage = outage
        """True when the whole system could not be reached, so that its lane brakes instead of burning attempts."""


class Transient(Fault):
    """Nothing happened at the target; the hub tries again later by itself."""


class Throttled(Transient):
    """The target asks for fewer calls; the hub waits as long as it says."""

    def __init__(self, detail: str, *, retry_after_seconds: float) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Rejected(Fault):
    """The target refuses this message as wrong: a case, until the data, a mapping or the target changes."""

    def __init__(self, detail: str, *, field: str | None = None, missing: Missing | None = None) -> None:
        super().__init__(detail)
        self.field = field
        self.missing = missing


class Absent(Rejected):
    """A source knows nothing of what others told us of: a case, until it tells of it."""


class Missing:
    """A cross-reference nobody has given yet; every message it blocks shares one case."""

    def __init__(self, kind: str, key: str) -> None:
        self.kind = kind
        self.key = key


class Refused(Fault):
    """The target refuses our credentials or rights: the lane brakes with one case; renew them, then release it."""


class Unknown(Fault):
    """The call may or may not have taken effect; the effect class decides what follows."""

    def __init__(self, detail: str, *, outage: bool = False, kept: bool = False) -> None:
        super().__init__(detail, outage=outage)
        self.kept = kept
        """The target keeps this answer under our key: whatever was done then, sending the key again does nothing more."""


class NotSent(Exception):
    """Nothing was sent, and nothing is known of the target: the time for the call ran out, or its budget could not be asked."""
