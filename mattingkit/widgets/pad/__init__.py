"""The drawing pad: its Python object, the surfaces it draws on, its tools, and the thread that solves."""
