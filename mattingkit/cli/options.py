"""A method's parameters on the command line: ``--set epsilon=1e-6``.

Names, types, defaults and ranges come from the method's signature, so a method that is added to the registry can be
set at once. Where several methods run, each setting names its own: ``--set closed_form.epsilon=1e-6``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from inspect import getdoc
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from typer import Option

from mattingkit.cli.console import refusing
from mattingkit.params import Choice, Parameter, Range


def known_methods(incomplete: str) -> list[str]:
    """Complete the last of several comma-separated method names."""
    from mattingkit.methods import METHODS

    done, _, begun = incomplete.rpartition(",")
    return [f"{done},{name}" if done else name for name in METHODS if name.startswith(begun)]


def _known_settings(context: typer.Context, incomplete: str) -> list[str]:
    """Complete ``NAME=`` for the one method of the line, ``METHOD.NAME=`` where there are several."""
    from mattingkit.methods import METHODS

    method = METHODS.get(context.params.get("method") or "")
    every = [f"{name}.{key}=" for name, each in METHODS.items() for key in each.parameters]
    known = every if method is None else [f"{key}=" for key in method.parameters]
    return [text for text in known if text.startswith(incomplete)]


SetOption = Annotated[
    list[str] | None,
    Option(
        "--set",
        metavar="[METHOD.]NAME=VALUE",
        help="A method's parameter, as in --set epsilon=1e-6; may be repeated. See: mattingkit methods NAME",
        autocompletion=_known_settings,
    ),
]


def parse_settings(settings: Sequence[str] | None, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read settings, ``NAME=VALUE`` or ``METHOD.NAME=VALUE``, into parameters by method.

    ``names`` are the methods that run; where there is one, settings need not name it. What is no setting, or not one of
    these methods', is refused with what is.

    Examples
    --------
    >>> parse_settings(["epsilon=1e-6", "closed_form.radius=2"], ["closed_form"])
    {'closed_form': {'epsilon': 1e-06, 'radius': 2}}
    """
    from mattingkit.methods import find_method
    from mattingkit.params import check_parameters

    found: dict[str, dict[str, Any]] = {}
    for text in settings or ():
        key, equals, value = text.partition("=")
        method, dot, name = key.rpartition(".")
        if not equals or not (dot or len(names) == 1):
            wanted = "NAME=VALUE, such as epsilon=1e-6" if len(names) == 1 else "METHOD.NAME=VALUE"
            raise typer.BadParameter(f"--set takes {wanted}; got {text!r}.")
        method = method or names[0]
        with refusing():
            parameters = find_method(method).parameters
            if method not in names:
                raise ValueError(f"--set names {method!r}, which does not run here; {', '.join(names)} does.")
            read = parse_value(parameters[name], value) if name in parameters else value
            check_parameters(method, find_method(method).function, {name: read})
            if name not in parameters:
                raise ValueError(f"{name} cannot be set from a shell.")
            array = name.removesuffix("_weight")
            if array != name and array in parameters and not _kinds(parameters[array]):
                raise ValueError(f"{name} goes with {array}, an array, which a shell cannot give; use Python.")
            found.setdefault(method, {})[name] = read
    return found


def with_settings(words: Sequence[str]) -> list[str]:
    """Write the method options of 0.1.0 as settings.

    In 0.1.0 ``cutout`` and ``batch`` had an option for each parameter of their method, and lines that use them go on
    working.

    Examples
    --------
    >>> with_settings(["cutout", "photo.jpg", "-m", "bayesian", "--sigma-C", "0.02", "--radius=9"])
    ['cutout', 'photo.jpg', '-m', 'bayesian', '--set', 'sigma_C=0.02', '--set', 'radius=9']
    """
    words = list(words)
    if not {"cutout", "batch"} & set(words[:2]):
        return words
    from mattingkit.methods import METHODS, resolve_auto

    method = METHODS.get(resolve_auto(method_in(words)))
    # The weights have an option of their own, whatever the method.
    flags = {f"--{name.replace('_', '-')}": name for name in (method.parameters if method else ()) if name != "weights"}
    written: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*written, word, *rest]
        flag, equals, value = word.partition("=")
        if flag in flags:
            written += ["--set", f"{flags[flag]}={value if equals else next(rest, '')}"]
        else:
            written.append(word)
    return written


