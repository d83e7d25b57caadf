"""From a photograph to files: the cut-out, the recipe that a command or a batch follows, the ID photo."""
