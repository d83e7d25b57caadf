"""From a photograph to a cut-out in one call: guess, trimap, exact method, foreground, new background.

The steps are the package's own functions (U²-Net's saliency, :func:`mattingkit.trimap_from_alpha`, any method of
:data:`mattingkit.METHODS`, :func:`mattingkit.estimate_layers`, :func:`mattingkit.composite`) in the order a person
would call them. The notebook calls :func:`cutout`; the shell and the batch call a
:class:`mattingkit.photo.recipe.Recipe`, which takes the same two steps, :func:`separate` and :func:`over_background`.
So all of them give the same pixels.
"""

from __future__ import annotations

import os
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mattingkit.compositing import composite, fit_background, parse_color, to_rgba
from mattingkit.files import load_image
from mattingkit.foreground import Layers, estimate_layers
from mattingkit.images import FloatArray, as_image, own_copy
from mattingkit.methods import estimate_alpha, find_method, resolve_auto
from mattingkit.params import check_parameters
from mattingkit.photo.guess import Guess, estimate_alpha_guessed, guess_trimap, trimap_of_guess
from mattingkit.progress import ProgressCallback
from mattingkit.trimap import check_pair

__all__ = [
    "Cutout",
    "Guess",
    "Separated",
    "check_background",
    "cutout",
    "guess_trimap",
    "new_background",
    "over_background",
    "separate",
]


class Cutout(NamedTuple):
    """A subject, cut out.

    Parameters
    ----------
    alpha : ndarray of float64, shape (H, W)
    foreground : ndarray of float64, shape (H, W, 3)
        The subject's own colours, free of the old background's.
    trimap : ndarray of float64, shape (H, W)
        The one that was given, or the one made from U²-Net's guess.
    rgba : ndarray of float64, shape (H, W, 4)
        The picture to save, not premultiplied: transparent, or opaque where a background was asked for.
    """

    alpha: FloatArray
    foreground: FloatArray
    trimap: FloatArray
    rgba: FloatArray


class Separated(NamedTuple):
    """A photograph taken apart.

    Parameters
    ----------
    alpha : ndarray of float64, shape (H, W)
    foreground, background : ndarray of float64, shape (H, W, 3)
        Each layer's own colours, defined at every pixel.
    trimap : ndarray of float64, shape (H, W)
    """

    alpha: FloatArray
    foreground: FloatArray
    background: FloatArray
    trimap: FloatArray


def cutout(
    image: npt.ArrayLike,
    background: npt.ArrayLike | str | os.PathLike[str] | None = None,
    method: str = "auto",
    *,
    trimap: npt.ArrayLike | Guess | None = None,
    weights: str = "embedded",
    erode: int | Literal["auto"] = "auto",
    on_progress: ProgressCallback | None = None,
    **parameters: Any,
) -> Cutout:
    """Cut the subject out of a photograph, and lay it over a new background where one is given.

    Parameters
    ----------
    image : array_like, shape (H, W, 3)
    background : optional
        A picture (array, or path of a file; scaled to cover), a colour name, hex code or RGB triple,
        ``"checkerboard"``, or ``"blur"`` for the picture's own background out of focus. None leaves it transparent.
    method : str, default "auto"
        A name in :data:`mattingkit.METHODS`, or ``"network"``. "auto" is closed form; where the trimap is a guess, with
        colours sampled all around as its prior (:func:`mattingkit.photo.guess.estimate_alpha_guessed`).
    trimap : array_like, shape (H, W), or Guess, optional
        Without one, :func:`mattingkit.photo.guess.guess_trimap` guesses the subject. Where it is wrong, call that with
        points and a box, and give its answer here.
    weights : str, default "embedded"
        Whose guess: a name or path as :func:`mattingkit.photo.guess.guess_trimap` takes it.
    erode : int or "auto", default "auto"
        Pixels by which what the guess is sure of withdraws from the rest.
    on_progress : callable, optional
        Called with a :class:`mattingkit.progress.Progress`; raising from it cancels.
    **parameters
        The method's own, by name.

    Returns
    -------
    Cutout
        ``alpha``, ``foreground``, ``trimap`` and ``rgba``.

    Raises
    ------
    ValueError
        Where the guess finds no subject or takes the whole picture for one; for an unknown method, a background that
        is none, arrays out of range.
    TypeError
        For a misspelt parameter, or a trimap given to a method that takes none.

    See Also
    --------
    mattingkit.batches.batch : the same for a folder.

    Examples
    --------
    >>> image = np.zeros((8, 8, 3)); image[:, 4:] = 1
    >>> trimap = np.full((8, 8), 0.5); trimap[:, :2] = 0; trimap[:, 6:] = 1
    >>> cutout(image, "#438edb", trimap=trimap).rgba[0, 0].round(2)
    array([0.26, 0.56, 0.86, 1.  ])
    """
    check_background(background)
    parts = separate(image, method, trimap=trimap, weights=weights, erode=erode, on_progress=on_progress, **parameters)
    if background is None:
        rgba = to_rgba(parts.foreground, parts.alpha)
    else:
        rgba = to_rgba(over_background(parts, background), np.ones_like(parts.alpha))
    return Cutout(parts.alpha, parts.foreground, parts.trimap, rgba)