def method_in(arguments: list[str], default: str = "auto") -> str:
    """Find ``--method NAME`` in a command line before it is parsed.

    Examples
    --------
    >>> method_in(["cutout", "photo.jpg", "--method", "bayesian"]), method_in(["-m=knn"]), method_in([])
    ('bayesian', 'knn', 'auto')
    """
    for i, word in enumerate(arguments):
        if word == "--":
            break
        flag, equals, value = word.partition("=")
        if flag in ("--method", "-m"):
            if equals:
                return value
            if i + 1 < len(arguments):
                return arguments[i + 1]
        elif re.fullmatch(r"-m\w+", word):
            return word[2:]
    return default


def _kinds(parameter: Parameter) -> list[type]:
    """The kinds of number or word that a shell can give for a parameter, the strictest first; none for an array."""
    hint = get_args(parameter.type)[0] if get_origin(parameter.type) is Annotated else parameter.type
    members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if any("array" in str(member).lower() for member in members):
        return []
    # A word from a list is typed as any other word.
    named = {str if get_origin(member) is Literal else member for member in members}
    return [kind for kind in _READ if kind in named]


def _truth(text: str) -> bool:
    return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]


#: How a text is read as each kind of value, and what that is called.
_READ: dict[type, tuple[Callable[[str], Any], str, str]] = {
    bool: (_truth, "true or false", "true or false"),
    int: (int, "a whole number", "whole number"),
    float: (float, "a number", "number"),
    str: (str, "a word", "text"),
}


def _options(parameter: Parameter) -> tuple[Any, ...]:
    """The values a parameter is limited to; empty where it is not."""
    if isinstance(parameter.domain, Choice):
        return parameter.domain.options
    return get_args(parameter.type) if get_origin(parameter.type) is Literal else ()


def parse_value(parameter: Parameter, text: str) -> Any:
    """Read a parameter's value as typed in a shell; what cannot be read is refused with what can.

    Examples
    --------
    >>> parse_value(Parameter("scale", str, "auto", Choice("auto", 1, 2)), "2")
    2
    >>> parse_value(Parameter("epsilon", float, 1e-7, None), "1e-6")
    1e-06
    """
    kinds, options = _kinds(parameter), _options(parameter)
    if options:
        for option in options:
            if str(option) == text:
                return option
        raise typer.BadParameter(f"{parameter.name} is one of {', '.join(map(str, options))}; got {text!r}.")
    if not kinds:
        raise typer.BadParameter(f"{parameter.name} takes an array, which a shell cannot give; use Python.")
    for kind in kinds:
        with suppress(ValueError, KeyError):
            return _READ[kind][0](text)
    raise typer.BadParameter(f"{parameter.name} takes {_READ[kinds[-1]][1]}; got {text!r}.")


def describe_domain(parameter: Parameter) -> str:
    """Say in a few words what values a parameter takes.

    Examples
    --------
    >>> describe_domain(Parameter("epsilon", float, 1e-7, Range(1e-9, 0.1, log=True)))
    '1e-09 to 0.1, logarithmic'
    >>> describe_domain(Parameter("scale", str, "auto", Choice("auto", 1, 2)))
    'auto, 1, 2'
    """
    if options := _options(parameter):
        return ", ".join(map(str, options))
    if isinstance(parameter.domain, Range):
        spread = f"{parameter.domain.low:g} to {parameter.domain.high:g}"
        return f"{spread}, logarithmic" if parameter.domain.log else spread
    kinds = _kinds(parameter)
    return _READ[kinds[-1]][2] if kinds else "array"


def documented(function: Callable[..., Any]) -> dict[str, str]:
    """Return the first sentence that a numpydoc docstring says of each parameter."""
    text = getdoc(function) or ""
    body = text.partition("Parameters\n----------\n")[2].split("\n\n")[0]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in body.splitlines():
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
        elif names:
            for name in names:
                found[name] = f"{found.get(name, '')} {line.strip()}".strip()
    return {name: re.split(r"(?<=[.;])\s", prose)[0].rstrip(".;") for name, prose in found.items()}
