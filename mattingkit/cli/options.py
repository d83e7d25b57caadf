"""Options generated from a method's signature.

``Annotated[float, Range(1e-9, 1e-1, log=True)] = 1e-7`` becomes ``--epsilon FLOAT`` with that default and range in its
help. The signature stays the one home of a parameter, and a method added to the registry has its options at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import Parameter as Argument
from inspect import Signature, getdoc, signature
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from mattingkit.params import Choice, Parameter, Range

__all__ = ["describe_domain", "method_in", "parse_value", "with_method_options"]


def method_in(arguments: list[str], default: str = "closed_form") -> str:
    """Find ``--method NAME`` in a command line before it is parsed.

    Examples
    --------
    >>> method_in(["cutout", "photo.jpg", "--method", "bayesian"]), method_in(["-m=knn"]), method_in([])
    ('bayesian', 'knn', 'closed_form')
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


def scalar_type(parameter: Parameter) -> type | None:
    """The type of number or word a shell can give for a parameter; None for arrays and other objects.

    Examples
    --------
    >>> scalar_type(Parameter("epsilon", float, 1e-7, None))
    <class 'float'>
    >>> scalar_type(Parameter("scale", Literal["auto", 1, 2], "auto", None))
    <class 'str'>
    """
    hint = parameter.type
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    if parameter.domain is not None and isinstance(parameter.domain, Choice):
        return str
    if hint in (bool, int, float, str):
        return hint  # type: ignore[no-any-return]
    if get_origin(hint) is Literal:
        return str
    options = {option for option in get_args(hint) if option is not NoneType}
    if options and options <= {int, float}:
        return float if float in options else int
    if len(options) == 1 and options <= {bool, int, float, str}:
        return next(iter(options))  # type: ignore[no-any-return]
    # A path or a word, or a word or a number, is typed as a word; arrays cannot be typed at all.
    words = {option for option in options if option is str or get_origin(option) is Literal}
    return str if words and not any("Array" in str(option) or "array" in str(option) for option in options) else None


def _options(parameter: Parameter) -> tuple[Any, ...]:
    """The values a parameter is limited to; empty where it is not."""
    if isinstance(parameter.domain, Choice):
        return parameter.domain.options
    hint = get_args(parameter.type)[0] if get_origin(parameter.type) is Annotated else parameter.type
    return get_args(hint) if get_origin(hint) is Literal else ()


def parse_value(parameter: Parameter, text: str) -> Any:
    """Read a parameter's value as typed in a shell.

    Raises
    ------
    typer.BadParameter
        For what cannot be read, with what can.

    Examples
    --------
    >>> parse_value(Parameter("scale", str, "auto", Choice("auto", 1, 2)), "2")
    2
    >>> parse_value(Parameter("epsilon", float, 1e-7, None), "1e-6")
    1e-06
    """
    kind, options = scalar_type(parameter), _options(parameter)
    if options:
        for option in options:
            if str(option) == text:
                return option
        raise typer.BadParameter(f"{parameter.name} is one of {', '.join(map(str, options))}; got {text!r}.")
    try:
        if kind is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        if kind is None:
            raise typer.BadParameter(f"{parameter.name} takes an array, which a shell cannot give; use Python.")
        return _number(text) if kind is str and _takes_number(parameter) else kind(text)
    except (ValueError, KeyError):
        wanted = {int: "a whole number", float: "a number", bool: "true or false"}.get(kind or str, "a word")
        raise typer.BadParameter(f"{parameter.name} takes {wanted}; got {text!r}.") from None


def _takes_number(parameter: Parameter) -> bool:
    return bool({int, float} & set(get_args(parameter.type)))


