"""What the lessons need besides the methods: drawings, exercises that answer back, a copy for the reader, the site."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exercises": ["Exercise", "check", "hint"],
        "plots": ["color_space", "colour_space", "curves", "swatches"],
    },
)
