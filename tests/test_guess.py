"""The first guess: two looks, the trimap of what is sure, points and a box that correct it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

import mattingkit as mk
from mattingkit.photo import guess as module
from mattingkit.photo.guess import Guess, estimate_alpha_guessed, guess_trimap, trimap_of_guess
from mattingkit.trimap import BACKGROUND, FOREGROUND, UNKNOWN


def disc(shape, row, col, radius):
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    return np.hypot(rows - row, cols - col) < radius


#: Three red discs on green: what the network below takes for the subject.
DISCS = ((50, 40, 20), (50, 120, 20), (150, 150, 25))


@pytest.fixture
def scene():
    image = np.tile(np.array([0.1, 0.6, 0.2]), (200, 240, 1))
    for row, col, radius in DISCS:
        image[disc(image.shape, row, col, radius)] = (0.9, 0.2, 0.1)
    return image


@pytest.fixture
def network(monkeypatch):
    """A network that sees what is red, and notes the shape of each picture that it was shown."""
    looks = []
    run = mk.estimate_alpha

    def estimate(picture, *trimap, method, **options):
        if method != "u2net":
            return run(picture, *trimap, method=method, **options)
        looks.append(picture.shape[:2])
        return np.clip(2 * (picture[..., 0] - picture[..., 1]), 0.0, 1.0)

    monkeypatch.setattr(module, "estimate_alpha", estimate)
    return looks


@pytest.fixture
def portrait():
    return mk.samples.portrait()


# Looking twice -------------------------------------------------------------------------------------------------------


def test_the_second_look_is_at_the_subject_s_box_and_a_tenth_around_it(scene, network):
    guess_trimap(scene)
    # The discs reach from row 31 to 174 and from column 21 to 174: boxes of 144 and 154, each grown by a tenth.
    assert network == [(200, 240), (172, 184)]


def test_a_box_is_all_that_the_network_sees_and_all_that_can_be_subject(scene, network):
    guess = guess_trimap(scene, box=(20, 90, 100, 160))
    assert network[0] == (80, 70)
    assert guess.trimap[50, 120] == FOREGROUND
    assert (guess.trimap[:, :90] == BACKGROUND).all()
    assert guess.saliency[50, 40] == 0
    cut = guess_trimap(scene, box=(20, 110, 100, 160)).trimap  # through the middle of a disc
    assert (cut[:, :110] == BACKGROUND).all()
    assert cut[50, 112] == FOREGROUND


def test_looking_twice_beats_looking_once_at_a_small_subject():
    """A cat that takes a tenth of a picture is found more finely by the second look."""
    sample = mk.samples.cat()
    image = np.full((900, 1353, 3), 0.45) + np.random.default_rng(0).normal(0, 0.01, (900, 1353, 3))
    truth = np.zeros((900, 1353))
    image[400:700, 500:951], truth[400:700, 500:951] = sample.image, sample.matte
    image = np.clip(image, 0, 1)
    once = np.abs(mk.estimate_alpha(image, method="u2net") - truth).mean()
    twice = np.abs(guess_trimap(image).saliency - truth).mean()
    assert twice < 0.9 * once


def test_an_empty_first_look_is_said_to_be_empty():
    with pytest.raises(ValueError, match="found no subject"):
        guess_trimap(np.zeros((40, 50, 3)))


def test_a_guess_that_covers_all_is_said_to(monkeypatch):
    monkeypatch.setattr(module, "estimate_alpha", lambda *_, **__: np.ones((20, 20)))
    with pytest.raises(ValueError, match="took the whole picture for the subject"):
        guess_trimap(np.zeros((20, 20, 3)))


# The trimap ----------------------------------------------------------------------------------------------------------


def test_what_is_sure_withdraws_and_the_rest_is_unknown():
    saliency = np.zeros((60, 60))
    saliency[10:50, 10:50] = 1
    saliency[28:32, 28:32] = 0.5
    trimap = trimap_of_guess(saliency, 3)
    assert (trimap[30, [8, 12, 13, 40, 6]] == [UNKNOWN, UNKNOWN, FOREGROUND, FOREGROUND, BACKGROUND]).all()
    assert trimap[30, 30] == UNKNOWN
    assert trimap[26, 30] == UNKNOWN


def test_a_hesitant_guess_still_gives_a_trimap():
    trimap = trimap_of_guess(np.where(disc((60, 60), 30, 30, 15), 0.7, 0.2))
    assert trimap[30, 30] == FOREGROUND
    assert trimap[0, 0] == BACKGROUND


def test_a_thin_subject_keeps_a_core():
    saliency = np.zeros((400, 400))
    saliency[:, 199:202] = 1
    trimap = trimap_of_guess(saliency)
    assert (trimap == FOREGROUND).any()
    assert (trimap[:, 200] != BACKGROUND).all()


def test_a_hole_stays_unknown_or_background():
    saliency = np.where(disc((300, 300), 150, 150, 120), 1.0, 0.0)
    saliency[disc((300, 300), 150, 150, 40)] = 0
    trimap = trimap_of_guess(saliency)
    assert trimap[150, 150] == BACKGROUND
    assert trimap[150, 150 + 80] == FOREGROUND


def test_a_large_guess_gives_the_trimap_of_its_reduction():
    saliency = np.where(disc((300, 400), 150, 200, 90), 1.0, 0.0)
    small = trimap_of_guess(saliency, 6)
    large = trimap_of_guess(np.kron(saliency, np.ones((4, 4))), 24)
    assert large.shape == (1200, 1600)
    assert (large[2::4, 2::4] == small).mean() > 0.99


@pytest.mark.parametrize("erode", ["wide", -1])
def test_a_width_that_is_none_is_refused(erode):
    saliency = np.where(disc((60, 60), 30, 30, 15), 1.0, 0.0)
    with pytest.raises(ValueError, match="erode is 'auto' or a number of pixels"):
        trimap_of_guess(saliency, erode)


# Points --------------------------------------------------------------------------------------------------------------


def subject(guess):
    """Which of the three discs are certain subject."""
    return [guess.trimap[row, col] == FOREGROUND for row, col, _ in DISCS]


def test_parts_without_a_point_are_dropped(scene, network):
    assert subject(guess_trimap(scene)) == [True, True, True]
    guess = guess_trimap(scene, include=[(50, 120)])
    assert subject(guess) == [False, True, False]
    assert (guess.trimap[:, :60] == BACKGROUND).all()
    assert subject(guess_trimap(scene, include=[(50, 120), (155, 150)])) == [False, True, True]


def test_a_part_with_a_point_to_exclude_is_dropped(scene, network):
    assert subject(guess_trimap(scene, exclude=[(50, 40)])) == [False, True, True]
    assert subject(guess_trimap(scene, include=[(50, 120)], exclude=[(150, 150)])) == [False, True, False]


def test_a_point_on_the_background_changes_nothing_but_its_spot(scene, network):
    plain, told = guess_trimap(scene), guess_trimap(scene, exclude=[(100, 60)])
    assert told.trimap[100, 60] == BACKGROUND
    far = ~disc(scene.shape, 100, 60, 5)
    np.testing.assert_array_equal(plain.trimap[far], told.trimap[far])


def test_a_part_with_both_points_is_divided_by_colour(scene, network):
    scene[40:60, 40:120] = (0.8, 0.35, 0.6)  # a purple bar joins two discs
    guess = guess_trimap(scene, include=[(50, 120)], exclude=[(40, 35)])
    assert guess.trimap[62, 125] != BACKGROUND
    assert guess.trimap[40, 35] == BACKGROUND
    assert guess.saliency[disc(scene.shape, 40, 35, 6)].max() < 0.5


def test_a_point_where_nothing_was_seen_is_looked_at_from_close_by(scene, monkeypatch):
    """The network overlooks the third disc until a crop shows it large."""
    run, shown = mk.estimate_alpha, []

    def estimate(picture, *trimap, method, **options):
        if method != "u2net":
            return run(picture, *trimap, method=method, **options)
        shown.append(picture.shape[:2])
        seen = np.clip(2 * (picture[..., 0] - picture[..., 1]), 0.0, 1.0)
        if picture.shape[0] > 120:
            seen[picture.shape[0] // 2 :] = 0
        return seen

    monkeypatch.setattr(module, "estimate_alpha", estimate)
    assert subject(guess_trimap(scene)) == [True, True, False]
    guess = guess_trimap(scene, include=[(50, 40), (50, 120), (150, 150)])
    assert subject(guess) == [True, True, True]
    assert shown[-1] == (100, 120)


def test_a_point_where_nothing_is_ever_seen_is_marked_and_said_to_be(scene, network):
    with pytest.warns(UserWarning, match=r"sees nothing at \(110, 60\)"):
        guess = guess_trimap(scene, include=[(50, 120), (110, 60)])
    assert guess.trimap[110, 60] == FOREGROUND
    assert guess.trimap[110, 60 + 6] == UNKNOWN
    assert subject(guess) == [False, True, False]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"box": (0, 0, 300, 100)}, "lies within 200 × 240"),
        ({"box": (10, 10, 12, 100)}, "at least 3"),
        ({"box": (0, 0, 10.5, 100)}, "four whole numbers"),
        ({"box": (0, 0, 10)}, "four whole numbers"),
        ({"include": [(200, 10)]}, r"\(200, 10\) to include lies outside the picture"),
        ({"exclude": [(-3, 10)]}, "to exclude lies outside"),
        ({"include": [(1, 2, 3)]}, "list of points"),
        ({"include": (50, 40)}, "list of points"),
        ({"include": [(50, 40)], "exclude": [(50, 40)]}, "both to include and to exclude"),
        ({"include": [(50, 40)], "box": (100, 100, 200, 200)}, "outside the box"),
        ({"exclude": [(50, 40), (50, 120), (150, 150)]}, "found no subject"),
    ],
)
def test_wrong_corrections_are_refused(scene, network, options, words):
    with pytest.raises(ValueError, match=words):
        guess_trimap(scene, **options)


def test_points_on_a_photograph(portrait):
    person, flag = (300, 256), (60, 40)
    guess = guess_trimap(portrait.image, include=[person], exclude=[flag])
    assert isinstance(guess, Guess)
    assert guess.trimap[person] == FOREGROUND
    assert guess.trimap[flag] == BACKGROUND


def test_the_picture_is_not_written_to(scene, network):
    scene.setflags(write=False)
    guess_trimap(scene, include=[(50, 120)], exclude=[(100, 60)], box=(0, 0, 199, 239))


# From the guess to an alpha ------------------------------------------------------------------------------------------


def vague(scene):
    """A guess that knows where the scene's subject is, and none of its detail."""
    return Guess(ndimage.gaussian_filter(scene.alpha, 12), scene.trimap)


