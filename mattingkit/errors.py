"""The one warning mattingkit raises, and the hint its errors share.

Bad input raises plain ``ValueError`` or ``TypeError`` with the remedy in its text. What is left for a class of its
own is the one outcome that is neither success nor failure: a solver that stopped early and returns its best alpha.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ConvergenceWarning", "did_you_mean"]


class ConvergenceWarning(UserWarning):
    """A solver stopped before reaching its tolerance; the alpha returned is its best so far."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """End the first sentence of an error about an unknown name: with the nearest known one, or with a full stop.

    Examples
    --------
    >>> "There is no method 'closed-from'" + did_you_mean("closed-from", ["bayesian", "closed_form"])
    "There is no method 'closed-from'; did you mean 'closed_form'?"
    >>> "There is no method 'zzz'" + did_you_mean("zzz", ["bayesian", "closed_form"])
    "There is no method 'zzz'."
    """
    # Compared without regard to case, and shown as it is spelt.
    spelt = {name.lower(): name for name in known}
    near = difflib.get_close_matches(str(word).lower().replace("-", "_"), spelt, n=1)
    return f"; did you mean {spelt[near[0]]!r}?" if near else "."
