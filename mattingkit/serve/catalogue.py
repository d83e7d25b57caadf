"""The methods as the server offers them: what a worker reads from their signatures, and the types made of that.

A worker describes the registry in plain values (:func:`describe`), since reading signatures imports what the methods
need, and the process that talks to the network shall stay small. :class:`Catalogue` makes pydantic types of them, by
which requests are checked and the OpenAPI page is written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from mattingkit.errors import did_you_mean
from mattingkit.params import Choice, Parameter, Range
from mattingkit.serve.problems import Problem, problem_of_validation

__all__ = ["Catalogue", "describe"]

#: Parameters that no request may set: they choose the server's hardware, describe a file of one's own, or go with an
#: array.
_WITHHELD = {"device", "layout", "mean", "deviation", "prior", "prior_weight"}

_KINDS: dict[str, Any] = {"number": float, "integer": int, "boolean": bool, "string": str}


def describe() -> dict[str, Any]:
    """Describe every method in plain values: names, parameters, ranges; and the weights that are here.

    Examples
    --------
    >>> describe()["methods"]["closed_form"]["parameters"]["epsilon"]["high"]
    0.1
    """
    from mattingkit.methods import METHODS, WITH_WEIGHTS
    from mattingkit.methods.u2net.weights import WEIGHTS, weights_path
    from mattingkit.params import takes_trimap
    from mattingkit.photo.id_photo import ID_SIZES

    here = [name for name in WEIGHTS if weights_path(name).is_file()]
    methods = {
        name: {
            "title": method.title,
            "citation": method.citation,
            "needs_trimap": method.needs_trimap,
            "takes_trimap": takes_trimap(method.function),
            "parameters": {
                key: described
                for key, parameter in method.parameters.items()
                if (described := _plain(parameter, here)) is not None
            },
        }
        for name, method in (METHODS | WITH_WEIGHTS).items()
    }
    return {"methods": methods, "weights": here, "crops": list(ID_SIZES)}


def _plain(parameter: Parameter, weights: Sequence[str]) -> dict[str, Any] | None:
    """One parameter in plain values; None for what cannot be told in a request, or must not."""
    if parameter.name in _WITHHELD:
        return None
    found: dict[str, Any] = {"default": parameter.default}
    if parameter.name == "weights":
        # A path would be one on the server; names alone are taken.
        return found | {"choices": list(weights)}
    hint = get_args(parameter.type)[0] if get_origin(parameter.type) is Annotated else parameter.type
    kinds = set(get_args(hint)) or {hint}
    found["optional"] = NoneType in kinds
    if isinstance(parameter.domain, Choice):
        return found | {"choices": list(parameter.domain.options)}
    if get_origin(hint) is Literal:
        return found | {"choices": list(get_args(hint))}
    names = {float: "number", int: "integer", bool: "boolean", str: "string"}
    kind = next((names[each] for each in names if each in kinds), None)
    if kind is None:
        return None
    if isinstance(parameter.domain, Range):
        found |= {"low": parameter.domain.low, "high": parameter.domain.high, "log": parameter.domain.log}
    return found | {"type": kind}


class Catalogue:
    """What can be asked for, with the types that check it.

    Examples
    --------
    >>> Catalogue(describe()).check("closed_form", '{"epsilon": 1e-6}')
    {'epsilon': 1e-06}
    """

    def __init__(self, described: Mapping[str, Any]) -> None:
        self.methods: dict[str, dict[str, Any]] = described["methods"]
        self.weights: list[str] = described["weights"]
        self.crops: list[str] = described["crops"]
        self.types = {name: _type_of(name, method["parameters"]) for name, method in self.methods.items()}

    def method(self, name: str, field: str = "method") -> dict[str, Any]:
        """Look a method up; an unknown one is a problem that suggests the nearest."""
        found = self.methods.get("closed_form" if name == "auto" else name)
        if found is None:
            near = did_you_mean(name, self.methods)
            raise Problem(
                422, f"There is no method {name[:80]!r}{near} Known: auto, {', '.join(self.methods)}.", field=field
            )
        return found

    def check(self, name: str, text: str | None, field: str = "parameters") -> dict[str, Any]:
        """Read a method's parameters from JSON, and refuse what it does not take."""
        self.method(name)
        if not text:
            return {}
        try:
            given = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Problem(422, f"{field} is an object in JSON, such as {{}}: {error}", field=field) from None
        return self.check_object(name, given, field)

    def check_object(self, name: str, given: Any, field: str = "parameters") -> dict[str, Any]:
        """Check a method's parameters; only those given are returned."""
        kind = self.types["closed_form" if name == "auto" else name]
        if not isinstance(given, dict):
            raise Problem(422, f"{field} is an object of names and values; got {type(given).__name__}.", field=field)
        for key in given:
            if key not in kind.model_fields:
                near = did_you_mean(key[:80], kind.model_fields)
                known = ", ".join(kind.model_fields) or "none"
                raise Problem(422, f"{name} has no parameter {key[:80]!r}{near} It takes: {known}.", field=field)
        try:
            return kind.model_validate(given).model_dump(exclude_unset=True)
        except ValidationError as failure:
            errors = failure.errors(include_url=False, include_context=False, include_input=False)
            raise problem_of_validation([{**each, "loc": (field, *each["loc"])} for each in errors]) from None


def _type_of(name: str, parameters: Mapping[str, Mapping[str, Any]]) -> type[BaseModel]:
    """The pydantic type of a method's parameters."""
    fields: dict[str, Any] = {}
    for key, one in parameters.items():
        if "choices" in one:
            hint: Any = Literal[tuple(one["choices"])]
        else:
            hint = Annotated[_KINDS[one["type"]], Field(ge=one.get("low"), le=one.get("high"))]
        if one.get("optional") or one["default"] is None:
            hint = hint | None
        fields[key] = (hint, one["default"])
    title = "".join(word.capitalize() for word in name.split("_")) + "Parameters"
    config = ConfigDict(extra="forbid", allow_inf_nan=False, title=title)
    return create_model(title, __config__=config, **fields)
