"""The routes of the server: what may be asked, checked by types, and handed to the worker processes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any, Literal, NoReturn
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, File, Form, Header, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from mattingkit.serve import rembg
from mattingkit.serve.catalogue import Catalogue
from mattingkit.serve.fetching import fetch
from mattingkit.serve.guard import COOKIE, Guard, House, Place
from mattingkit.serve.jobs import Jobs, outcome
from mattingkit.serve.metrics import Metrics
from mattingkit.serve.page import page
from mattingkit.serve.pool import Done, Pool, Task
from mattingkit.serve.problems import Problem, problem_of_validation
from mattingkit.serve.process import private_megabytes
from mattingkit.serve.settings import Settings
from mattingkit.version import __version__

__all__ = ["Server", "create_app"]

#: Seconds between two clearings of jobs that nobody has collected.
_SWEEP = 10.0


def create_app(settings: Settings | None = None, *, studio: str | None = None) -> FastAPI:
    """Make the ASGI application.

    Parameters
    ----------
    settings : Settings, optional
        The bounds; by default those of a server that is reached from this machine alone.
    studio : str, optional
        Address of the page without code, to which ``/`` then leads.

    Returns
    -------
    fastapi.FastAPI
        Its worker processes start and end with it (ASGI's lifespan).

    Examples
    --------
    >>> [route for route in create_app().openapi()["paths"] if "job" not in route][:3]
    ['/api/remove', '/v1/cutout', '/v1/alpha']
    """
    return Server(settings or Settings(), studio).app


class Server:
    """One server: its application, its workers, its jobs."""

    def __init__(self, settings: Settings, studio: str | None = None) -> None:
        self.settings, self.studio = settings, studio
        self.metrics = Metrics()
        self.house = House(settings.capacity)
        self.pool = Pool(settings, lambda reason: self.metrics.replaced.labels(reason).inc())
        self.jobs = Jobs(settings)
        self.described: Catalogue | None = None
        self.app = FastAPI(
            title="mattingkit",
            version=__version__,
            summary="Cut-outs and alpha mattes of photographs.",
            docs_url=None,
            redoc_url=None,
            lifespan=self._life,
        )
        self.app.state.server = self
        self.app.include_router(_router())
        self.app.add_exception_handler(HTTPException, _answer_problem)
        self.app.add_exception_handler(RequestValidationError, _answer_invalid)
        self.app.add_exception_handler(Exception, _answer_fault)
        self.app.add_middleware(
            Guard, settings=settings, house=self.house, metrics=self.metrics, wait_seconds=self.pool.wait_seconds
        )
        self.app.openapi = self._openapi  # type: ignore[method-assign]

    @asynccontextmanager
    async def _life(self, app: FastAPI) -> AsyncIterator[None]:
        self.pool.start()
        chores = [asyncio.create_task(self._learn()), asyncio.create_task(self._sweep())]
        try:
            yield
        finally:
            for chore in chores:
                chore.cancel()
            await asyncio.to_thread(self.pool.close)

    async def _learn(self) -> None:
        """Ask a worker what there is, once."""
        task = Task("describe", {}, {})
        self.pool.submit(task)
        self.described = Catalogue(json.loads((await asyncio.wrap_future(task.future)).body))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            self.jobs.sweep()

    @property
    def catalogue(self) -> Catalogue:
        """What can be asked for."""
        if self.described is None:
            raise Problem(503, "The server is starting; ask again in some seconds.", headers={"Retry-After": "5"})
        return self.described

    def _openapi(self) -> dict[str, Any]:
        """The description of the routes, with the types of every method's parameters once they are known."""
        schema = FastAPI.openapi(self.app)
        if self.described is not None:
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            for kind in self.described.types.values():
                schemas[kind.__name__] = kind.model_json_schema(ref_template="#/components/schemas/{model}")
        return schema

    async def work(self, request: Request, task: Task, prefer: str | None) -> Response:
        """Have a task done: answer with what comes of it, or with a job where the client prefers not to wait."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        place: Place = request.state.place
        place.kept = True

        def on_end(_: Any) -> None:
            with suppress(RuntimeError):  # the loop has ended, and the house with it
                loop.call_soon_threadsafe(ended.set)
                loop.call_soon_threadsafe(place.leave)

        task.future.add_done_callback(on_end)
        self.pool.submit(task)
        if prefer is not None and "respond-async" in prefer:
            job = self.jobs.add(task)
            found = re.search(r"wait=(\d{1,4})", prefer)
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), float(found.group(1)) if found else 0.0)
            if not ended.is_set():
                where = f"/v1/jobs/{job.name}"
                headers = {"Location": where, "Preference-Applied": "respond-async", "Retry-After": "1"}
                return JSONResponse(job.told(), 202, headers)
            self.jobs.drop(job.name)
            return _response(outcome(task))
        gone = asyncio.create_task(_gone(request))
        waiting = asyncio.create_task(ended.wait())
        try:
            await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.is_set():
                raise Problem(499, "The client has gone.")
        finally:
            gone.cancel()
            waiting.cancel()
            task.cancel()  # changes nothing where it has ended
        return _response(outcome(task))


async def _gone(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _response(done: Done) -> Response:
    headers = {}
    if timing := done.notes.get("timing"):
        headers["Server-Timing"] = ", ".join(f"{stage};dur={milliseconds}" for stage, milliseconds in timing.items())
    if done.warnings:  # in JSON, which is ASCII whatever the warnings say
        headers["X-Warnings"] = json.dumps(done.warnings)[:4000]
    return Response(done.body, media_type=done.media_type, headers=headers)


# Reading requests -----------------------------------------------------------------------------------------------------


class _Parser(MultiPartParser):
    """Keeps every part in memory; the guard has bounded the whole."""

    spool_max_size = 1 << 40


class _Request(Request):
    """A request whose form never touches the disk."""

    async def _read_form(self) -> FormData:
        if self._form is None:
            if not self.headers.get("content-type", "").lower().startswith("multipart/form-data"):
                raise Problem(415, "Send multipart/form-data, as curl -F and HTML forms do.")
            try:
                self._form = await _Parser(self.headers, self.stream(), max_files=8, max_fields=96).parse()
            except MultiPartException as failure:
                raise Problem(400, f"The form cannot be read: {failure.message}") from None
        return self._form

    def form(self, **_: Any) -> Any:
        return self._read_form()


class _Route(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(_Request(request.scope, request.receive))

        return handle


_ANY = "application/octet-stream"


async def _picture(part: UploadFile, field: str) -> bytes:
    """The bytes of a part that says it is a picture, or says nothing."""
    return await _content(part, field, ("image/", _ANY), "a picture")


async def _content(part: UploadFile, field: str, kinds: tuple[str, ...], what: str) -> bytes:
    kind = (part.content_type or _ANY).lower()
    if not kind.startswith(kinds):
        raise Problem(415, f"{field} is {what}; the request says it is {kind[:80]!r}.", field=field)
    content = await part.read()
    if not content:
        raise Problem(422, f"{field} is empty; send {what}.", field=field)
    return content


def _server(request: Request) -> Server:
    found: Server = request.app.state.server
    return found


ServerDependency = Annotated[Server, Depends(_server)]
Picture = Annotated[UploadFile, File(description="The photograph: JPEG, PNG, WebP, TIFF, … within the size limits.")]
Trimap = Annotated[
    UploadFile | None,
    File(
        description="Its trimap, of the same size: black background, white subject, gray unknown. Else it is guessed."
    ),
]
Strokes = Annotated[
    UploadFile | None,
    File(description="Strokes in JSON, as the pad saves them, drawn over the trimap if one is given."),
]
MethodName = Annotated[str, Form(description="auto, or a name that GET /v1/methods lists.", examples=["closed_form"])]
Parameters = Annotated[
    str | None,
    Form(
        description="The method's parameters, an object in JSON; see GET /v1/methods.", examples=['{"epsilon": 1e-6}']
    ),
]
Weights = Annotated[str, Form(description="Of the network that guesses the subject; see GET /v1/methods.")]
Erode = Annotated[
    int | None, Form(ge=0, le=1000, description="Pixels by which what the guess is sure of withdraws; else by itself.")
]
Box = Annotated[
    str | None,
    Form(
        description="For the guess: the subject lies within TOP,LEFT,BOTTOM,RIGHT, in pixels.",
        examples=["10,20,80,110"],
    ),
]
Include = Annotated[
    list[str] | None,
    Form(description="For the guess: a point on the subject, ROW,COL in pixels; may be repeated.", examples=["50,60"]),
]
Exclude = Annotated[
    list[str] | None,
    Form(description="For the guess: a point beside the subject; may be repeated.", examples=["8,8"]),
]
Prefer = Annotated[
    str | None,
    Header(
        description="respond-async answers 202 with a job at once, 'respond-async, wait=10' after ten seconds.",
        examples=["respond-async"],
    ),
]
_PICTURE_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "description": "The picture."},
    202: {"description": "A job, where the client prefers not to wait.", "content": {"application/json": {}}},
    **{
        status: {"description": text, "content": {"application/problem+json": {}}}
        for status, text in {
            401: "The token is missing or wrong.",
            413: "Too large, or more memory than one request may take.",
            415: "Not the kind of content that is wanted.",
            422: "A field is wrong; the answer names it, and the remedy.",
            429: "All workers are busy; Retry-After says when to ask again.",
            504: "More seconds than one request may take.",
        }.items()
    },
}


def _curl(*commands: str) -> dict[str, Any]:
    """Examples for the description of a route; the tests run them."""
    return {"x-codeSamples": [{"lang": "Shell", "source": f"curl -s {command}"} for command in commands]}


#: So many points correct a guess; for each the network may have to look twice more.
_POINTS = 32


def _hints(box: Box = None, include: Include = None, exclude: Exclude = None) -> dict[str, Any]:
    """What corrects the guess, as :func:`mattingkit.photo.guess.guess_trimap` takes it."""
    found: dict[str, Any] = {}
    if box is not None:
        found["box"] = _numbers(box, 4, "box", "TOP,LEFT,BOTTOM,RIGHT in pixels, such as 10,20,80,110")
    for field, points in (("include", include), ("exclude", exclude)):
        if points is not None:
            found[field] = [_numbers(point, 2, field, "ROW,COL in pixels, such as 50,60") for point in points]
    if len(found.get("include", ())) + len(found.get("exclude", ())) > _POINTS:
        raise Problem(422, f"include, exclude: {_POINTS} points at most; draw strokes instead.", field="include")
    return found


Hints = Annotated[dict[str, Any], Depends(_hints)]


def _refuse_hints(hints: dict[str, Any], why: str) -> NoReturn:
    raise Problem(
        422,
        f"box, include and exclude correct a guess at the trimap, and {why}: leave them out.",
        field=next(iter(hints)),
    )


def _numbers(text: str, count: int, field: str, wanted: str) -> list[int]:
    if not re.fullmatch(rf"\s*\d{{1,6}}\s*(,\s*\d{{1,6}}\s*){{{count - 1}}}", text, re.ASCII):
        raise Problem(422, f"{field} is {wanted}; got {text[:80]!r}.", field=field)
    return [int(part) for part in text.split(",")]


async def _task(
    server: Server,
    picture: UploadFile,
    trimap: UploadFile | None,
    strokes: UploadFile | None,
    recipe: dict[str, Any],
    parameters: str | None,
    hints: dict[str, Any],
    background_picture: UploadFile | None = None,
) -> Task:
    """A task for one picture, all that can be checked without it checked."""
    catalogue = server.catalogue
    method = catalogue.method(recipe["method"])
    recipe["parameters"] = catalogue.check(recipe["method"], parameters)
    if recipe["weights"] not in catalogue.weights or recipe["weights"] == "vitmatte":
        recipe["weights"] = rembg.weights_of(recipe["weights"], catalogue.weights)
    if recipe["method"] == "network" and "weights" not in recipe["parameters"]:
        raise Problem(422, 'network needs weights: parameters={"weights": "…"}.', field="parameters.weights")
    if (trimap or strokes) and not method["takes_trimap"]:
        raise Problem(422, f"{recipe['method']} takes no trimap: it finds the subject by itself.", field="trimap")
    if hints and (trimap is not None or not method["takes_trimap"]):
        _refuse_hints(hints, "there is a trimap" if trimap is not None else f"{recipe['method']} makes none")
    blobs = {"picture": await _picture(picture, "picture")}
    if trimap is not None:
        blobs["trimap"] = await _picture(trimap, "trimap")
    if strokes is not None:
        kinds = ("application/json", "text/plain", _ANY)
        blobs["strokes"] = await _content(strokes, "strokes", kinds, "a file of strokes in JSON")
    if background_picture is not None:
        blobs["background_picture"] = await _picture(background_picture, "background_picture")
    settings = {"max_megapixels": server.settings.max_megapixels, "recipe": recipe, "hints": hints}
    return Task("cutout", settings, blobs)


# The routes -----------------------------------------------------------------------------------------------------------


def _router() -> APIRouter:
    router = APIRouter(route_class=_Route)

    @router.post(
        "/api/remove",
        tags=["rembg"],
        responses=_PICTURE_ANSWER,
        openapi_extra=_curl("-F file=@photo.jpg 'http://localhost:7000/api/remove' -o output.png"),
    )
    async def remove_posted(
        request: Request,
        server: ServerDependency,
        file: Annotated[UploadFile, File(description="The photograph.")],
        asked: Annotated[_Remove, Depends(_posted)],
    ) -> Response:
        """Remove a picture's background, as rembg's server does."""
        return await server.work(request, asked.task(server, await _picture(file, "file")), None)

    @router.get("/api/remove", tags=["rembg"], responses=_PICTURE_ANSWER)
    async def remove_fetched(
        request: Request,
        server: ServerDependency,
        url: Annotated[str, Query(description="Address of the photograph: http or https, public.", max_length=4000)],
        asked: Annotated[_Remove, Depends(_queried)],
    ) -> Response:
        """Remove the background of a picture on the web, as rembg's server does."""
        asked.check(server)  # before anything is fetched
        s = server.settings
        content = await asyncio.to_thread(
            fetch, url, megabytes=s.url_megabytes, seconds=s.url_seconds, networks=s.networks
        )
        return await server.work(request, asked.task(server, content), None)

    @router.post(
        "/v1/cutout",
        tags=["mattingkit"],
        responses=_PICTURE_ANSWER,
        openapi_extra=_curl(
            "-F picture=@photo.jpg http://localhost:7000/v1/cutout -o cutout.png",
            "-F picture=@photo.jpg -F background=white -F format=jpg http://localhost:7000/v1/cutout -o white.jpg",
            "-F picture=@photo.jpg -F trimap=@trimap.png -F method=closed_form -F 'parameters={\"epsilon\": 1e-6}' "
            "http://localhost:7000/v1/cutout -o cutout.png",
            "-F picture=@photo.jpg -F box=10,20,80,110 -F include=50,60 -F exclude=8,8 -F exclude=70,112 "
            "http://localhost:7000/v1/cutout -o cutout.png",
        ),
    )
    async def cutout(
        request: Request,
        server: ServerDependency,
        hints: Hints,
        picture: Picture,
        trimap: Trimap = None,
        strokes: Strokes = None,
        background_picture: Annotated[UploadFile | None, File(description="A new background; scaled to cover.")] = None,
        method: MethodName = "auto",
        parameters: Parameters = None,
        background: Annotated[
            str | None,
            Form(
                description="A colour name or hex code, 'checkerboard', or 'blur'.", max_length=32, examples=["white"]
            ),
        ] = None,
        crop: Annotated[
            Literal["one-inch", "two-inch", "35x45mm", "2x2in"] | None, Form(description="To an ID photo, at 300 dpi.")
        ] = None,
        format: Annotated[Literal["png", "webp", "tiff", "jpg"], Form(description="Of the answer.")] = "png",
        quality: Annotated[int, Form(ge=1, le=100, description="Of JPEG and WebP.")] = 95,
        foreground: Annotated[
            bool, Form(description="Estimate the subject's own colours, without the old background's rim.")
        ] = True,
        weights: Weights = "embedded",
        erode: Erode = None,
        prefer: Prefer = None,
    ) -> Response:
        """Cut the subject out of a photograph, and lay it over a new background where one is given."""
        recipe = {
            "method": method,
            "background": background,
            "crop": crop,
            "format": format,
            "quality": quality,
            "foreground": foreground,
            "weights": weights,
            "erode": "auto" if erode is None else erode,
        }
        if background is not None and background_picture is not None:
            raise Problem(422, "background and background_picture: give one of the two.", field="background")
        if format == "jpg" and background is None and background_picture is None:
            raise Problem(
                422, "format: JPEG has no transparency; give a background, or take png, webp or tiff.", field="format"
            )
        task = await _task(server, picture, trimap, strokes, recipe, parameters, hints, background_picture)
        return await server.work(request, task, prefer)

    @router.post(
        "/v1/alpha",
        tags=["mattingkit"],
        responses=_PICTURE_ANSWER,
        openapi_extra=_curl(
            "-F picture=@photo.jpg -F trimap=@trimap.png -F method=bayesian http://localhost:7000/v1/alpha -o alpha.png"
        ),
    )
    async def alpha(
        request: Request,
        server: ServerDependency,
        hints: Hints,
        picture: Picture,
        trimap: Trimap = None,
        strokes: Strokes = None,
        method: MethodName = "auto",
        parameters: Parameters = None,
        weights: Weights = "embedded",
        erode: Erode = None,
        prefer: Prefer = None,
    ) -> Response:
        """Estimate the alpha matte of a photograph: a gray PNG file."""
        recipe = {"method": method, "only": "alpha", "weights": weights, "erode": "auto" if erode is None else erode}
        task = await _task(server, picture, trimap, strokes, recipe, parameters, hints)
        return await server.work(request, task, prefer)

    @router.post(
        "/v1/compare",
        tags=["mattingkit"],
        responses=_PICTURE_ANSWER
        | {
            200: {
                "description": "Seconds and scores; or a ZIP file of those and the alphas.",
                "content": {"application/json": {}, "application/zip": {}},
            }
        },
        openapi_extra=_curl(
            "-F picture=@photo.jpg -F trimap=@trimap.png -F methods=closed_form,geodesic "
            "http://localhost:7000/v1/compare -o scores.json",
            "-F picture=@photo.jpg -F box=10,20,80,110 -F methods=closed_form,u2net "
            "http://localhost:7000/v1/compare -o scores.json",
        ),
    )
    async def compare(
        request: Request,
        server: ServerDependency,
        hints: Hints,
        picture: Picture,
        methods: Annotated[str, Form(description="Names, separated by commas.", examples=["closed_form,geodesic"])],
        trimap: Trimap = None,
        strokes: Strokes = None,
        ground_truth: Annotated[
            UploadFile | None, File(description="The true alpha: errors against it are told.")
        ] = None,
        parameters: Annotated[
            str | None,
            Form(description="Of each method, in JSON.", examples=['{"closed_form": {"epsilon": 1e-6}}']),
        ] = None,
        format: Annotated[Literal["json", "zip"], Form(description="zip adds the alphas.")] = "json",
        prefer: Prefer = None,
    ) -> Response:
        """Run several methods on one picture."""
        catalogue = server.catalogue
        names = list(dict.fromkeys(name.strip() for name in methods.split(",") if name.strip()))
        if not names:
            raise Problem(422, "methods: name at least one; GET /v1/methods lists them.", field="methods")
        for name in names:
            needs = catalogue.method(name, "methods")["needs_trimap"]
            if needs and trimap is None and strokes is None and not hints:
                raise Problem(
                    422,
                    f"{name} needs a trimap: send one, or strokes, or a box or points that a guess keeps to.",
                    field="trimap",
                )
        if hints and trimap is not None:
            _refuse_hints(hints, "there is a trimap")
        given = {}
        if parameters:
            try:
                read = json.loads(parameters)
                items = list(read.items())
            except (ValueError, RecursionError, AttributeError):
                raise Problem(
                    422, 'parameters is an object in JSON: {"closed_form": {"epsilon": 1e-6}}', field="parameters"
                ) from None
            for name, options in items:
                if name not in names:
                    raise Problem(422, f"parameters.{name[:80]}: that method is not compared.", field="parameters")
                given[name] = catalogue.check_object(name, options, f"parameters.{name}")
        blobs = {"picture": await _picture(picture, "picture")}
        for field, part in (("trimap", trimap), ("ground_truth", ground_truth)):
            if part is not None:
                blobs[field] = await _picture(part, field)
        if strokes is not None:
            kinds = ("application/json", "text/plain", _ANY)
            blobs["strokes"] = await _content(strokes, "strokes", kinds, "a file of strokes in JSON")
        settings = {
            "max_megapixels": server.settings.max_megapixels,
            "methods": names,
            "parameters": given,
            "zip": format == "zip",
            "hints": hints,
        }
        return await server.work(request, Task("compare", settings, blobs), prefer)

    @router.get("/v1/methods", tags=["mattingkit"], openapi_extra=_curl("http://localhost:7000/v1/methods"))
    async def methods(server: ServerDependency) -> dict[str, Any]:
        """List the methods with their parameters and ranges, the weights that are here, and the sizes of ID photos."""
        catalogue = server.catalogue
        return {"methods": catalogue.methods, "weights": catalogue.weights, "crops": catalogue.crops}

    @router.get("/v1/jobs/{job}", tags=["jobs"])
    async def job_state(server: ServerDependency, job: str) -> dict[str, Any]:
        """Say how far a job is."""
        return server.jobs.find(job).told()

    @router.get("/v1/jobs/{job}/result", tags=["jobs"])
    async def job_result(server: ServerDependency, job: str) -> Response:
        """Answer with a job's result, as the request itself would have been."""
        found = server.jobs.find(job)
        if not found.task.future.done():
            raise Problem(
                409, "The job has not ended yet; ask GET /v1/jobs/JOB how far it is.", headers={"Retry-After": "1"}
            )
        return _response(outcome(found.task))

    @router.delete("/v1/jobs/{job}", tags=["jobs"], status_code=204)
    async def job_cancel(server: ServerDependency, job: str) -> Response:
        """Cancel a job, and forget its result."""
        server.jobs.drop(job)
        return Response(status_code=204)

    @router.get("/health", tags=["operation"])
    async def health(server: ServerDependency) -> Response:
        """Say whether requests can be answered; needs no token."""
        ready = server.pool.ready and server.described is not None
        return JSONResponse({"status": "ok" if ready else "starting"}, 200 if ready else 503)

    @router.get("/metrics", tags=["operation"])
    async def metrics(server: ServerDependency) -> Response:
        """Tell counters, in Prometheus's text format."""
        gauges, processes = server.metrics, server.pool.processes
        gauges.inside.set(server.house.inside)
        gauges.workers.set(len(processes))
        gauges.worker_megabytes.set(sum(map(private_megabytes, processes)))
        gauges.jobs.set(len(server.jobs))
        return Response(gauges.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/docs", include_in_schema=False)
    @router.get("/api", include_in_schema=False)
    async def docs(server: ServerDependency) -> Response:
        return HTMLResponse(page(server.app.openapi()))

    @router.get("/", include_in_schema=False)
    async def front(request: Request, server: ServerDependency) -> Response:
        if server.studio is not None and not await _listens(server.studio):
            # Browsers obey Refresh: they come again by themselves.
            raise Problem(503, "The page without code is starting.", headers={"Retry-After": "2", "Refresh": "2"})
        answer = RedirectResponse(server.studio or "/docs", 307)
        shown = request.query_params.get("token")
        if shown and server.settings.token:  # the guard has checked it; from here on the browser shows it by itself
            answer.set_cookie(COOKIE, shown, httponly=True, samesite="strict")
        return answer

    return router


async def _listens(address: str) -> bool:
    """Whether anything answers at an address of this machine."""
    parts = urlsplit(address)
    try:
        _, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return False
    writer.close()
    return True


# What rembg's clients send --------------------------------------------------------------------------------------------


class _Remove:
    """The parameters of rembg's server, read from a form or a query."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.model: str | None = values.pop("model")
        extras = rembg.read_extras(values.pop("extras"))
        self.values = values | {"bgc": rembg.read_color(values["bgc"])} | extras

    def check(self, server: Server) -> None:
        """Refuse a model that is not here."""
        self.values["weights"] = rembg.weights_of(self.model, server.catalogue.weights)
        if self.values["vm"] and "vitmatte" not in server.catalogue.weights:
            raise Problem(
                422,
                "vm: the weights of ViTMatte are not on this server. There, run: mattingkit weights fetch vitmatte.",
                field="vm",
            )

    def task(self, server: Server, content: bytes) -> Task:
        """The task that these parameters mean."""
        self.check(server)
        return Task(
            "remove", {"max_megapixels": server.settings.max_megapixels, "remove": self.values}, {"file": content}
        )


_MODEL = "Name of the network; without one, the network in the package."
_COLOR = "Background: four numbers from 0 to 255, 'R,G,B,A'."
_EXTRAS = 'More, in JSON: {"putalpha": true} keeps the colours below what is transparent.'


def _queried(
    model: Annotated[str | None, Query(description=_MODEL)] = None,
    a: Annotated[bool, Query(description="Refine the rim by closed-form matting.")] = False,
    af: Annotated[int, Query(ge=0, le=255, description="From this level on the mask is subject.")] = 240,
    ab: Annotated[int, Query(ge=0, le=255, description="Below this level it is background.")] = 10,
    ae: Annotated[int, Query(ge=0, le=10000, description="Pixels by which both withdraw.")] = 10,
    om: Annotated[bool, Query(description="Answer the mask alone.")] = False,
    ppm: Annotated[bool, Query(description="Smooth the mask, to 0 and 255.")] = False,
    dc: Annotated[bool, Query(description="Estimate the subject's own colours.")] = False,
    vm: Annotated[bool, Query(description="Refine the rim by ViTMatte.")] = False,
    bgc: Annotated[str | None, Query(description=_COLOR)] = None,
    extras: Annotated[str | None, Query(description=_EXTRAS)] = None,
) -> _Remove:
    return _Remove(dict(locals()))


async def _posted(
    request: Request,
    model: Annotated[str | None, Form(description=_MODEL)] = None,
    a: Annotated[bool, Form(description="Refine the rim by closed-form matting.")] = False,
    af: Annotated[int, Form(ge=0, le=255, description="From this level on the mask is subject.")] = 240,
    ab: Annotated[int, Form(ge=0, le=255, description="Below this level it is background.")] = 10,
    ae: Annotated[int, Form(ge=0, le=10000, description="Pixels by which both withdraw.")] = 10,
    om: Annotated[bool, Form(description="Answer the mask alone.")] = False,
    ppm: Annotated[bool, Form(description="Smooth the mask, to 0 and 255.")] = False,
    dc: Annotated[bool, Form(description="Estimate the subject's own colours.")] = False,
    vm: Annotated[bool, Form(description="Refine the rim by ViTMatte.")] = False,
    bgc: Annotated[str | None, Query(description=_COLOR)] = None,
    extras: Annotated[str | None, Query(description=_EXTRAS)] = None,
) -> _Remove:
    values = dict(locals())
    del values["request"]
    return _Remove(values)


# Errors ---------------------------------------------------------------------------------------------------------------


async def _answer_problem(request: Request, failure: Exception) -> Response:
    if isinstance(failure, Problem):
        return failure.response()
    assert isinstance(failure, HTTPException)
    detail = str(failure.detail)
    if failure.status_code == 404:
        detail = "There is nothing at this address; GET /docs lists what there is."
    return Problem(failure.status_code, detail, headers=failure.headers).response()


async def _answer_invalid(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, RequestValidationError)
    return problem_of_validation(failure.errors()).response()


async def _answer_fault(request: Request, failure: Exception) -> Response:
    return Problem(500, "The server failed at this request; its log says where. Nothing was kept.").response()
