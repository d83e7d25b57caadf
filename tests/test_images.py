"""Every form in which an array arrives, and every way in which one can be broken."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms

from mattingkit.images import as_alpha, as_image, as_unit_floats, check_same_size, to_uint8
from mattingkit.trimap import as_trimap

# --- arrays ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("white", [True, np.uint8(255), np.uint16(65535), np.float32(1), np.float64(1), np.float16(1)])
def test_every_type_has_its_own_white(white):
    image = as_image(np.full((2, 3, 3), white))
    assert image.dtype == np.float64
    assert (image == 1).all()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4)])
def test_gray_and_transparency_become_three_channels(shape):
    array = np.random.default_rng(1).random(shape)
    image = as_image(array)
    assert image.shape == (4, 5, 3)
    gray = array.reshape(4, 5, -1)[:, :, :1] if len(shape) == 2 or shape[2] < 3 else array[:, :, :3]
    np.testing.assert_allclose(image, np.broadcast_to(gray, (4, 5, 3)))


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, min_side=1, max_side=8).map(lambda s: (*s[:2], 3)))
)
def test_uint8_and_its_floats_are_the_same_picture(array):
    np.testing.assert_array_equal(as_image(array), as_image(array / 255))
    np.testing.assert_array_equal(to_uint8(as_image(array)), array)


# --- one door: what is right already passes as it is ------------------------------------------------------------------


def test_what_has_the_form_already_passes_without_a_copy():
    image, alpha, trimap = np.random.default_rng(0).random((3, 4, 3)), np.eye(4), np.eye(4) / 2
    assert as_image(image) is image
    assert as_alpha(alpha) is alpha
    assert as_trimap(trimap) is trimap
    assert as_unit_floats(image, "image") is image
    assert np.shares_memory(as_alpha(alpha[:, :, np.newaxis]), alpha)


@pytest.mark.parametrize(
    "array",
    [
        np.full((3, 4, 3), 1 + 1e-9),
        np.zeros((3, 4, 3), np.float32),
        np.zeros((3, 4, 3), ">f8"),
        np.zeros((4, 3, 3)).transpose(1, 0, 2),
        np.zeros((3, 4, 4)),
        np.broadcast_to(0.0, (3, 4, 3)),
        np.frombuffer(bytes(8 * 36)).reshape(3, 4, 3),  # read-only, which compiled functions would refuse
    ],
)
def test_what_has_not_is_converted_into_an_array_of_its_own(array):
    image = as_image(array)
    assert not np.shares_memory(image, array)
    assert image.dtype == np.float64
    assert image.dtype.isnative
    assert image.flags.c_contiguous
    assert image.flags.writeable
    assert image.max() <= 1


def test_looking_at_a_right_picture_takes_no_memory():
    image = np.random.default_rng(0).random((500, 600, 3))
    tracemalloc.start()
    try:
        as_image(image)
        assert tracemalloc.get_traced_memory()[1] < image.nbytes / 50
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -0.1, 1.1])
def test_one_bad_value_is_found_wherever_it_is(bad):
    for place in [(0, 0, 0), (7, 5, 1), (19, 16, 2)]:
        image = np.full((20, 17, 3), 0.5)
        image[place] = bad
        with pytest.raises(ValueError, match=r"NaN or infinity|must lie in"):
            as_image(image)


def test_big_endian_numbers_are_numbers():
    np.testing.assert_array_equal(as_image(np.full((2, 2), 65535, ">u2")), np.ones((2, 2, 3)))


# --- Pillow's pictures, by what their mode means ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["P", "PA", "CMYK", "HSV", "YCbCr", "RGBA", "RGBX", "RGBa", "LAB"])
def test_pillow_pictures_mean_their_colours(mode):
    color = Image.new("RGB", (4, 3), (220, 60, 30))
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(color, *profiles, outputMode="LAB")
    elif mode == "RGBa":
        picture = color.convert("RGBA").convert("RGBa")
    else:
        picture = color.convert("P").convert("PA") if mode == "PA" else color.convert(mode)
    assert picture.mode == mode
    # An 8-bit palette is coarse; a raw index or hue would be off by far more.
    np.testing.assert_allclose(
        as_image(picture)[1, 2], np.array([220, 60, 30]) / 255, atol=0.09 if "P" in mode else 0.02
    )


def test_a_pillow_mask_is_an_alpha_and_a_trimap():
    mask = Image.new("1", (5, 4), 1)
    np.testing.assert_array_equal(as_alpha(mask), np.ones((4, 5)))
    np.testing.assert_array_equal(as_trimap(mask.convert("P")), np.ones((4, 5)))


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros((3, 3, 3), np.int64), TypeError, "uint8"),
        (np.zeros((3, 3, 3), complex), TypeError, "complex"),
        (np.full((3, 3), "x"), TypeError, "dtype"),
        (np.full((3, 3, 3), np.nan), ValueError, "nan_to_num"),
        (np.full((3, 3, 3), np.inf), ValueError, "infinity"),
        (np.full((3, 3, 3), 200.0), ValueError, "divide by 255"),
        (np.full((3, 3, 3), -0.1), ValueError, "clip"),
        (np.zeros((0, 3, 3)), ValueError, "empty"),
        (np.zeros((3, 40, 50)), ValueError, "moveaxis"),
        (np.zeros(7), ValueError, "shape"),
        (np.zeros((2, 2, 5)), ValueError, "shape"),
    ],
)
def test_bad_arrays_name_the_remedy(array, error, message):
    with pytest.raises(error, match=message):
        as_image(array)


@pytest.mark.parametrize("other", [(4, 6), (5, 4), (4,), (4, 6, 5)])
def test_sizes_that_differ_are_said_in_one_way(other):
    check_same_size(image=(4, 5, 3), ground_truth=(4, 5), rgba=(4, 5, 4))
    with pytest.raises(
        ValueError, match=r"^Image and ground truth must have the same size; got \(4, 5\) and"
    ) as failure:
        check_same_size(image=(4, 5, 3), trimap=(4, 5), ground_truth=other)
    assert ("np.swapaxes" in str(failure.value)) == (other == (5, 4))


def test_one_pixel_is_a_picture():
    assert as_image(np.array([[7]], np.uint8)).shape == (1, 1, 3)


def test_rounding_errors_are_forgiven_and_clipped():
    assert as_image(np.full((1, 1, 3), 1 + 1e-9)).max() == 1


def test_an_8_bit_mask_of_0_and_1_is_no_alpha():
    mask = np.array([[0, 1], [1, 0]], np.uint8)
    with pytest.raises(ValueError, match=r"mask\.astype\(bool\)"):
        as_alpha(mask)
    assert as_alpha(mask.astype(bool)).max() == 1
    assert as_alpha(mask * 255).max() == 1
    assert as_alpha(np.zeros((2, 2), np.uint8)).max() == 0
