"""The sparse direct solver behind :mod:`mattingkit.methods.closed_form.solve`: nested dissection and dense fronts."""
