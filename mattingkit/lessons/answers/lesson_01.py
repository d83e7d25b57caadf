"""Lesson 01, "Take a picture apart"."""

from __future__ import annotations

from mattingkit.lessons.exercises import Exercise

EXERCISES = {
    "01.1": Exercise(
        right=lambda: 7 - 3,
        hints=(
            "count what a pixel asks for: two colours of three numbers each, and alpha. What is known of them now?",
            "the background is known, so its three numbers are no longer asked for.",
        ),
        tolerance=0.0,
    ),
}
