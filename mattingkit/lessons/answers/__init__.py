"""What is right in each lesson's exercises, one module a lesson, each with a table ``EXERCISES``.

Kept apart from the notebooks, so that nobody reads an answer before having looked for it. Where possible an answer is
computed, by a second route than the lesson's own.
"""
