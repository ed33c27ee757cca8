"""The lines of a report."""

from __future__ import annotations

import dataclasses
import math
from typing import Any


@dataclasses.dataclass(frozen=True)
class Row:
    """One measurement.

    Attributes:
        section: what it belongs to ("photo", "identity", …).
        name: what was measured.
        value: the number, or None when it was not measured.
        unit: "dB", "ms", … or empty.
        bar: what it must reach, in words; empty where it is only for orientation.
        passed: whether it does; None where there is no bar or no value.
        note: what a reader should know, such as why it was not run.
    """

    section: str
    name: str
    value: float | None
    unit: str = ""
    bar: str = ""
    passed: bool | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return dataclasses.asdict(self)


def at_least(section: str, name: str, value: float, bar: float, unit: str = "", note: str = "") -> Row:
    """A row whose value must be `bar` or more; NaN fails."""
    return _judged(section, name, value, f"≥ {bar:g}", value >= bar, unit, note)


def below(section: str, name: str, value: float, bar: float, unit: str = "", note: str = "") -> Row:
    """A row whose value must be less than `bar`; NaN fails."""
    return _judged(section, name, value, f"< {bar:g}", value < bar, unit, note)


def at_most(section: str, name: str, value: float, bar: float, unit: str = "", note: str = "") -> Row:
    """A row whose value must be `bar` or less; NaN fails."""
    return _judged(section, name, value, f"≤ {bar:g}", value <= bar, unit, note)


def shown(section: str, name: str, value: float, unit: str = "", note: str = "") -> Row:
    """A row without a bar."""
    return Row(section, name, _finite(value), unit, note=note)


def not_run(section: str, name: str, why: str) -> Row:
    """A row that could not be measured here."""
    return Row(section, name, None, note=f"not run: {why}")


def _judged(section: str, name: str, value: float, bar: str, passed: bool, unit: str, note: str) -> Row:
    return Row(section, name, _finite(value), unit, bar, bool(passed), note)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
