"""The sparse direct solver behind :mod:`mattingkit.methods.closed_form.solve`. A reader may skip this folder.

For matting it does what ``scipy.sparse.linalg.spsolve`` does; only speed and memory need all this. On a picture's grid
a good order of elimination is known beforehand, and the elimination is shared among threads. Who is curious begins with
:mod:`~mattingkit.methods.closed_form.direct.dissection`, which plans it;
:mod:`~mattingkit.methods.closed_form.direct.fronts` has the dense arithmetic.
"""
