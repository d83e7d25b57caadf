"""Foreground colours against truth: which way to estimate them is best, on the twelve rendered scenes.

    python benchmarks/foreground.py

What counts is what a cut-out shows, αF: the mean over the channels of the sum of absolute differences of αF over the
unknown pixels of the wide trimap, divided by 1000. Each way is given the true alpha, and the alpha that the method
``bayesian_laplacian`` finds. ``image`` is the picture itself, as where nobody estimates a foreground.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from scenes import noisy_scenes

import mattingkit as mk

WAYS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "image": lambda image, alpha: image,
    **{
        f"multilevel, smoothness {s}": lambda image, alpha, s=s: mk.estimate_foreground(image, alpha, smoothness=s)
        for s in (0.1, 0.2, 0.5, 1.0, 2.0)
    },
    "closed_form": lambda image, alpha: mk.estimate_foreground(image, alpha, method="closed_form"),
}


def main() -> None:
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for _, image, trimaps, scene in noisy_scenes():
        trimap = trimaps["trimap2"]
        unknown = trimap == 0.5
        found = mk.estimate_alpha(image, trimap, "bayesian_laplacian")
        for given, alpha in (("true alpha", scene.alpha), ("found alpha", found)):
            for way, estimate in WAYS.items():
                start = time.process_time()
                foreground = estimate(image, alpha)
                seconds[way] += time.process_time() - start
                # The alpha's own error is not the foreground's: both are laid over with the true one.
                wrong = np.abs(foreground - scene.foreground).mean(axis=2) * scene.alpha
                errors[given, way].append(float(wrong[unknown].sum()) / 1000)
    print(f"{'':28s}{'true alpha':>22s}{'found alpha':>22s}{'CPU seconds':>13s}")
    for way in WAYS:
        line = f"{way:28s}"
        for given in ("true alpha", "found alpha"):
            ratio = np.array(errors[given, way]) / np.array(errors[given, "image"])
            line += f"{np.mean(errors[given, way]):12.3f}, {np.exp(np.log(ratio).mean()):6.3f} ×"
        print(line + f"{seconds[way]:13.1f}")
    print("Mean SAD of αF, and the geometric mean of its ratio to the picture's own.")


if __name__ == "__main__":
    main()