def _number(text: str) -> Any:
    """A number where the text is one, the text itself otherwise: for ``int | Literal["auto"]``."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def describe_domain(parameter: Parameter) -> str:
    """Say in a few words what values a parameter takes.

    Examples
    --------
    >>> describe_domain(Parameter("epsilon", float, 1e-7, Range(1e-9, 0.1, log=True)))
    '1e-09 to 0.1, logarithmic'
    >>> describe_domain(Parameter("scale", str, "auto", Choice("auto", 1, 2)))
    'auto, 1, 2'
    """
    options = _options(parameter)
    if options:
        return ", ".join(map(str, options))
    if isinstance(parameter.domain, Range):
        return f"{parameter.domain.low:g} to {parameter.domain.high:g}" + (
            ", logarithmic" if parameter.domain.log else ""
        )
    kind = scalar_type(parameter)
    return {bool: "true or false", int: "whole number", float: "number", str: "text"}.get(kind or NoneType, "array")


def _documented(function: Callable[..., Any]) -> dict[str, str]:
    """The first sentence a numpydoc docstring says of each parameter."""
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


def with_method_options(command: Callable[..., Any], method: str) -> Callable[..., Any]:
    """Give a command the options of one method.

    Parameters
    ----------
    command : callable
        A typer command whose keyword ``parameters`` receives those that were given.
    method : str
        A name in :data:`mattingkit.METHODS`, or "" for none. For an unknown one the command keeps its own options,
        and fails with the proper message when it runs.

    Returns
    -------
    callable
        With a signature that typer reads.

    Examples
    --------
    >>> def command(*, parameters): ...
    >>> "epsilon" in signature(with_method_options(command, "closed_form")).parameters
    True
    """
    own = [argument for name, argument in signature(command).parameters.items() if name != "parameters"]
    hints = get_type_hints(command, include_extras=True)
    own = [argument.replace(annotation=hints.get(argument.name, argument.annotation)) for argument in own]
    taken = {argument.name for argument in own}
    found: dict[str, Parameter] = {}
    prose: dict[str, str] = {}
    if method:
        from mattingkit.methods import METHODS

        known = METHODS.get(method)
        prose = {} if known is None else _documented(known.function)
        found = {
            name: parameter
            for name, parameter in ({} if known is None else known.parameters).items()
            if name not in taken and scalar_type(parameter) is not None
        }
    generated = [
        Argument(
            name,
            Argument.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[_given_type(parameter) | None, _option(method, parameter, prose.get(name, ""))],
        )
        for name, parameter in found.items()
    ]

    def run(**values: Any) -> Any:
        given = {name: values.pop(name) for name in found}
        parameters = {
            name: value if isinstance(value, bool) else parse_value(found[name], str(value))
            for name, value in given.items()
            if value is not None
        }
        return command(**values, parameters=parameters)

    run.__doc__ = command.__doc__
    run.__name__ = command.__name__
    run.__signature__ = Signature(  # type: ignore[attr-defined]
        [argument.replace(kind=Argument.KEYWORD_ONLY) for argument in own] + generated
    )
    run.__annotations__ = {argument.name: argument.annotation for argument in [*own, *generated]}
    return run


def _given_type(parameter: Parameter) -> type:
    return scalar_type(parameter) or str


def _option(method: str, parameter: Parameter, prose: str) -> Any:
    """The typer option of one parameter."""
    kind = scalar_type(parameter)
    flag = parameter.name.replace("_", "-")
    domain = "" if kind is bool else describe_domain(parameter)
    # Several signatures default to None for "choose by the picture"; the docstring says what that means.
    default = f"default: {parameter.default}" if parameter.default is not None else ""
    details = "; ".join(part for part in (domain, default) if part)
    text = f"{method}: {prose}" if prose else f"{method}'s {parameter.name}."
    return typer.Option(
        f"--{flag}/--no-{flag}" if kind is bool else f"--{flag}",
        help=f"{text}  [{details}]" if details else text,
        metavar=None if kind is bool else {int: "INTEGER", float: "NUMBER"}.get(kind or str, "TEXT"),
        show_default=False,
    )