def test_known_pixels_stay_and_colours_from_afar_help():
    """In a wide unknown region with a piece of background that touches nothing known, closed form alone guesses."""
    scene = mk.samples.render("hair", (240, 320), seed=4, band="wide")
    guessed = estimate_alpha_guessed(scene.image, vague(scene))
    known = scene.trimap != UNKNOWN
    np.testing.assert_array_equal(guessed[known], scene.trimap[known])
    assert guessed.min() >= 0
    assert guessed.max() <= 1
    alone = mk.estimate_alpha(scene.image, scene.trimap)
    assert np.abs(guessed - scene.alpha).sum() < np.abs(alone - scene.alpha).sum()


def test_the_same_alpha_twice_and_progress_is_told():
    scene = mk.samples.render("fur", (120, 160), seed=1)
    seen = []
    first = estimate_alpha_guessed(scene.image, vague(scene), on_progress=seen.append)
    assert seen
    np.testing.assert_array_equal(first, estimate_alpha_guessed(scene.image, vague(scene)))


def test_colour_that_contradicts_the_network_is_trusted_less():
    """A green eye in a red face before green leaves: by colour alone it is a hole."""
    rows, cols = np.mgrid[:120, :160]
    face, eye = np.hypot(rows - 60, cols - 80) < 40, np.hypot(rows - 60, cols - 80) < 8
    image = np.where((face & ~eye)[..., np.newaxis], [0.8, 0.2, 0.2], [0.2, 0.7, 0.2])
    image += np.random.default_rng(0).normal(0, 0.02, image.shape)
    trimap = np.where(face, 1.0, 0.0)
    trimap[np.hypot(rows - 60, cols - 80) < 12] = 0.5

    def alpha(saliency):
        guess = Guess(np.where(trimap == 0.5, saliency, trimap), trimap)
        return estimate_alpha_guessed(np.clip(image, 0, 1), guess)[eye].mean()

    assert alpha(0.95) > alpha(0.1) + 0.3


def test_a_speck_that_a_reduced_picture_loses_is_solved_by_closed_form_alone(monkeypatch):
    monkeypatch.setattr(module, "_SAMPLED_CELLS", 4)
    image = np.random.default_rng(0).random((30, 30, 3))
    trimap = np.full((30, 30), UNKNOWN)
    trimap[3, 3], trimap[20, 20] = FOREGROUND, BACKGROUND
    np.testing.assert_array_equal(
        estimate_alpha_guessed(image, Guess(trimap, trimap)), mk.estimate_alpha(image, trimap)
    )


def test_auto_is_closed_form_for_a_trimap_or_parameters_of_one_s_own(portrait):
    image, trimap = portrait.image, portrait.trimap
    mine = mk.cutout(image, trimap=trimap)
    np.testing.assert_array_equal(mine.alpha, mk.estimate_alpha(image, trimap, method="closed_form"))
    told = mk.cutout(image, epsilon=1e-5)
    np.testing.assert_array_equal(told.alpha, mk.estimate_alpha(image, told.trimap, epsilon=1e-5))
    with pytest.raises(TypeError, match="has no parameter"):
        mk.cutout(image, epsilonn=1e-5)
