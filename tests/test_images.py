"""Every form in which a picture arrives, and every way in which one can be broken."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis.extra import numpy as hnp
from PIL import Image

from mattingkit.files import atomic_write, load_image, save_image
from mattingkit.images import as_image, check_same_size, to_uint8


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


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


def test_the_input_is_never_shared():
    array = np.zeros((3, 3, 3))
    as_image(array)[:] = 1
    assert (array == 0).all()


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
    assert ("np.swapaxes(ground_truth" in str(failure.value)) == (other == (5, 4))


def test_one_pixel_is_a_picture():
    assert as_image(np.array([[7]], np.uint8)).shape == (1, 1, 3)


def test_rounding_errors_are_forgiven_and_clipped():
    assert as_image(np.full((1, 1, 3), 1 + 1e-9)).max() == 1


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_lossless_files_come_back_bit_for_bit(tmp_path, photo, suffix):
    save_image(tmp_path / f"photo{suffix}", photo)
    np.testing.assert_array_equal(to_uint8(load_image(tmp_path / f"photo{suffix}")), photo)


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_files_come_back_nearly(tmp_path, suffix):
    smooth = np.linspace(0, 1, 64)[None, :, None] * np.ones((48, 1, 3))
    save_image(tmp_path / f"photo{suffix}", smooth)
    assert np.abs(load_image(tmp_path / f"photo{suffix}") - smooth).mean() < 0.01


def test_cutouts_keep_their_transparency(tmp_path, photo):
    rgba = np.dstack([photo, photo[:, :, 0]])
    save_image(tmp_path / "cutout.png", rgba)
    with Image.open(tmp_path / "cutout.png") as file:
        np.testing.assert_array_equal(np.asarray(file), rgba)
    np.testing.assert_array_equal(to_uint8(load_image(tmp_path / "cutout.png")), photo)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255  # top left
    turned = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(turned)).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    image = load_image(tmp_path / "turned.jpg")
    assert image.shape == (16, 32, 3)
    assert image[3, 3].min() > 0.9
    assert image[12, 25].max() < 0.1


def test_sixteen_bit_gray_keeps_its_depth(tmp_path):
    deep = (np.arange(12).reshape(3, 4) * 5000 + 1).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_allclose(load_image(tmp_path / "deep.png")[:, :, 0], deep / 65535)
    tifffile.imwrite(tmp_path / "deep.tif", deep)
    np.testing.assert_allclose(load_image(tmp_path / "deep.tif")[:, :, 0], deep / 65535)


def test_sixteen_bit_colour_is_read(tmp_path):
    deep = np.random.default_rng(3).integers(0, 65536, (5, 6, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb")
    np.testing.assert_allclose(load_image(tmp_path / "deep.tif"), deep / 65535, atol=1 / 255)


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA", "RGBA", "YCbCr"])
def test_every_mode_of_pillow_becomes_rgb(tmp_path, mode):
    gray = Image.fromarray(np.full((5, 7), 255, np.uint8))
    path = tmp_path / ("picture.tif" if mode in ("CMYK", "YCbCr") else "picture.png")
    gray.convert("RGB").convert(mode).save(path)
    image = load_image(path)
    assert image.shape == (5, 7, 3)
    np.testing.assert_allclose(image, 1, atol=0.02)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".tif", ".png"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, suffix):
    frames = [Image.fromarray(np.full((6, 6, 3), level, np.uint8)) for level in (255, 0, 128)]
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"moving{suffix}", save_all=True, append_images=frames[1:], **options)
    assert load_image(tmp_path / f"moving{suffix}").min() > 0.98


def test_a_stream_is_read_like_a_file(photo):
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG")
    file.seek(0)
    np.testing.assert_array_equal(to_uint8(load_image(file)), photo)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.jpg"):
        load_image(tmp_path / "nowhere.jpg")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(ValueError, match="folder"):
        load_image(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_a_file_that_is_no_picture(tmp_path, content):
    (tmp_path / "note.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=r"note\.jpg"):
        load_image(tmp_path / "note.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".gif"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_file_says_so(tmp_path, suffix, kept):
    noise = np.random.default_rng(4).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"whole{suffix}")
    content = (tmp_path / f"whole{suffix}").read_bytes()
    (tmp_path / f"cut{suffix}").write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ValueError, match=rf"cut\{suffix}.*(truncated|not a picture)"):
        load_image(tmp_path / f"cut{suffix}")


@pytest.mark.parametrize(
    ("name", "message"), [("photo", "suffix"), ("photo.doc", "suffix"), ("photo.jpg", "transparency")]
)
def test_what_cannot_be_saved(tmp_path, name, message):
    with pytest.raises(ValueError, match=message):
        save_image(tmp_path / name, np.zeros((3, 3, 4)))
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.png"
    path.write_bytes(b"precious")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_bytes() == b"precious"
    assert [p.name for p in tmp_path.iterdir()] == ["result.png"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_written_files_are_as_readable_as_others(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    with atomic_write(tmp_path / "atomic") as file:
        file.write(b"")
    assert Path(tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_metadata_is_kept_on_request(tmp_path, photo):
    save_image(tmp_path / "photo.png", photo, dpi=(300, 300), icc_profile=None)
    with Image.open(tmp_path / "photo.png") as file:
        assert round(file.info["dpi"][0]) == 300
