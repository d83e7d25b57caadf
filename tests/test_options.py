"""A method's parameters on the command line, in today's spelling and in that of 0.1.0."""

from __future__ import annotations

import pytest
import typer

import mattingkit as mk
from mattingkit.cli.options import documented, method_in, parse_settings, parse_value, with_settings


def test_the_method_is_found_in_any_spelling_of_its_option():
    for line in (["-m", "rw"], ["--method", "rw"], ["--method=rw"], ["-mrw"], ["-m=rw"]):
        assert method_in(["cutout", *line]) == "rw"
    assert method_in(["cutout", "--", "-m", "rw"]) == "auto"


@pytest.mark.parametrize("name", mk.METHODS)
def test_every_parameter_that_a_shell_can_give_can_be_set_in_both_spellings(name):
    parameters = mk.METHODS[name].parameters
    for key, parameter in parameters.items():
        value = {"scale": "2", "weights": "own.pth", "size": "320", "device": "cpu"}.get(key, str(parameter.default))
        if key in ("prior", "prior_weight"):  # the second does nothing without the first
            with pytest.raises(typer.BadParameter, match=r"(takes|goes with prior,) an array"):
                parse_settings([f"{key}=1"], [name])
            continue
        read = parse_settings([f"{key}={value}"], [name])
        assert read == parse_settings([f"{name}.{key}={value}"], [name, "rw"])
        assert str(read[name][key]) == value
        if key != "weights":  # which had, and has, an option of its own
            flag = f"--{key.replace('_', '-')}"
            for old in ([flag, value], [f"{flag}={value}"]):
                line = ["batch", "in", "out", "-m", name]
                assert with_settings([*line, *old, "-q"]) == [*line, "--set", f"{key}={value}", "-q"]


def test_only_the_options_that_0_1_0_had_are_translated():
    for line in (
        ["compare", "--epsilon", "1"],
        ["cutout", "a.jpg", "--sigma", "1"],
        ["cutout", "a.jpg", "--", "--epsilon", "1"],
        ["cutout", "a.jpg", "-m", "nosuch", "--epsilon", "1"],
        ["cutout", "a.jpg", "-m", "u2net", "--weights", "own.pth"],
    ):
        assert with_settings(line) == line
    assert with_settings(["--traceback", "cutout", "a.jpg", "--epsilon"]) == [
        *["--traceback", "cutout", "a.jpg", "--set", "epsilon="]
    ]


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("epsilon", "", "epsilon takes a number; got ''"),
        ("radius", "1.5", "radius takes a whole number"),
        ("scale", "3", "scale is one of auto, 1, 2, 4, 8"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_with_what_can(key, text, words):
    with pytest.raises(typer.BadParameter, match=words):
        parse_value(mk.METHODS["closed_form"].parameters[key], text)


@pytest.mark.parametrize("name", mk.METHODS)
def test_every_parameter_has_a_sentence_in_its_docstring(name):
    said = documented(mk.METHODS[name].function)
    assert all(said.get(key) for key in mk.METHODS[name].parameters)
