"""The one error of this package, in the words of gnocchi's API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Pairs = Iterable[tuple[str, str]]


class OperationsError(ValueError):
    """Operations, options or series that can't be used: always the client's fault.

    `cause`, `reason` and `detail` are the fields of the body that gnocchi's clients know;
    ``str()`` is a sentence that says what is wrong and where.
    """

    def __init__(self, cause: str, reason: str, detail: Any, sentence: str | None = None) -> None:
        super().__init__(sentence or f"{cause}: {reason}")
        self.cause = cause
        self.reason = reason
        self.detail = detail


def invalid_input(reason: str, sentence: str) -> OperationsError:
    """The tree has not the form of operations."""
    text = f"{reason} for dictionary value @ data['operations']"
    return OperationsError("Invalid input", text, ["operations"], sentence)


def bad_argument(name: str, reason: str) -> OperationsError:
    """A parameter beside the operations is wrong."""
    return OperationsError("Argument value error", reason, name, f"{name}: {reason}")


def not_computable(reason: str, references: Pairs) -> OperationsError:
    """The operations are well formed, but the series don't fit them or each other."""
    detail = [list(reference) for reference in references]
    return OperationsError("Metrics cannot be aggregated", reason, detail)
