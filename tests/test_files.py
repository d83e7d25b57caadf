"""Files in, files out: what must not be replaced, and what must not be lost."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageFile, ImageOps

from mattingkit.batches.journal import remove_leftovers
from mattingkit.files import (
    atomic_write,
    load_image,
    png_bytes,
    read_array,
    read_photo,
    refuse_existing,
    save_image,
)
from mattingkit.images import to_uint8
from mattingkit.trimap import load_trimap

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LAB = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


# --- what is already there -------------------------------------------------------------------------------------------


def test_existing_files_are_named_with_the_remedy(tmp_path):
    files = [tmp_path / f"{name}.png" for name in "abcde"]
    refuse_existing(files)
    files[1].touch()
    with pytest.raises(FileExistsError, match=r"b\.png is already there.* replace it with --overwrite"):
        refuse_existing(files)
    for file in files:
        file.touch()
    with pytest.raises(FileExistsError, match=r"a\.png, .*b\.png, .*c\.png and 2 more are already there"):
        refuse_existing(map(str, files))
    refuse_existing(files, overwrite=True)


def test_a_link_that_points_nowhere_is_in_the_way_too(tmp_path):
    Path(tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.raises(FileExistsError, match=r"link\.png"):
        refuse_existing([tmp_path / "link.png"])


@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3), (3, 4, 4)])
def test_png_bytes_hold_the_picture(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for picture in (pixels, pixels / 255):
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png_bytes(picture)))), pixels)


# --- load_image, save_image -------------------------------------------------------------------------------------------


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


def png_of_16_bits(pixels: np.ndarray) -> bytes:
    """A PNG file of RGB or RGBA with 16 bits, which Pillow cannot write (PNG 1.2, chapters 4 and 9)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_keeps_its_depth_in_png(channels):
    deep = np.random.default_rng(3).integers(0, 65536, (5, 6, channels), dtype=np.uint16)
    np.testing.assert_array_equal(read_array(io.BytesIO(png_of_16_bits(deep))), deep)
    np.testing.assert_array_equal(load_image(Unseekable(png_of_16_bits(deep))), deep[..., :3] / 65535)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "deflate"}, {"compression": "deflate", "predictor": True}])
def test_sixteen_bit_colour_keeps_its_depth_in_tiff(tmp_path, byteorder, options):
    deep = np.random.default_rng(3).integers(0, 65536, (5, 6, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb", byteorder=byteorder, **options)
    np.testing.assert_array_equal(read_array(tmp_path / "deep.tif"), deep)


def test_sixteen_bit_colour_is_turned_upright_whole(tmp_path):
    deep = np.random.default_rng(3).integers(0, 65536, (5, 6, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    np.testing.assert_array_equal(read_array(tmp_path / "deep.tif"), np.rot90(deep, -1))


class Unseekable(io.RawIOBase):
    """A stream that can be read once, like a download."""

    def __init__(self, content: bytes) -> None:
        self.content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self.content.readinto(buffer)


def test_floats_keep_their_values_and_integers_of_32_bits_are_refused(tmp_path):
    values = np.random.default_rng(5).random((4, 5), dtype=np.float32)
    tifffile.imwrite(tmp_path / "float.tif", values)
    np.testing.assert_array_equal(load_image(tmp_path / "float.tif")[..., 0], values)
    tifffile.imwrite(tmp_path / "beyond.tif", values + 1)
    with pytest.raises(ValueError, match=r"float values from 1\."):
        load_image(tmp_path / "beyond.tif")
    tifffile.imwrite(tmp_path / "integer.tif", (values * 2e9).astype(np.int32))
    with pytest.raises(ValueError, match=r"integer\.tif.*32-bit integers.*16 bits"):
        load_image(tmp_path / "integer.tif")


def test_lab_becomes_rgb(tmp_path):
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    color = Image.new("RGB", (5, 4), (200, 40, 90))
    ImageCms.profileToProfile(color, *profiles, outputMode="LAB").save(tmp_path / "lab.tif")
    np.testing.assert_allclose(load_image(tmp_path / "lab.tif")[0, 0], np.array([200, 40, 90]) / 255, atol=0.02)


# --- what a file may cost, and what it may start ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """A picture of 13000 × 13000 pixels in 26 KB."""
    file = io.BytesIO()
    Image.new("1", (13000, 13000)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("read", [load_image, read_array, read_photo, load_trimap])
def test_a_small_file_cannot_take_the_memory(bomb, read, monkeypatch):
    assert len(bomb) < 30_000
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match=r"13000 × 13000 = 169 megapixels, more than the limit of 120\. Scale it down"):
        read(io.BytesIO(bomb))


def test_the_limit_is_the_caller_s_or_the_environment_s(monkeypatch, photo):
    file = io.BytesIO(png_bytes(photo))
    with pytest.raises(ValueError, match="MATTINGKIT_MAX_MEGAPIXELS in the environment"):
        load_image(file, max_megapixels=53e-6)
    assert load_image(file, max_megapixels=54e-6).shape == photo.shape
    monkeypatch.setenv("MATTINGKIT_MAX_MEGAPIXELS", "53e-6")
    with pytest.raises(ValueError, match="more than the limit"):
        load_image(file)
    assert load_image(file, max_megapixels=1).shape == photo.shape
    for wrong in ("many", "nan", "-1"):
        monkeypatch.setenv("MATTINGKIT_MAX_MEGAPIXELS", wrong)
        with pytest.raises(ValueError, match="a number of megapixels"):
            load_image(file)


@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n",
        b"\xd7\xcd\xc6\x9a" + bytes(60),  # WMF
        b"SIMPLE  =                    T" + b" " * 2850,  # FITS
    ],
)
def test_no_other_program_and_no_odd_format_is_started(tmp_path, content, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    (tmp_path / "photo.jpg").write_bytes(content)
    with pytest.raises(ValueError, match=r"photo\.jpg' is not a picture in a known format"):
        load_image(tmp_path / "photo.jpg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "PPM", "TGA", "JPEG2000", "AVIF", "ICO"])
def test_what_cameras_and_programs_write_is_still_read(kind):
    Image.init()
    if kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    file = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), 128, np.uint8)).save(file, kind)
    np.testing.assert_allclose(load_image(file), 128 / 255, atol=0.02)


def test_broken_exif_is_a_damaged_file(monkeypatch, photo):
    def fail(*_):
        raise struct.error("unpack requires a buffer of 2 bytes")

    monkeypatch.setattr(ImageOps, "exif_transpose", fail)
    with pytest.raises(ValueError, match="truncated or damaged"):
        load_image(io.BytesIO(png_bytes(photo)))


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


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_the_umask_of_the_process_is_left_alone(tmp_path, monkeypatch):
    before = os.umask(0o027)
    try:
        # Another thread that makes a file at that moment would make it with the wrong mode.
        monkeypatch.setattr(os, "umask", lambda _: pytest.fail("the process's umask was changed"))
        with atomic_write(tmp_path / "a") as file:
            file.write(b"")
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    finally:
        monkeypatch.undo()
        os.umask(before)


@pytest.mark.parametrize("name", ["x" * 251 + ".png", "é" * 125 + "x.png"])
def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path, name, photo):
    assert len(os.fsencode(name)) == 255
    save_image(tmp_path / name, photo)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    with atomic_write(tmp_path / name):
        (leftover,) = tmp_path.glob(".*.part")
        (tmp_path / f"{leftover.name[:-6]}y.part").touch()  # what a run that was killed would leave
    assert remove_leftovers([tmp_path / name]) == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_metadata_is_kept_on_request(tmp_path, photo):
    save_image(tmp_path / "photo.png", photo, dpi=(300, 300), icc_profile=None)
    with Image.open(tmp_path / "photo.png") as file:
        assert round(file.info["dpi"][0]) == 300


