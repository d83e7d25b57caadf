"""Errors as RFC 9457 describes them: ``application/problem+json``, with the field at fault and the remedy."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

__all__ = ["Problem", "problem_of_validation"]


class Problem(HTTPException):
    """A request that cannot be met, and why.

    Parameters
    ----------
    status : int
        Of HTTP.
    detail : str
        What was got, what is wanted, and the remedy.
    field : str, optional
        The part of the request that it is about.
    headers : mapping, optional
        To send with it.

    Examples
    --------
    >>> Problem(422, "There is no method 'x'.", field="method").body()["title"]
    'Unprocessable Content'
    """

    def __init__(
        self, status: int, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, " ".join(detail.split()), dict(headers or {}))
        self.field = field

    def body(self) -> dict[str, Any]:
        """Return the problem as an object of JSON."""
        found = {"type": "about:blank", "title": _title(self.status_code), "status": self.status_code}
        return found | {"detail": self.detail} | ({"field": self.field} if self.field else {})

    def response(self) -> Response:
        """Return the problem as an answer."""
        return Response(
            json.dumps(self.body()), self.status_code, dict(self.headers or {}), media_type="application/problem+json"
        )


def _title(status: int) -> str:
    # The first two as RFC 9110 calls them; the third is what some servers log where the client has gone.
    phrase = {413: "Content Too Large", 422: "Unprocessable Content", 499: "Cancelled"}.get(status)
    return phrase or HTTPStatus(status).phrase


def problem_of_validation(errors: Iterable[Mapping[str, Any]]) -> Problem:
    """Turn what pydantic finds wrong into one problem that names every field.

    Examples
    --------
    >>> problem_of_validation([{"loc": ("body", "quality"), "msg": "Input should be a number"}]).detail
    'quality: Input should be a number.'
    """
    found = []
    for error in errors:
        # The first place says where in the request, which a reader of the message knows.
        place = ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path"))
        found.append((place, f"{place}: {str(error['msg']).rstrip('.')}." if place else f"{error['msg']}."))
    return Problem(422, " ".join(text for _, text in found), field=found[0][0] if found else None)
