"""The pipeline in one call, the recipes built on it, ID photos, and what survives from one file to the next."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

import mattingkit as mk
from mattingkit import cutout as cutout_function
from mattingkit import samples
from mattingkit.drawing import load_strokes, save_strokes
from mattingkit.files import read_photo, write_photo
from mattingkit.photo.cutout import guess_trimap, new_background
from mattingkit.photo.id_photo import ID_SIZES, Box, crop_box, crop_id_photo, find_head, id_box
from mattingkit.photo.recipe import Recipe, full_set

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@pytest.fixture(scope="module")
def portrait():
    return samples.portrait()


# mk.cutout


def test_the_pipeline_is_the_steps_one_by_one(ramp):
    image, trimap, _ = ramp
    result = mk.cutout(image, trimap=trimap)
    alpha = mk.estimate_alpha(image, trimap)
    foreground = mk.estimate_foreground(image, alpha)
    np.testing.assert_array_equal(result.alpha, alpha)
    np.testing.assert_array_equal(result.foreground, foreground)
    np.testing.assert_array_equal(result.trimap, trimap)
    np.testing.assert_array_equal(result.rgba, mk.to_rgba(foreground, alpha))


def test_a_background_makes_it_opaque(ramp):
    image, trimap, _ = ramp
    plain = mk.cutout(image, trimap=trimap)
    for background, expected in (
        ("#438edb", "#438edb"),
        ((0.1, 0.2, 0.3), (0.1, 0.2, 0.3)),
        (image[::-1, :, ::-1], image[::-1, :, ::-1]),
    ):
        rgba = mk.cutout(image, background, trimap=trimap).rgba
        assert (rgba[..., 3] == 1).all()
        np.testing.assert_allclose(rgba[..., :3], mk.composite(plain.foreground, expected, plain.alpha))


def test_a_background_picture_may_have_any_size_and_be_a_path(ramp, tmp_path):
    image, trimap, _ = ramp
    picture = np.random.default_rng(0).random((90, 50, 3))
    mk.save_image(tmp_path / "beach.png", picture)
    by_array = mk.cutout(image, mk.load_image(tmp_path / "beach.png"), trimap=trimap).rgba
    by_path = mk.cutout(image, tmp_path / "beach.png", trimap=trimap).rgba
    by_text = mk.cutout(image, str(tmp_path / "beach.png"), trimap=trimap).rgba
    np.testing.assert_array_equal(by_array, by_path)
    np.testing.assert_array_equal(by_path, by_text)


def test_blur_takes_the_detail_and_leaves_the_subject_no_halo():
    height, width = 120, 160
    rows, cols = np.mgrid[:height, :width]
    alpha = (np.hypot(rows - 60, cols - 80) < 30).astype(float)
    old = np.repeat(((cols // 4) % 2)[..., np.newaxis] * 0.4 + 0.3, 3, axis=2)
    blurred = new_background("blur", alpha, old)
    assert blurred[10:-10, 10:-10].std() < 0.2 * old.std()
    # A bright subject before a dark wall: nothing of it may glow around it.
    image = np.where(alpha[..., np.newaxis] > 0, 1.0, 0.1) * np.ones((1, 1, 3))
    trimap = np.where(np.abs(np.hypot(rows - 60, cols - 80) - 30) < 4, 0.5, alpha)
    rgba = mk.cutout(image, "blur", trimap=trimap).rgba
    ring = (np.hypot(rows - 60, cols - 80) > 36) & (np.hypot(rows - 60, cols - 80) < 42)
    assert np.abs(rgba[ring][:, :3] - 0.1).max() < 0.02


def test_colours_of_the_old_background_stay_out(ramp):
    image, trimap, alpha = ramp
    soft = (alpha > 0.3) & (alpha < 0.9)
    result = mk.cutout(image, trimap=trimap)
    own = np.array([0.9, 0.6, 0.2])
    assert np.abs(result.rgba[soft][:, :3] - own).mean() < 0.35 * np.abs(image[soft] - own).mean()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"method": "closedform"}, ValueError, "did you mean 'closed_form'"),
        ({"epsilonn": 1}, TypeError, "did you mean 'epsilon'"),
        ({"background": "bleu"}, ValueError, "is no colour"),
        ({"background": "nosuch.jpg"}, FileNotFoundError, "no background picture"),
        ({"background": (1, 2, 3)}, ValueError, "three numbers from 0 to 1"),
        ({"trimap": np.eye(4)}, ValueError, "same size"),
        ({"method": "u2net"}, TypeError, "takes no trimap"),
    ],
)
def test_what_cannot_work_is_refused(ramp, arguments, error, words):
    image, trimap, _ = ramp
    with pytest.raises(error, match=words):
        mk.cutout(image, **{"trimap": trimap, **arguments})


def test_inputs_are_never_written_to(ramp):
    image, trimap, _ = ramp
    background = np.full((5, 5, 3), 0.5)
    copies = [array.copy() for array in (image, trimap, background)]
    mk.cutout(image, background, trimap=trimap)
    for array, copy in zip((image, trimap, background), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_progress_reaches_the_caller_and_cancels(ramp):
    image, trimap, _ = ramp
    seen = []
    mk.cutout(image, trimap=trimap, on_progress=seen.append)
    assert seen

    def cancel(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        mk.cutout(image, trimap=trimap, on_progress=cancel)


# The automatic guess


@pytest.mark.parametrize("name", ["cat", "portrait"])
def test_the_samples_are_cut_out_by_themselves(name):
    sample = mk.samples.load(name)
    result = mk.cutout(sample.image)
    certain = sample.trimap != 0.5
    inside = (result.alpha >= 0.5) & certain
    truth = (sample.trimap == 1) & certain
    assert (inside & truth).sum() / (inside | truth).sum() > 0.85
    raw = mk.estimate_alpha(sample.image, method="u2net")
    assert np.abs(result.alpha - sample.matte).sum() < 0.7 * np.abs(raw - sample.matte).sum()
    levels = set(np.unique(result.trimap))
    assert levels == {0.0, 0.5, 1.0}
    # closed_form was given the guess's trimap and kept what it calls certain
    known = result.trimap != 0.5
    np.testing.assert_array_equal(result.alpha[known], result.trimap[known])


def test_u2net_alone_needs_no_second_method(portrait):
    result = mk.cutout(portrait.image, method="u2net")
    np.testing.assert_array_equal(result.alpha, mk.estimate_alpha(portrait.image, method="u2net"))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_an_empty_picture_is_said_to_be_empty(value):
    with pytest.raises(ValueError, match=r"found no subject|found next to no subject|took the whole picture"):
        mk.cutout(np.full((40, 50, 3), value))


def test_a_guess_that_covers_all_is_said_to(monkeypatch):
    image = np.zeros((20, 20, 3))
    module = __import__("sys").modules["mattingkit.photo.cutout"]
    monkeypatch.setattr(module, "estimate_alpha", lambda *_, **__: np.ones((20, 20)))
    with pytest.raises(ValueError, match="took the whole picture for the subject"):
        guess_trimap(image)


def test_a_hesitant_guess_still_gives_a_trimap(monkeypatch):
    rows, cols = np.mgrid[:60, :60]
    guess = np.where(np.hypot(rows - 30, cols - 30) < 15, 0.7, 0.2)
    module = __import__("sys").modules["mattingkit.photo.cutout"]
    monkeypatch.setattr(module, "estimate_alpha", lambda *_, **__: guess)
    trimap = guess_trimap(np.zeros((60, 60, 3))).trimap
    assert trimap[30, 30] == 1
    assert trimap[0, 0] == 0


# ID photos


def test_the_head_of_the_sample_portrait_is_found(portrait):
    head = find_head(portrait.matte)
    # Read off the photograph: the hair ends near row 5, the chin is near row 190, the face's middle near column 225.
    assert head.top < 25
    assert 165 < head.chin < 235
    assert 200 < head.center < 250


def figure(height=300, width=240, scale=1.0, shift=0):
    """A head on a neck on shoulders: alpha, crown row, chin row, centre column."""
    rows, cols = np.mgrid[:height, :width]
    center, crown = width / 2 + shift, 60.0
    head = ((rows - crown - 50 * scale) / (50 * scale)) ** 2 + ((cols - center) / (36 * scale)) ** 2 <= 1
    chin = crown + 100 * scale
    neck = (np.abs(cols - center) <= 17 * scale) & (rows >= chin - 10 * scale)
    top = chin + 20 * scale
    shoulders = (rows >= top) & (np.abs(cols - center) <= np.minimum(95 * scale, 30 * scale + 2 * (rows - top)))
    return (head | neck | shoulders).astype(float), crown, chin, center


@pytest.mark.parametrize("scale", [0.6, 0.8, 1.0])
@pytest.mark.parametrize("shift", [-20, 0, 20])
def test_head_and_standards_agree(scale, shift):
    alpha, crown, chin, center = figure(scale=scale, shift=shift)
    head = find_head(alpha)
    assert head.top == pytest.approx(crown, abs=2)
    assert head.chin == pytest.approx(chin, abs=0.12 * (chin - crown))
    assert head.center == pytest.approx(center, abs=3)
    for name, size in ID_SIZES.items():
        rgba = crop_id_photo(np.full((*alpha.shape, 3), 0.5), alpha, name)
        assert rgba.shape == (size.height, size.width, 4)
        rows = np.flatnonzero((rgba[..., 3] > 0.5).any(axis=1))
        assert rows[0] == pytest.approx(size.margin * size.height, abs=0.02 * size.height)
        assert rows[-1] == size.height - 1
        cropped = find_head(rgba[..., 3])
        assert cropped.center == pytest.approx(size.width / 2, abs=0.02 * size.width)
        # A head as large as the standard says, or larger where the picture ends early; never smaller.
        assert (cropped.chin - cropped.top) / size.height > size.head - 0.08


def test_specks_are_no_head():
    alpha, crown, _, center = figure()
    alpha[3:6, 3:6] = 1
    assert find_head(alpha).top == pytest.approx(crown, abs=2)
    assert find_head(alpha).center == pytest.approx(center, abs=3)


def test_a_flag_joined_to_the_shoulders_is_no_head():
    alpha, crown, chin, center = figure()
    alpha[:, :40] = 1  # higher than the head, from the side to the shoulders
    head = find_head(alpha)
    assert head.top == pytest.approx(crown, abs=3)
    assert head.chin == pytest.approx(chin, abs=0.12 * (chin - crown))
    assert head.center == pytest.approx(center, abs=3)


def test_long_hair_that_hides_the_neck_is_not_taken_for_a_body():
    alpha, crown, chin, center = figure()
    rows, cols = np.mgrid[:300, :240]
    alpha[(rows > crown + 50) & (rows < chin + 60) & (np.abs(cols - center) <= 36)] = 1
    assert find_head(alpha).chin == pytest.approx(chin, abs=0.25 * (chin - crown))


def test_what_is_no_portrait_is_refused():
    with pytest.raises(ValueError, match="shows no subject"):
        find_head(np.zeros((10, 10)))
    alpha, *_ = figure()
    with pytest.raises(ValueError, match="ends too close below the head"):
        id_box(alpha[:158], "35x45mm")
    with pytest.raises(ValueError, match="no ID photo size 'a4'"):
        id_box(alpha, "a4")


def test_a_crop_is_exact_where_it_only_shifts():
    picture = np.random.default_rng(1).random((20, 30, 3))
    np.testing.assert_allclose(crop_box(picture, Box(4, 7, 10, 12), (10, 12)), picture[4:14, 7:19], atol=1e-6)
    beyond = crop_box(picture, Box(-5, 25, 10, 10), (10, 10), extend=False)
    np.testing.assert_allclose(beyond[5:, :5], picture[:5, 25:], atol=1e-6)
    assert np.abs(beyond[:5]).max() < 1e-6


def test_cropping_keeps_the_subject_s_colours_to_its_edge():
    alpha, *_ = figure()
    foreground = np.where(alpha[..., np.newaxis] > 0, [0.8, 0.4, 0.2], [0.0, 0.0, 1.0])
    rgba = crop_id_photo(foreground, alpha, "one-inch")
    visible = rgba[..., 3] > 0.02
    assert np.abs(rgba[visible][:, :3] - [0.8, 0.4, 0.2]).max() < 0.02


# Recipes and the full set


def test_a_recipe_s_parts_and_product(ramp):
    image, trimap, _ = ramp
    photo = read_photo(as_file(image))
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
    photo = read_photo(as_file(image))
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


# Files


def as_file(image, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray((np.asarray(image) * 255).round().astype(np.uint8)).save(file, kind, **options)
    file.seek(0)
    return file


def stored(path):
    with Image.open(path) as picture:
        picture.load()
        return picture.info, picture.getexif()


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_profile_and_resolution_survive(tmp_path, suffix, ramp):
    photo = read_photo(as_file(ramp[0], "JPEG", icc_profile=SRGB, dpi=(300, 300)))
    assert photo.icc_profile == SRGB
    assert photo.dpi == (300, 300)
    write_photo(tmp_path / f"out{suffix}", ramp[0], icc_profile=photo.icc_profile, dpi=photo.dpi)
    info, exif = stored(tmp_path / f"out{suffix}")
    assert info["icc_profile"] == SRGB
    dpi = info.get("dpi") or (exif[0x011A], exif[0x011B])
    assert [round(float(value)) for value in dpi] == [300, 300]


def test_a_profile_that_is_wrong_for_the_pixels_is_dropped(tmp_path, ramp):
    assert read_photo(as_file(ramp[0], "PNG", icc_profile=LAB)).icc_profile is None
    write_photo(tmp_path / "alpha.png", ramp[2], icc_profile=SRGB, dpi=(72, 72))
    info, _ = stored(tmp_path / "alpha.png")
    assert "icc_profile" not in info
    assert round(info["dpi"][0]) == 72


def test_orientation_is_resolved_and_not_handed_on(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = read_photo(as_file(np.zeros((20, 30, 3)), "JPEG", exif=exif))
    assert photo.image.shape == (30, 20, 3)
    write_photo(tmp_path / "out.jpg", photo.image)
    assert 0x0112 not in stored(tmp_path / "out.jpg")[1]


def test_pictures_beyond_the_limit_are_refused_before_decoding():
    with pytest.raises(ValueError, match=r"1000 × 1200 = 1 megapixels|1200 × 1000 = 1 megapixels"):
        read_photo(as_file(np.zeros((1000, 1200, 3))), largest=1)


@pytest.mark.parametrize("dpi", [None, (0, 0), (1, 0)])
def test_senseless_resolutions_are_forgotten(dpi):
    options = {} if dpi is None else {"dpi": dpi}
    assert read_photo(as_file(np.zeros((4, 4, 3)), "JPEG", **options)).dpi in (None, (1.0, 1.0))


# Strokes


def test_strokes_survive_their_file(tmp_path):
    strokes = [mk.Stroke([(1.5, 2.25), (8, 3)], label, 2.5) for label in (0, 0.5, 1, None)]
    save_strokes(tmp_path / "a.json", strokes, (10, 12))
    again = load_strokes(tmp_path / "a.json", (10, 12))
    assert [(s.points, s.label, s.radius) for s in again] == [(s.points, s.label, s.radius) for s in strokes]
    with pytest.raises(ValueError, match=r"drawn on a picture of \(10, 12\)"):
        load_strokes(tmp_path / "a.json", (12, 10))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"version": 2, "strokes": []}', '{"version": 1, "strokes": [{}]}', "\xff"]
)
def test_what_holds_no_strokes_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match="holds no strokes"):
        load_strokes(tmp_path / "a.json")


def test_the_samples_scribbles_are_such_a_file(portrait):
    strokes = load_strokes(samples.data_path("portrait_strokes.json"), portrait.image.shape[:2])
    assert [s.points for s in strokes] == [s.points for s in portrait.strokes]


def test_the_name_is_the_function():
    assert callable(cutout_function)
    assert mk.cutout is cutout_function
