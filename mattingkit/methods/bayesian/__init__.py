"""Bayesian matting, Chuang et al. 2001: which foreground and background colours explain this pixel best?

Read :mod:`~mattingkit.methods.bayesian.march` first (the energy, and the march inward), then
:mod:`~mattingkit.methods.bayesian.kernels` (what is computed for one pixel).
:mod:`~mattingkit.methods.bayesian.sampling` gathers colour samples for the method that joins this one to the matting
Laplacian.
"""

from mattingkit.methods.bayesian.march import Cluster, Explanation, Solution, estimate_alpha_bayesian, explain, solve

__all__ = ["Cluster", "Explanation", "Solution", "estimate_alpha_bayesian", "explain", "solve"]
