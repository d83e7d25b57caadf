"""The warnings mattingkit raises.

Bad input raises plain ``ValueError`` or ``TypeError`` with the remedy in its text. What is left for a class of its
own is the one outcome that is neither success nor failure: a solver that stopped early and returns its best alpha.
"""

from __future__ import annotations

__all__ = ["ConvergenceWarning"]


class ConvergenceWarning(UserWarning):
    """A solver stopped before reaching its tolerance; the alpha returned is its best so far.

    Examples
    --------
    >>> import warnings
    >>> from mattingkit.errors import ConvergenceWarning
    >>> issubclass(ConvergenceWarning, UserWarning)
    True
    """
