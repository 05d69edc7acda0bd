"""What goes wrong with a writer is told once per change, and never so that a mistake in the listener stops it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rearguard.types import Fault

OnFault = Callable[[Fault | None, str], None]
_log = logging.getLogger(__name__)


class FaultTeller:
    """Calls `on_fault(fault, line)` when the fault changes; None means that it works again."""

    def __init__(self, on_fault: OnFault) -> None:
        self._on_fault = on_fault
        self.told: Fault | None = None

    def report_fault(self, fault: Fault | None, line: str) -> None:
        """Say how it is now, if that is news."""
        if fault is self.told:
            return
        self.told = fault
        try:
            self._on_fault(fault, line)
        except Exception:
            _log.exception("on_fault failed")
