"""Lesson 10, "Change an ID photo's background"."""

from __future__ import annotations

from mattingkit.lessons.exercises import Exercise


def _how_many(p: int, q: int, H: int = 1181, W: int = 1772, g: int = 24) -> int:
    def upright(p: int, q: int) -> int:
        return (H // (p + g)) * (W // (q + g))

    return max(upright(p, q), upright(q, p))


EXERCISES = {
    "10.1": Exercise(
        right=lambda: 0.5 * (1 - 0.5) * (0.7 - 0.3),
        hints=(
            "section 3 has the formula; it has three factors.",
            "alpha (1 - alpha) is the share of wall that stays; what does each part of it cost, compared with hair?",
        ),
        slips={
            "alpha (1 - alpha) is 0.25 here, not 0.5.": lambda: 0.5 * (0.7 - 0.3),
            "that is the share of wall; how far is its colour from the hair's?": lambda: 0.25,
        },
    ),
    "10.2": Exercise(
        right=lambda: _how_many,
        hints=(
            "how many rows fit, how many columns? Each photograph brings its gap along.",
            "turn a photograph by exchanging p and q, and take the larger of the two numbers.",
        ),
        tolerance=0.0,
        trials=lambda: [(413, 295), (579, 413), (600, 600), (500, 200, 1000, 1000, 0), (300, 100, 250, 900, 10)],
    ),
    "10.3": Exercise(
        right=lambda: 0.62 * 413 / (150 - 20),
        hints=(
            "how many rows high is the head now, and how many should it be?",
            "it should be 62 % of 413; divide that by chin minus crown.",
        ),
    ),
}
