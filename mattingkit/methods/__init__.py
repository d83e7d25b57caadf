"""The matting methods, one file and one paper each; :data:`mattingkit.METHODS` lists them."""
