"""The page without code: ``studio.ipynb``, which ``mattingkit app`` serves through Voilà."""
