"""How widgets say what went wrong.

A callback that raises ends in a log that nobody reads, so widgets show the reason where the person looks.
"""

from __future__ import annotations

__all__ = ["explain"]


def explain(error: BaseException) -> str:
    """Return an error as people read it; only where the error is a bug does its type help them to report it.

    Examples
    --------
    >>> explain(ValueError("No subject.")), explain(KeyError("row"))
    ('No subject.', "KeyError: 'row'")
    """
    return str(error) if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {error}"
