"""The widgets as a whole: their names, what importing them costs, and their pictures for pages that run none."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mattingkit as mk


def test_naming_the_widgets_imports_no_ipywidgets() -> None:
    code = (
        "import sys, mattingkit as mk; mk.widgets; print('ipywidgets' in sys.modules, 'Scribbler' in dir(mk.widgets))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_every_public_name_is_there() -> None:
    for name in mk.widgets.__all__:
        assert getattr(mk.widgets, name).__doc__
    with pytest.raises(AttributeError, match="Scribler"):
        _ = mk.widgets.Scribler


def test_static_picture_goes_along(ramp: Any) -> None:
    image, trimap, truth = ramp
    shown = mk.widgets.AlphaComparison({"one": truth}, image=image, trimap=trimap)
    for widget in (mk.widgets.Scribbler(image, autosave=False, live=None), shown):
        bundle = widget._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        assert "application/vnd.jupyter.widget-view+json" in data
        picture = base64.b64decode(data["image/png"] if "image/png" in data else data["image/jpeg"])
        Image.open(io.BytesIO(picture)).verify()


@pytest.mark.parametrize("pixel", [(8, 0), (0, 12), (-1, 3)])
def test_a_picker_refuses_a_pixel_outside_its_picture(pixel: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="outside the picture"):
        mk.widgets.PixelPicker(np.zeros((8, 12, 3)), pixel=pixel)
    picker = mk.widgets.PixelPicker(np.zeros((8, 12, 3)), pixel=(7, 11))
    with pytest.raises(ValueError, match="outside the picture"):
        picker.pixel = pixel
    assert picker.pixel == (7, 11)


def test_a_static_picture_may_be_what_a_page_sent_back() -> None:
    from mattingkit.widgets.display import with_static

    for start, kind in ((b"\xff\xd8", "image/jpeg"), (b"\x89PNG", "image/png")):
        assert kind in with_static({"text/plain": ""}, memoryview(start), "")[0]  # type: ignore[arg-type]
