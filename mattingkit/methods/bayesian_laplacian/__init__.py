"""The two classics in one energy: Bayesian evidence as data term, the Laplacian as smoothness.

In the order to read:

1. :mod:`mattingkit.methods.bayesian.sampling`: what samples all around say of each pixel's alpha, and how far to trust
   them;
2. :mod:`~mattingkit.methods.bayesian_laplacian.novelty`: what to think of colours that no samples explain;
3. :mod:`~mattingkit.methods.bayesian_laplacian.likeness`: what a first answer says of pixels that look alike;
4. :mod:`~mattingkit.methods.bayesian_laplacian.estimate`: the method itself;
5. :mod:`~mattingkit.methods.bayesian_laplacian.live`: the same while a person draws.
"""

from mattingkit.methods.bayesian_laplacian.estimate import estimate_alpha_bayesian_laplacian

__all__ = ["estimate_alpha_bayesian_laplacian"]
