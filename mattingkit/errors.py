"""The one warning mattingkit raises, and what its errors share: a hint, and how they are told in one line.

Bad input raises plain ``ValueError`` or ``TypeError`` with the remedy in its text. What is left for a class of its
own is the one outcome that is neither success nor failure: a solver that stopped early and returns its best alpha.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Errors whose text was written for the person at the keyboard; any other is a fault of the program, or of a file.
EXPECTED = (ValueError, TypeError, OSError, ImportError, MemoryError, RuntimeError)


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


def describe(error: BaseException) -> str:
    """Tell an exception in one line: by its text, with its name where the text was not written for a reader.

    Examples
    --------
    >>> describe(ValueError("no subject")), describe(MemoryError()), describe(KeyError("Orientation"))
    ('no subject', 'not enough memory for a picture of this size', "KeyError: 'Orientation'")
    """
    # NumPy's own text counts bytes of one array; ours says what to do.
    if isinstance(error, MemoryError) and "Scale the picture" not in str(error):
        return "not enough memory for a picture of this size"
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    text, name = " ".join(str(error).split()), type(error).__name__
    if not text:
        return name
    return text if isinstance(error, EXPECTED) else f"{name}: {text}"
