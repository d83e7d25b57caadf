"""Lesson 00, "Cut out a portrait"."""

from __future__ import annotations

from mattingkit.lessons.exercises import Exercise


def _error_of_the_cat() -> float:
    """From strokes, with everything as it comes."""
    from mattingkit.methods import estimate_alpha
    from mattingkit.metrics import sad
    from mattingkit.samples import cat

    sample = cat()
    return sad(estimate_alpha(sample.image, sample.scribbles()), sample.matte)


EXERCISES = {
    "00.1": Exercise(
        right=lambda: 1 - 0.3,
        hints=(
            "what was foreground is background now: what happens to F and B in the compositing equation?",
            "αF + (1 − α)B keeps its value when F and B change places, if α becomes something else.",
        ),
        slips={"everything changes sides; does a mixture stay the same mixture?": lambda: 0.3},
    ),
    "00.2": Exercise(
        right=lambda: "background",
        hints=(
            "what stands beside the helmet, and which colour has it?",
            "make a trimap from the strokes that are left, call mk.estimate_alpha, and look.",
        ),
    ),
    "00.3": Exercise(
        right=_error_of_the_cat,
        hints=(
            "mk.estimate_alpha(cat.image, cat.scribbles()) is the alpha that is asked for.",
            "mk.metrics.sad takes alpha first, then the matte; it divides by 1000 itself.",
        ),
    ),
}
