"""Bayesian matting, Chuang et al. 2001: which foreground and background colours explain this pixel best?

Read in this order:

1. :mod:`~mattingkit.methods.bayesian.energy`: what is maximised at one pixel, its derivatives, and two ways to its
   summit: the paper's alternation, and one curve with both colours eliminated.
2. :mod:`~mattingkit.methods.bayesian.clusters`: where the Gaussians in that energy come from.
3. :mod:`~mattingkit.methods.bayesian.march`: every unknown pixel in turn, from the known ones inward.
4. :mod:`~mattingkit.methods.bayesian.explanation`: what was weighed at one pixel, for lesson 03.

:mod:`~mattingkit.methods.bayesian.sampling` is another way to find colours, farther along the boundary, for the method
that joins this one to the matting Laplacian.
"""

from mattingkit.methods.bayesian.explanation import Cluster, Explanation, explain
from mattingkit.methods.bayesian.march import Solution, estimate_alpha_bayesian, solve

__all__ = ["Cluster", "Explanation", "Solution", "estimate_alpha_bayesian", "explain", "solve"]
