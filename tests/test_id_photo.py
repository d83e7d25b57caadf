"""ID photographs: where the head is, and the crops that the standards ask for."""

from __future__ import annotations

import numpy as np
import pytest

from mattingkit import samples
from mattingkit.photo.edges import adjust_edge
from mattingkit.photo.id_photo import ID_SIZES, Box, crop_box, crop_id_photo, find_head, id_box
from mattingkit.photo.print_sheet import DPI, PAPERS, print_sheet


@pytest.fixture(scope="module")
def portrait():
    return samples.portrait()


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
    # Whoever insists gets a face that fills the photo down to its lower edge.
    photo = crop_id_photo(np.full((158, 240, 3), 0.5), alpha[:158], "35x45mm", strict=False)
    assert photo[-1, :, 3].max() > 0.5
    assert photo[round(0.15 * len(photo)), :, 3].max() > 0.9
    # Where the picture cuts the crown as well, no strip of background lies above the cut.
    assert id_box(alpha[80:158], "35x45mm", strict=False)[::2] == (0, 78)
    # A side of the picture cuts the head: its middle lies as far from its other side as heads are wide.
    cut = np.arange(400) < np.linspace(300, 200, 230)[:, np.newaxis]
    for mask, middle in ((cut, 150), (cut[:, ::-1], 250)):
        box = id_box(mask, "35x45mm", strict=False)
        assert box.left + box.width / 2 == pytest.approx(middle, abs=1)
    with pytest.raises(ValueError, match="no ID photo size 'a4'"):
        id_box(alpha, "a4")


def test_a_crop_is_exact_where_it_only_shifts():
    picture = np.random.default_rng(1).random((20, 30, 3))
    np.testing.assert_allclose(crop_box(picture, Box(4, 7, 10, 12), (10, 12)), picture[4:14, 7:19], atol=1e-6)
    # Enlarged to the picture's own border, the last row is as opaque as the one above it.
    enlarged = crop_box(np.ones((40, 40, 1)), Box(20, 10, 20, 20), (90, 90), extend=False)
    np.testing.assert_allclose(enlarged, 1, atol=1e-6)
    beyond = crop_box(picture, Box(-5, 25, 10, 10), (10, 10), extend=False)
    np.testing.assert_allclose(beyond[5:, :5], picture[:5, 25:], atol=1e-6)
    assert np.abs(beyond[:5]).max() < 1e-6


def test_cropping_keeps_the_subject_s_colours_to_its_edge():
    alpha, *_ = figure()
    foreground = np.where(alpha[..., np.newaxis] > 0, [0.8, 0.4, 0.2], [0.0, 0.0, 1.0])
    rgba = crop_id_photo(foreground, alpha, "one-inch")
    visible = rgba[..., 3] > 0.02
    assert np.abs(rgba[visible][:, :3] - [0.8, 0.4, 0.2]).max() < 0.02


@pytest.mark.parametrize(
    ("size", "paper", "copies"), [("35x45mm", "10x15cm", 8), ("2x2in", "10x15cm", 2), ("one-inch", "a4", 64)]
)
def test_a_sheet_holds_as_many_copies_as_fit_and_marks_where_to_cut(size: str, paper: str, copies: int) -> None:
    standard = ID_SIZES[size]
    photo = np.random.default_rng(3).uniform(0.6, 0.9, (standard.height, standard.width, 3))
    sheet = print_sheet(photo, paper)
    millimetres = sorted(round(side / DPI * 25.4) for side in sheet.shape[:2])
    assert millimetres == sorted((PAPERS[paper].width, PAPERS[paper].height))
    # Each copy is the photo itself, pixel by pixel.
    corners = np.argwhere((sheet == photo[0, 0]).all(axis=2))
    assert len(corners) == copies
    for top, left in corners:
        assert np.array_equal(sheet[top : top + standard.height, left : left + standard.width], photo)
    # In the margins, a mark on either side of every edge of a photo, and nothing else.
    gray = (sheet == 0.55).all(axis=2)
    top, left = corners.min(axis=0)
    bottom, right = corners.max(axis=0) + np.array([standard.height, standard.width])
    assert not gray[top:bottom, left:right].any()
    edges = sorted({row for start in {c[0] for c in corners} for row in (start, start + standard.height - 1)})
    for margin in (gray[:, :left], gray[:, right:]):
        assert np.flatnonzero(margin.any(axis=1)).tolist() == edges
    rest = (sheet == 1).all(axis=2) | gray
    rest[top:bottom, left:right] = True
    assert rest.all()


def test_a_sheet_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="does not fit on 10 × 15 cm"):
        print_sheet(np.zeros((1300, 1300, 3)))
    with pytest.raises(ValueError, match="known: 10x15cm, a4"):
        print_sheet(np.zeros((10, 10, 3)), "letter")


def test_edges_keep_what_is_certain_and_move_the_rest() -> None:
    alpha = np.tile(np.linspace(0, 1, 21), (5, 1))
    for shift in (-0.4, 0.0, 0.4):
        moved = adjust_edge(alpha, shift)
        assert moved[0, 0] == 0
        assert moved[0, -1] == 1
        assert (np.diff(moved) >= 0).all()
        assert np.sign(moved.sum() - alpha.sum()) == np.sign(shift)
    soft = adjust_edge((alpha > 0.5).astype(float), feather=2)
    assert soft.min() >= 0
    assert 0.2 < soft[2, 9] < 0.8
    assert adjust_edge(alpha) is alpha
    with pytest.raises(ValueError, match="between -1 and 1"):
        adjust_edge(alpha, 1)
    with pytest.raises(ValueError, match="pixels from 0 on"):
        adjust_edge(alpha, feather=-1)
