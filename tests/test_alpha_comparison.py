"""The interactive comparison without a browser: what it takes, sends and refuses."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from conftest import within
from PIL import Image

import mattingkit as mk


def test_comparison_takes_a_result(ramp: Any) -> None:
    image, trimap, truth = ramp
    result = mk.compare(image, trimap, ["closed_form"], ground_truth=truth)
    view = result.widget()
    assert [entry["title"] for entry in view.entries] == ["Closed form"]
    assert view.entries[0]["scores"]["SAD"] == pytest.approx(result["closed_form"].scores["SAD"])
    assert (view.reference, view.has_truth, view.has_trimap) == ("truth", True, True)
    sent = np.asarray(Image.open(io.BytesIO(view.alphas[0])))
    assert np.abs(sent / 255 - result["closed_form"].alpha).max() <= 0.5 / 255 + 1e-9


def test_comparison_shows_a_failure() -> None:
    entry = mk.compare.__globals__["Entry"]("rw", "Random walk", {}, True, None, 0.1, "ValueError: no")
    view = mk.widgets.AlphaComparison(mk.Result(np.zeros((4, 4, 3)), None, {"rw": entry}))
    assert view.entries[0]["error"] == "ValueError: no"


def test_comparison_estimates_colours_when_asked(ramp: Any) -> None:
    image, _, truth = ramp
    view = mk.widgets.AlphaComparison({"one": truth}, image=image)
    assert view.foregrounds == []
    view.view = "cutout"
    within(lambda: view.foregrounds, "colours arrive")
    Image.open(io.BytesIO(view.foregrounds[0])).verify()


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (({}, np.zeros((4, 4, 3))), ValueError, "nothing to compare"),
        (({"a": np.zeros((4, 4))}, None), TypeError, "picture"),
        (([np.zeros((4, 4))], np.zeros((4, 4, 3))), TypeError, "list"),
        (({"a": np.zeros((4, 5))}, np.zeros((4, 4, 3))), ValueError, r"alpha a must .*\(4, 5\)"),
        (({"image": np.zeros((4, 5))}, np.zeros((4, 4, 3))), ValueError, r"\(4, 5\)"),
    ],
)
def test_comparison_refuses(arguments: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        mk.widgets.AlphaComparison(*arguments)


def test_a_failing_action_is_shown_and_nothing_counts_as_used() -> None:
    view = mk.widgets.AlphaComparison({"half": np.full((4, 6), 0.5)}, image=np.zeros((4, 6, 3)))
    used: list[str] = []
    view.on_use(lambda name: used.append(name))  # type: ignore[arg-type, misc]
    view.chosen = "half"
    assert (view.chosen, used) == ("", [])
    assert "action(name, alpha) failed" in view.problem
    assert "takes 1 positional argument" in view.problem
