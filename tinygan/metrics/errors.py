"""What a metric cannot be computed from."""

from __future__ import annotations

from tinygan.backend.errors import UserError


class MetricError(UserError, ValueError):
    """Samples that a metric cannot judge; the message says which would do."""


def expect_enough(metric: str, count: int, needed: int, why: str, what: str = "samples") -> None:
    """Refuse fewer than are needed."""
    if count < needed:
        raise MetricError(f"{metric}: {count} {what} are too few; give {needed} or more, {why}")