# --- photographs: what survives from one file to the next ------------------------------------------------------------


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
    save_image(tmp_path / f"out{suffix}", ramp[0], icc_profile=photo.icc_profile, dpi=photo.dpi)
    info, exif = stored(tmp_path / f"out{suffix}")
    assert info["icc_profile"] == SRGB
    dpi = info.get("dpi") or (exif[0x011A], exif[0x011B])
    assert [round(float(value)) for value in dpi] == [300, 300]


def test_a_profile_that_is_wrong_for_the_pixels_is_dropped(tmp_path, ramp):
    assert read_photo(as_file(ramp[0], "PNG", icc_profile=LAB)).icc_profile is None
    save_image(tmp_path / "alpha.png", ramp[2], icc_profile=SRGB, dpi=(72, 72))
    info, _ = stored(tmp_path / "alpha.png")
    assert "icc_profile" not in info
    assert round(info["dpi"][0]) == 72


def test_orientation_is_resolved_and_not_handed_on(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = read_photo(as_file(np.zeros((20, 30, 3)), "JPEG", exif=exif))
    assert photo.image.shape == (30, 20, 3)
    save_image(tmp_path / "out.jpg", photo.image)
    assert 0x0112 not in stored(tmp_path / "out.jpg")[1]


def test_pictures_beyond_the_limit_are_refused_before_decoding():
    with pytest.raises(ValueError, match=r"1200 × 1000 = 1\.2 megapixels, more than the limit of 1\."):
        read_photo(as_file(np.zeros((1000, 1200, 3))), largest=1)


@pytest.mark.parametrize("dpi", [None, (0, 0), (1, 0)])
def test_senseless_resolutions_are_forgotten(dpi):
    options = {} if dpi is None else {"dpi": dpi}
    assert read_photo(as_file(np.zeros((4, 4, 3)), "JPEG", **options)).dpi in (None, (1.0, 1.0))


def png_of(rows: int, height: int, values: int, *, depth: int = 8) -> bytes:
    """A gray PNG file, ten pixels wide, that says it has more rows than it brings."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 10, height, depth, 0, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + bytes([values] * (10 * depth // 8)) for _ in range(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_with_fewer_rows_than_it_says_is_damaged(depth):
    assert load_image(io.BytesIO(png_of(40, 40, 0, depth=depth))).max() == 0
    assert load_image(io.BytesIO(png_of(40, 40, 255, depth=depth))).min() == 1
    with pytest.raises(ValueError, match="fewer rows than it says"):
        load_image(io.BytesIO(png_of(40, 4000, 255, depth=depth)))


def test_an_icon_is_not_shrunk_without_a_word(tmp_path):
    with pytest.raises(ValueError, match="256 × 256"):
        save_image(tmp_path / "large.ico", np.zeros((300, 200, 3)))
    save_image(tmp_path / "small.ico", np.zeros((32, 32, 3)))
