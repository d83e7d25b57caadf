"""Closed-form matting, Levin et al. 2008: alpha is nearly a linear function of colour within a small window.

The modules in the order to read them: :mod:`~mattingkit.methods.closed_form.laplacian` (what is minimised, and its
matrix), :mod:`~mattingkit.methods.closed_form.solve` (the block system and how it is solved),
:mod:`~mattingkit.methods.closed_form.pyramid` (reduced pictures), :mod:`~mattingkit.methods.closed_form.estimate`
(what "auto" does), :mod:`~mattingkit.methods.closed_form.live` (the same while a person draws).
:mod:`~mattingkit.methods.closed_form.direct` is the sparse direct solver, which a reader may skip.
"""

from mattingkit.methods.closed_form.estimate import estimate_alpha_closed_form

__all__ = ["estimate_alpha_closed_form"]