def separate(
    image: npt.ArrayLike,
    method: str = "auto",
    *,
    trimap: npt.ArrayLike | Guess | None = None,
    weights: str = "embedded",
    erode: int | Literal["auto"] = "auto",
    colors: bool = True,
    on_progress: ProgressCallback | None = None,
    **parameters: Any,
) -> Separated:
    """Take a photograph apart: all of :func:`cutout` but the new background.

    Parameters
    ----------
    image, method, trimap, weights, erode, on_progress, **parameters
        As in :func:`cutout`.
    colors : bool, default True
        Estimate the two layers' own colours. Where only alpha is wanted, False leaves both as the photograph itself:
        the array given, not a copy.

    Returns
    -------
    Separated
        ``alpha``, ``foreground``, ``background`` and ``trimap``.

    Raises
    ------
    TypeError, ValueError
        As :func:`cutout`.

    Examples
    --------
    >>> image = np.zeros((8, 8, 3)); image[:, 4:] = 1
    >>> trimap = np.full((8, 8), 0.5); trimap[:, :2] = 0; trimap[:, 6:] = 1
    >>> separate(image, trimap=trimap).background[0, 0].round(2)
    array([0., 0., 0.])
    """
    picture = as_image(image)
    automatic = method == "auto" and not parameters
    guess = trimap if isinstance(trimap, Guess) else None
    if guess is not None:
        trimap = guess.trimap
    chosen = find_method(resolve_auto(method))
    if "weights" in chosen.parameters:
        parameters = {"weights": weights, **parameters}
    check_parameters(method, chosen.function, parameters)
    refines = chosen.needs_trimap or (method == "network" and _refines_trimap(parameters["weights"]))
    if not refines:
        if trimap is not None:
            raise TypeError(f"{method} finds the subject by itself and takes no trimap; leave one of the two out.")
        alpha = estimate_alpha(picture, method=method, on_progress=on_progress, **parameters)
        known = trimap_of_guess(alpha, erode)
    else:
        if trimap is not None:
            picture, known = check_pair(picture, trimap)
            known = own_copy(known, trimap)  # it is handed out, and the caller's own may change
        else:
            # A network that refines a trimap has weights of its own, and finds no subject.
            guess = guess_trimap(picture, weights="embedded" if method == "network" else weights, erode=erode)
            known = guess.trimap
        if automatic and guess is not None:
            alpha = estimate_alpha_guessed(picture, guess._replace(trimap=known), on_progress=on_progress)
        else:
            method = resolve_auto(method)
            alpha = estimate_alpha(picture, known, method=method, on_progress=on_progress, **parameters)
    layers = estimate_layers(picture, alpha) if colors else Layers(picture, picture)
    return Separated(alpha, layers.foreground, layers.background, known)


def _refines_trimap(weights: str | os.PathLike[str]) -> bool:
    from mattingkit.methods.network import refines_trimap

    return refines_trimap(weights)


def over_background(parts: Separated, background: npt.ArrayLike | str | os.PathLike[str]) -> FloatArray:
    """Lay a subject over a new background: the last step of :func:`cutout` and of every recipe.

    Parameters
    ----------
    parts : Separated
    background
        As in :func:`cutout`, but not None.

    Returns
    -------
    ndarray of float64, shape (H, W, 3)

    Raises
    ------
    FileNotFoundError, ValueError
        For what is no background.

    Examples
    --------
    >>> alpha, white = np.array([[0.0, 1.0]]), np.ones((1, 2, 3))
    >>> over_background(Separated(alpha, white, white, alpha), "black")[0, :, 0]
    array([0., 1.])
    """
    return composite(parts.foreground, new_background(background, parts.alpha, parts.background), parts.alpha)


def check_background(background: Any) -> None:
    """Refuse what is no background before the long work starts."""
    if background is None or (isinstance(background, str) and background in ("blur", "checkerboard")):
        return
    if _is_path(background):
        if not os.path.isfile(background):
            raise FileNotFoundError(f"There is no background picture {os.fspath(background)!r}.")
        return
    if isinstance(background, str):
        parse_color(background)
        return
    array = np.asarray(background)
    if array.ndim == 1:
        parse_color(array.tolist())
    else:
        as_image(array)


def _is_path(background: Any) -> bool:
    """A path object, or a text that reads like a file's name or is one; colours never contain a dot or a slash."""
    if isinstance(background, os.PathLike):
        return True
    return isinstance(background, str) and (
        os.path.isfile(background) or os.sep in background or bool(os.path.splitext(background)[1])
    )


def new_background(
    background: npt.ArrayLike | str | os.PathLike[str],
    alpha: npt.ArrayLike,
    old: npt.ArrayLike,
) -> FloatArray | str:
    """Turn any way to name a background into what :func:`mattingkit.composite` takes, at the right size.

    Parameters
    ----------
    background
        As in :func:`cutout`.
    alpha : array_like, shape (H, W)
        Sets the size.
    old : array_like, shape (H, W, 3)
        The estimated background, which ``"blur"`` puts out of focus: the subject has left no trace in it, so no halo
        of its colours forms around it.

    Returns
    -------
    ndarray of float64, shape (H, W, 3), or a colour as it was given

    Raises
    ------
    ValueError
        For what is no background.

    Examples
    --------
    >>> new_background("blur", np.zeros((4, 4)), np.full((4, 4, 3), 0.5))[0, 0]
    array([0.5, 0.5, 0.5])
    """
    size = np.shape(alpha)[:2]
    if _is_path(background):
        return fit_background(load_image(background), size)  # type: ignore[arg-type]
    if isinstance(background, str):
        if background != "blur":
            return background
        from scipy import ndimage

        # 2 % of the diagonal: about what a fast portrait lens does to a wall behind the sitter.
        sigma = max(1.0, 0.02 * float(np.hypot(*size)))
        blurred = ndimage.gaussian_filter(as_image(old), (sigma, sigma, 0), mode="nearest")
        return np.asarray(np.clip(blurred, 0.0, 1.0), dtype=np.float64)
    array = np.asarray(background)
    return array if array.ndim == 1 else fit_background(array, size)
