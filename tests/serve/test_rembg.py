"""What rembg's clients send, unchanged, to both servers."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mattingkit.serve.problems import Problem
from mattingkit.serve.rembg import _between, _smoothed, read_color, read_extras, removed
from mattingkit.serve.work import _png
from serve.conftest import Client, free_port

#: The program, with its extras cpu and cli installed.
REMBG = os.environ.get("REMBG") or shutil.which("rembg")


@pytest.fixture(scope="module")
def rembg(tmp_path_factory: pytest.TempPathFactory, weights_home: Path) -> Iterator[Client]:
    if REMBG is None or not (weights_home / "weights" / "u2netp.onnx").is_file():
        pytest.skip("rembg or its u2netp is not here; name the program in the variable REMBG")
    folder, port = tmp_path_factory.mktemp("rembg"), free_port()
    shutil.copy(weights_home / "weights" / "u2netp.onnx", folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [REMBG, "s", "--port", str(port), "--host", "127.0.0.1", "--no-ui"],
            env={**os.environ, "U2NET_HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
    client, deadline = Client(port), time.monotonic() + 120
    while True:
        assert process.poll() is None, (folder / "log").read_text()
        assert time.monotonic() < deadline
        try:
            client.get("/nothing")
            break
        except OSError:
            time.sleep(0.2)
    yield client
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"om": "true"},
        {"om": "true", "ppm": "true"},
        {"dc": "true"},
        {"bgc": "10,200,30,128"},
        {"extras": '{"putalpha": true}'},
        {"a": "true", "af": "230", "ab": "20", "ae": "4"},
    ],
    ids=lambda asked: "-".join(asked) or "mask",
)
def test_both_servers_answer_alike(rembg: Client, client: Client, png: bytes, asked: dict[str, str]) -> None:
    query = {name: value for name, value in asked.items() if name in ("bgc", "extras")}
    path = "/api/remove?" + "&".join(f"{name}={value.replace(' ', '%20')}" for name, value in query.items())
    parts: dict[str, Any] = {"file": png, "model": "u2netp", **{k: v for k, v in asked.items() if k not in query}}
    ours, theirs = client.post(path, parts), rembg.post(path, parts)
    assert (ours.status, theirs.status) == (200, 200), ours.body
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    assert ours.picture.shape == theirs.picture.shape
    mine, other = ours.picture.astype(float), theirs.picture.astype(float)
    if "a" not in asked:
        assert np.abs(mine - other).sum() <= 0.02 * other.sum()
    else:  # where alpha is 0 a colour means nothing, and each solver leaves another there
        assert np.abs(mine - other)[..., 3].sum() <= 0.02 * other[..., 3].sum()


@pytest.mark.parametrize("server", ["client", "rembg"])
def test_documented_calls_run_on_both_servers(
    request: pytest.FixtureRequest, server: str, png: bytes, tmp_path: Path
) -> None:
    """What rembg's README shows of its server, and what Python clients send: only the port differs."""
    requests = pytest.importorskip("requests")
    port = request.getfixturevalue(server).port
    (tmp_path / "input.jpg").write_bytes(png)
    chosen = {} if server == "client" else {"model": "u2netp"}  # rembg's own default would have to be fetched
    words = [word for name, value in chosen.items() for word in ("-F", f"{name}={value}")]
    curl = shlex.split(f'curl -s -F file=@input.jpg "http://localhost:{port}/api/remove" -o output.png')
    subprocess.run([*curl, *words, "--fail"], cwd=tmp_path, check=True, timeout=120)
    with (tmp_path / "input.jpg").open("rb") as file:
        sent = requests.post(f"http://localhost:{port}/api/remove", files={"file": file}, data=chosen, timeout=120)
    assert sent.status_code == 200
    assert sent.headers["content-type"] == "image/png"
    assert (tmp_path / "output.png").read_bytes() == sent.content
    with Image.open(tmp_path / "output.png") as file:
        assert (file.mode, file.size) == ("RGBA", (120, 90))


@pytest.mark.parametrize(
    "documented",
    [
        'curl -s "http://localhost:7000/api/remove?url=http://input.png" -o output.png',
        'curl -s "http://localhost:7000/api/remove?url=http://input.png&dc=true" > output.png',
    ],
)
def test_documented_calls_by_address(
    client: Client, web: Callable[[str], str], tmp_path: Path, documented: str
) -> None:
    """Not run on rembg: it refuses the test's own server, which is not public."""
    command = documented.replace("7000", str(client.port)).replace("http://input.png", web("/input.png"))
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True, timeout=120)
    with Image.open(tmp_path / "output.png") as file:
        assert (file.mode, file.size) == ("RGBA", (120, 90))


def test_models_that_are_not_here_are_named(client: Client, png: bytes) -> None:
    for model, words in (
        ("bria-rmbg", "mattingkit does not have it"),
        ("embeded", "did you mean 'embedded'"),
        ("isnet-general-use", "mattingkit weights fetch isnet-general-use"),
    ):
        reply = client.post("/api/remove", {"file": png, "model": model})
        assert reply.status == 422
        assert words in reply.json["detail"]
        assert reply.json["field"] == "model"


def test_a_picture_of_one_colour_and_one_with_transparency() -> None:
    flat = np.full((20, 30, 4), 200, np.uint8)
    flat[:, :15, 3] = 0
    assert (removed(flat, weights="embedded")[..., 3] == 0).all()
    assert removed(flat[..., 0], weights="embedded", a=True).shape == (20, 30, 4)


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (6, 3, 3), (40, 30, 4)])
def test_answers_are_png_files_of_the_same_pixels(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with Image.open(io.BytesIO(_png(pixels))) as file:
        assert file.format == "PNG"
        assert np.array_equal(np.asarray(file), pixels)


def test_the_rim_of_a_mask() -> None:
    from scipy import ndimage

    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 12:40] = 255
    for side in (1, 4, 7):
        square = np.ones((side, side))
        trimap = _between(mask, 240, 10, side)
        assert trimap is not None
        assert np.array_equal(trimap == 1, ndimage.binary_erosion(mask > 240, square))
        assert np.array_equal(trimap == 0, ndimage.binary_erosion(mask < 10, square, border_value=1))
    assert _between(mask, 240, 10, 10_000) is None
    assert set(np.unique(_smoothed(mask))) == {0, 255}


def test_colours_and_extras_are_checked() -> None:
    assert read_color("1,2,3,4") == (1, 2, 3, 4)
    for text in ("red", "1,2,3", "1,2,3,256", "1,2,3,x"):
        with pytest.raises(Problem, match="four numbers"):
            read_color(text)
    for text in ("[]", "{", '{"model_path": "/etc/passwd"}'):
        with pytest.raises(Problem, match="extras"):
            read_extras(text)
    with pytest.raises(Problem, match="POST /v1/cutout takes points"):
        read_extras('{"sam_prompt": [{"type": "point", "data": [724, 740], "label": 1}]}')
