"""Files in, files out: what must not be replaced, and what must not be lost."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mattingkit.files import png_bytes, refuse_existing

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
