"""The line under a widget that says how things go, and what went wrong.

A callback that raises ends in a log that nobody reads, so widgets call what a person asked for through
:meth:`Messages.guard`, and the reason is shown where that person looks.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import ipywidgets

__all__ = ["Messages", "explain"]


def explain(error: BaseException) -> str:
    """Return an error as people read it; only where the error is a bug does its type help them to report it."""
    return str(error) if isinstance(error, ValueError | OSError) else f"{type(error).__name__}: {error}"


class Messages(ipywidgets.HTML):  # type: ignore[misc]
    """One line of text, announced by screen readers when it changes."""

    def __init__(self) -> None:
        super().__init__()
        self.add_class("mk-status")

    def say(self, text: str) -> None:
        """Show a message; an empty one clears the line."""
        self.value = f'<span role="status" class="mk-muted">{html.escape(text)}</span>' if text else ""

    def fail(self, reason: str) -> None:
        """Show what went wrong."""
        self.value = f'<span role="alert" class="mk-error">{html.escape(reason)}</span>'

    def guard(self, action: Callable[..., Any], *arguments: Any) -> None:
        """Call; what goes wrong is shown."""
        try:
            action(*arguments)
        except Exception as error:
            self.fail(explain(error))
