"""Recipes: the settings of one photograph and of a million, their fingerprints, and what they make."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import mattingkit as mk
from mattingkit.files import Photo
from mattingkit.photo.recipe import Recipe, full_set

#: Settings, and the fingerprint that mattingkit 0.1.0 gave them: it stands in the journals of finished batches. The
#: method is named, for the default makes other pictures now.
OF_0_1_0 = [
    ({"method": "closed_form"}, "d305818d5d630312"),
    (
        {"method": "bayesian", "background": "#438edb", "crop": "35x45mm", "format": "jpg", "quality": 90},
        "bd0d25f6ee3c862b",
    ),
    (
        {"method": "closed_form", "only": "alpha", "format": "webp", "weights": "u2netp", "erode": 12},
        "d99cf09aaed24bb6",
    ),
    (
        {
            "method": "closed_form",
            "background": (1.0, 1.0, 1.0),
            "foreground": False,
            "parameters": {"epsilon": 1e-5, "scale": "auto"},
        },
        "158d4f27deee3c8d",
    ),
    ({"method": "knn", "background": "beach.jpg", "only": "composite", "format": "tiff"}, "f520ddba4ef4f925"),
]


@pytest.mark.parametrize(("settings", "fingerprint"), OF_0_1_0)
def test_fingerprints_are_those_of_0_1_0(settings, fingerprint):
    assert Recipe(**settings).fingerprint() == fingerprint
    # Sent to a worker and back as JSON, it is the same recipe.
    sent = json.loads(json.dumps(dataclasses.asdict(Recipe(**settings))))
    assert Recipe(**sent).fingerprint() == fingerprint


@pytest.mark.parametrize("background", [None, "white", "checkerboard", "blur"])
def test_a_recipe_gives_the_pixels_of_cutout(ramp, background):
    image, trimap, _ = ramp
    photo = Photo(image, "ramp")
    recipe = Recipe(method="rw", background=background)
    made = recipe.finish(photo, recipe.separate(photo, trimap)).pixels
    expected = mk.cutout(image, background, "rw", trimap=trimap).rgba
    np.testing.assert_array_equal(made, expected if background is None else expected[..., :3])


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"format": "gif"}, ValueError, "no format 'gif'; known: png"),
        ({"crop": "a4"}, ValueError, "no ID photo size 'a4'; known: one-inch"),
        ({"only": "mask"}, ValueError, "rgba, alpha or composite"),
        ({"quality": 0}, ValueError, "between 1 and 100"),
        ({"only": "composite"}, ValueError, "needs a background"),
        ({"only": "rgba", "background": "white"}, ValueError, "has no background"),
        ({"format": "jpg"}, ValueError, "JPEG has no transparency"),
        ({"background": "bleu"}, ValueError, "is no colour"),
        ({"background": np.zeros((3, 3, 3))}, TypeError, "by its path"),
        ({"parameters": {"epsilonn": 1}}, TypeError, "did you mean 'epsilon'"),
        ({"method": "u2net", "weights": "nosuch"}, (ValueError, FileNotFoundError), "nosuch"),
    ],
)
def test_what_cannot_work_is_refused_before_it_starts(settings, error, words):
    with pytest.raises(error, match=words):
        Recipe(**settings).check()


def test_a_crop_has_the_standard_s_size_and_resolution():
    rows, cols = np.mgrid[:200, :160]
    person = ((rows - 70) / 40) ** 2 + ((cols - 80) / 30) ** 2 <= 1
    person |= ((rows - 200) / 75) ** 2 + ((cols - 80) / 75) ** 2 <= 1
    photo = Photo(np.where(person[..., np.newaxis], [0.9, 0.6, 0.4], [0.1, 0.2, 0.3]), "person", dpi=(72, 72))
    trimap = mk.trimap_from_alpha(person.astype(float), 2)
    recipe = Recipe(method="rw", crop="one-inch", background="white", foreground=False)
    product = recipe.finish(photo, recipe.separate(photo, trimap))
    assert product.pixels.shape == (413, 295, 3)
    assert product.dpi == (300, 300)
    np.testing.assert_allclose(product.pixels[2, 2], 1)


def test_a_recipe_s_parts_and_product(ramp):
    image, trimap, _ = ramp
    photo = Photo(image, "ramp")
    recipe = Recipe(method="rw", background="white")
    parts = recipe.separate(photo, trimap)
    np.testing.assert_allclose(
        recipe.finish(photo, parts).pixels, mk.cutout(photo.image, "white", "rw", trimap=trimap).rgba[..., :3]
    )
    bare = Recipe(method="rw", foreground=False)
    np.testing.assert_array_equal(bare.finish(photo, bare.separate(photo, trimap)).pixels[..., :3], photo.image)
    assert Recipe(only="alpha").finish(photo, parts).pixels.ndim == 2


def test_equal_recipes_have_equal_fingerprints():
    assert Recipe(parameters={"a": 1, "b": 2}).fingerprint() == Recipe(parameters={"b": 2, "a": 1}).fingerprint()
    prints = {r.fingerprint() for r in (Recipe(), Recipe(method="rw"), Recipe(quality=90), Recipe(parameters={"a": 1}))}
    assert len(prints) == 4


def test_the_full_set_adds_up(ramp):
    image, trimap, _ = ramp
    photo = Photo(image, "ramp")
    parts = Recipe().separate(photo, trimap, everything=True)
    made = full_set(photo.image, parts, "#438edb", np.zeros((5, 7, 3)))
    assert list(made) == ["_alpha", "_1-alpha", "_fg", "_bg", "_bg_color_trans", "_synthesis", "_joint"]
    np.testing.assert_allclose(made["_alpha"] + made["_1-alpha"], 1)
    # Foreground and background with their alphas are the photograph again.
    alpha = made["_alpha"][..., np.newaxis]
    again = alpha * made["_fg"][..., :3] + (1 - alpha) * made["_bg"][..., :3]
    assert np.abs(again - photo.image).mean() < 0.02
    height, width = trimap.shape
    assert made["_joint"].shape == (height, 7 * width, 3)
