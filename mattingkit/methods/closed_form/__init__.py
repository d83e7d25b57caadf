"""Closed-form matting, Levin et al. 2008: alpha is nearly a linear function of colour within a small window.

What is minimised is ``αᵀLα``, the cost of alpha not being such a function, subject to what the trimap knows. In the
order to read:

1. :mod:`~mattingkit.methods.closed_form.laplacian`: the matrix ``L``, window by window;
2. :mod:`~mattingkit.methods.closed_form.solve`: the block system of the unknown pixels, and how it is solved;
3. :mod:`~mattingkit.methods.closed_form.pyramid`: reduced pictures, and how their answer is carried up;
4. :mod:`~mattingkit.methods.closed_form.estimate`: the method itself, and what ``scale="auto"`` does;
5. :mod:`~mattingkit.methods.closed_form.live`: the same while a person draws.

:mod:`~mattingkit.methods.closed_form.direct` is the sparse direct solver, which a reader may skip.
"""

from mattingkit.methods.closed_form.estimate import estimate_alpha_closed_form

__all__ = ["estimate_alpha_closed_form"]
