"""The command: what it writes, what it says, and how it exits.

Most of it runs in this process (``command``); each way in which a process differs, its script, exit codes, pipes, a
terminal, a server, is tried with one (``run``), as are whole runs of ``compare`` and ``samples``.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from conftest import command

import mattingkit as mk
from mattingkit.cli import build
from mattingkit.lessons import copies

REPOSITORY = Path(__file__).resolve().parents[1]
COMMAND = shutil.which("mattingkit", path=str(Path(sys.executable).parent)) or "mattingkit"
COMMANDS = [command.name for command in build().registered_commands]


def run(*arguments, cwd=None, env=None, timeout=120):
    """Run the installed command in a pipe, without colours or a terminal."""
    line = [COMMAND, *map(str, arguments)]
    env = {**os.environ, **(env or {})}
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout)


def failed(outcome, code):
    """The one line on stderr of a command that failed as it should."""
    assert outcome.returncode == code, outcome.stderr
    assert "Traceback" not in outcome.stderr
    lines = [line for line in outcome.stderr.splitlines() if line.startswith("mattingkit:")]
    assert len(lines) == 1, outcome.stderr
    return lines[0]


@pytest.fixture
def photo(tmp_path, ramp):
    """A small picture with its trimap and true alpha as files."""
    image, trimap, alpha = ramp
    mk.save_image(tmp_path / "photo.png", image)
    mk.save_trimap(tmp_path / "trimap.png", trimap)
    mk.save_image(tmp_path / "truth.png", alpha)
    return tmp_path


# The shell's own expectations


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name):
    outcome = command(name, "--help")
    assert outcome.returncode == 0
    assert not outcome.stderr
    assert re.search(rf"Examples?:\n(  .*\n)*?  (  )?.*mattingkit {name}", outcome.stdout), outcome.stdout
    assert "\x1b[" not in outcome.stdout


def test_help_lists_every_command_and_says_where_to_begin():
    outcome = run("--help")
    assert outcome.returncode == 0
    for name in COMMANDS:
        assert re.search(rf"^  {name}\s", outcome.stdout, re.MULTILINE)
    assert "mattingkit lab" in outcome.stdout


def test_help_imports_nothing_heavy():
    code = "import sys; from mattingkit.cli import main; main(['--help']); print(' '.join(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"numpy", "torch", "numba", "scipy", "matplotlib", "PIL"} & {name.split(".")[0] for name in modules}


def test_version():
    assert run("--version").stdout.strip() == f"mattingkit {mk.__version__}"


def test_without_a_command_it_shows_the_help_and_fails_as_usage():
    outcome = run()
    assert outcome.returncode == 2
    assert "Commands:" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["comapre"], "Did you mean 'compare'"),
        (["compare", "--otput", "x"], "--output"),
        (["compare", "-m", "closedform"], "did you mean 'closed_form'"),
        (["methods", "baysian"], "did you mean 'bayesian'"),
        (["lab", "--port", "99999"], "--port"),
        (["compare", "--set", "epsilon=3"], "METHOD.NAME=VALUE"),
        (["compare", "-m", "rw", "--set", "rw.sigmaa=3"], "did you mean 'sigma'"),
        (["compare", "-m", "rw", "--set", "rw.sigma=three"], "takes a number"),
        (["compare", "-m", "rw,knn", "--set", "sigma=3"], "METHOD.NAME=VALUE"),
        (["compare", "-m", "rw", "--set", "knn.near_neighbors=3"], "does not run here; rw does"),
        (["compare", "--truth", "truth.png"], "--truth belongs to a picture"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_code_2(arguments, words):
    assert words in failed(command(*arguments), 2)


def test_errors_are_red_to_a_person_and_plain_in_a_pipe(photo):
    assert "\x1b[" not in failed(run("compare", "nosuch.png"), 1)
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.pop("NO_COLOR", None)
        os.environ["TERM"] = "xterm"
        os.execv(COMMAND, [COMMAND, "compare", "nosuch.png"])
    said = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # how Linux ends a terminal
            break
        if not chunk:
            break
        said += chunk
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
    assert b"\x1b[31m" in said
    assert b"There is no file 'nosuch.png'" in said


def test_a_traceback_is_shown_only_when_asked_for():
    assert "Traceback" in command("--traceback", "compare", "nosuch.png").stderr


def test_a_reader_that_leaves_early_is_no_error():
    outcome = subprocess.run(
        f"{COMMAND} methods --json | head -1", shell=True, capture_output=True, text=True, executable="/bin/bash"
    )
    assert outcome.stdout == "{\n"
    assert not outcome.stderr


def test_completion_knows_commands_methods_and_parameters():
    def complete(line, how=command):
        words = line.split(" ")
        asked = {
            "_MATTINGKIT_COMPLETE": "complete_bash",
            "COMP_WORDS": "\n".join(words),
            "COMP_CWORD": str(len(words) - 1),
        }
        return how(env=asked).stdout.split()

    assert "compare" in complete("mattingkit com", run)
    assert complete("mattingkit methods clo") == ["closed_form"]
    assert complete("mattingkit compare -m bayesian,clo") == ["bayesian,closed_form"]
    assert complete("mattingkit cutout -m rw --set sig") == ["sigma="]
    assert complete("mattingkit compare --set closed_form.eps") == ["closed_form.epsilon="]
    assert complete("mattingkit batch in out --crop two") == ["two-inch"]
    assert complete("mattingkit weights fetch u2net_h") == ["u2net_human_seg"]


# compare and methods


def test_compare_writes_alphas_a_figure_and_a_table(photo):
    outcome = command(
        "compare", "photo.png", "trimap.png", "-m", "closed_form,rw", "-m", "knn", "-o", "out/", cwd=photo
    )
    assert outcome.returncode == 0, outcome.stderr
    header, *rows = outcome.stdout.splitlines()
    assert header.split() == ["method", "seconds"]
    assert [row.split("  ")[0] for row in rows] == ["Closed form", "Random walk", "KNN"]
    assert "3/3" in outcome.stderr
    written = {path.name for path in (photo / "out").iterdir()}
    assert {"closed_form_alpha.png", "rw_alpha.png", "knn_alpha.png", "comparison.png", "table.csv"} <= written
    image, trimap = mk.load_image(photo / "photo.png"), mk.load_trimap(photo / "trimap.png")
    stored = mk.load_image(photo / "out" / "closed_form_alpha.png")[..., 0]
    assert np.abs(stored - mk.estimate_alpha(image, trimap)).max() <= 0.5 / 255 + 1e-9


def test_compare_scores_against_a_truth_and_speaks_json(photo):
    line = ["compare", "photo.png", "trimap.png", "-m", "closed_form", "--truth", "truth.png", "-o", "here"]
    outcome = command(*line, "--set", "closed_form.epsilon=1e-5", "--json", "--quiet", cwd=photo)
    assert outcome.returncode == 0
    assert not outcome.stderr
    record = json.loads(outcome.stdout)
    assert record["methods"]["closed_form"]["parameters"] == {"epsilon": 1e-5}
    assert 0 <= record["methods"]["closed_form"]["scores"]["SAD"] < 0.05
    assert (photo / "here" / "comparison.png").is_file()


def test_compare_goes_on_when_one_method_fails_and_exits_1(photo):
    line = ["compare", "photo.png", "trimap.png", "-m", "rw,closed_form", "--set", "closed_form.epsilon=-1"]
    outcome = command(*line, cwd=photo)
    assert "closed_form failed" in failed(outcome, 1)
    assert (photo / "out" / "rw_alpha.png").is_file()
    assert not (photo / "out" / "closed_form_alpha.png").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["compare", "nosuch.png"], "There is no file 'nosuch.png'"),
        (["compare", "notes.txt"], "not a picture"),
        (["compare", "photo.png", "small.png", "-m", "rw"], "same size"),
        (["compare", "photo.png", "trimap.png", "-m", "rw", "-o", "notes.txt"], "'notes.txt' is a file"),
    ],
)
def test_what_fails_says_why_and_exits_1(photo, arguments, words):
    (photo / "notes.txt").write_text("no picture")
    mk.save_trimap(photo / "small.png", np.eye(5))
    assert words in failed(command(*arguments, cwd=photo), 1)


def test_methods_are_listed_with_paper_and_trimap():
    outcome = command("methods")
    assert outcome.returncode == 0
    for name, method in mk.METHODS.items():
        line = next(line for line in outcome.stdout.splitlines() if line.startswith(f"{name} "))
        assert method.citation in line
        assert re.search(r"\bneeded\b" if method.needs_trimap else r"\bnone\b", line)


def test_methods_speak_json():
    record = json.loads(command("methods", "--json").stdout)
    assert list(record) == list(mk.METHODS)
    epsilon = record["closed_form"]["parameters"]["epsilon"]
    assert epsilon == {"default": 1e-7, "range": [1e-9, 1e-1], "log": True}
    assert json.loads(command("methods", "u2net", "--json").stdout)["u2net"]["needs_trimap"] is False


def test_one_method_is_described_from_its_signature():
    outcome = command("methods", "closed_form")
    for name in mk.METHODS["closed_form"].parameters:
        assert re.search(rf"^{name}\s", outcome.stdout, re.MULTILINE)
    assert "Penalty on the slope of alpha" in outcome.stdout


@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
def test_compare_never_replaces_what_it_is_given(photo, overwrite):
    before = (photo / "trimap.png").read_bytes()
    line = ["compare", "photo.png", "trimap.png", "-m", "rw", "-o", ".", *overwrite]
    assert "trimap.png' is the trimap itself" in failed(command(*line, cwd=photo), 2)
    assert (photo / "trimap.png").read_bytes() == before
    assert sorted(path.name for path in photo.iterdir()) == ["photo.png", "trimap.png", "truth.png"]


def test_compare_replaces_its_own_files_and_others_only_when_asked(photo):
    line = ["compare", "photo.png", "trimap.png", "-m", "rw"]
    (photo / "out").mkdir()
    (photo / "out" / "rw_alpha.png").write_bytes(b"mine")
    assert "rw_alpha.png is already there, and nothing was written" in failed(command(*line, cwd=photo), 1)
    assert [path.name for path in (photo / "out").iterdir()] == ["rw_alpha.png"]
    assert command(*line, "--overwrite", cwd=photo).returncode == 0
    assert command(*line, cwd=photo).returncode == 0


def test_compare_without_arguments_compares_on_the_sample(tmp_path):
    outcome = run("compare", cwd=tmp_path, timeout=300)
    assert outcome.returncode == 0, outcome.stderr
    assert "sample portrait" in outcome.stderr
    header, *rows = outcome.stdout.splitlines()
    assert header.split()[:2] == ["method", "seconds"]
    assert [row.split("  ")[0] for row in rows] == ["Bayesian", "Closed form", "U²-Net"]
    for name in ("bayesian", "closed_form", "u2net"):
        assert mk.load_image(tmp_path / "out" / f"{name}_alpha.png").shape == (512, 512, 3)
    assert mk.load_image(tmp_path / "out" / "comparison.png").std() > 0.1


# weights and samples


def test_weights_say_what_is_here(tmp_path):
    home = {"MATTINGKIT_HOME": str(tmp_path)}
    listed = json.loads(command("weights", "list", "--json", env=home).stdout)
    assert listed["embedded"]["here"] is True
    assert listed["u2net"]["here"] is False
    assert "u2net_human_seg" in command("weights", "list", env=home).stdout
    where = command("weights", "where", "u2net", env=home).stdout.strip()
    assert where == listed["u2net"]["path"]
    assert Path(where).is_relative_to(tmp_path)
    assert command("weights", "verify", "embedded", env=home).returncode == 0
    assert command("weights", "verify", env=home).returncode == 0
    assert "weights fetch u2net" in failed(command("weights", "verify", "u2net", env=home), 1)
    Path(where).parent.mkdir(parents=True)
    Path(where).write_bytes(b"half a file")
    assert "is damaged" in failed(command("weights", "verify", env=home), 1)
    assert json.loads(command("weights", "verify", "--json", env=home).stdout)["u2net"] == "damaged"


def test_weights_that_cannot_be_fetched_are_one_line_with_the_remedy(tmp_path):
    away = {"MATTINGKIT_HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    line = failed(command("weights", "fetch", "u2netp", env=away), 1)
    assert "8e83ca70e441ab06c318d82300c84806" in line
    assert str(tmp_path) in line
    assert command("weights", "fetch", "embedded", env=away).returncode == 0
    assert "did you mean 'u2netp'" in failed(command("weights", "fetch", "u2nettp"), 2)


@pytest.mark.parametrize("name", ["list", "fetch", "verify", "where"])
def test_every_command_on_weights_has_help_with_an_example(name):
    assert f"mattingkit weights {name}" in command("weights", name, "--help").stdout


def test_samples_are_listed_and_copied(tmp_path):
    assert list(json.loads(command("samples", "--json").stdout)) == mk.samples.names()
    assert "public domain" in command("samples").stdout
    written = run("samples", "portrait", "-o", tmp_path).stdout.split()
    assert {Path(path).name for path in written} == {path.name for path in tmp_path.iterdir()}
    np.testing.assert_array_equal(mk.load_image(tmp_path / "portrait.png"), mk.samples.portrait().image)
    assert "no sample 'dog'" in failed(command("samples", "dog"), 2)


def test_samples_replace_no_file_unless_asked_to(tmp_path):
    scene = ("samples", "--scene", "hair", "--size", "40x50", "-o", tmp_path)
    for name, line in {
        "portrait_trimap.png": ("samples", "portrait", "-o", tmp_path),
        "hair_0_fg.png": scene,
    }.items():
        (tmp_path / name).write_text("mine")
        assert "--overwrite" in failed(command(*line), 1)
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "mine")]
        assert command(*line, "--overwrite").returncode == 0
        assert mk.load_image(tmp_path / name).ndim == 3
        for path in tmp_path.iterdir():
            path.unlink()


def test_scenes_are_rendered_with_their_truth(tmp_path):
    command("samples", "--scene", "hair", "--size", "40x50", "--seed", "3", "-o", tmp_path)
    scene = mk.samples.render("hair", (40, 50), 3)
    assert np.abs(mk.load_image(tmp_path / "hair_3_alpha.png")[..., 0] - scene.alpha).max() <= 0.5 / 255 + 1e-9
    np.testing.assert_array_equal(mk.load_trimap(tmp_path / "hair_3_trimap.png"), scene.trimap)
    assert "no kind of scene" in failed(command("samples", "--scene", "hare", "-o", tmp_path), 2)
    assert "--size takes" in failed(command("samples", "--scene", "hair", "--size", "big", "-o", tmp_path), 2)


def test_help_texts_in_the_documents_are_what_the_command_prints():
    documents = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    shown = re.compile(r"```console\n\$ (mattingkit [^\n]*--help)\n(.*?)```", re.DOTALL)
    for document in documents:
        for line, text in shown.findall(document.read_text()):
            assert command(*line.split()[1:]).stdout.strip() == text.strip(), f"{document.name}: {line}"


def test_the_reference_of_commands_is_up_to_date():
    from mattingkit.cli.reference import reference

    assert (REPOSITORY / "docs" / "command.md").read_text() == reference(), "run: python -m mattingkit.cli.reference"


# lab


def test_lessons_are_copied_and_what_the_reader_changed_is_kept(tmp_path):
    source, folder = tmp_path / "source", tmp_path / "mine"
    (source / "images").mkdir(parents=True)
    for name in ("00.ipynb", "01.ipynb", "images/one.png"):
        (source / name).write_text(f"first {name}")
    (source / ".hidden").write_text("no")
    assert copies.copy_lessons(source, folder).new == ["00.ipynb", "01.ipynb", "images/one.png"]
    assert not (folder / ".hidden").exists()
    (folder / "01.ipynb").write_text("my own notes")
    (folder / "mine.ipynb").write_text("entirely mine")
    for name in ("00.ipynb", "01.ipynb"):
        (source / name).write_text(f"second {name}")
    copied = copies.copy_lessons(source, folder)
    assert (copied.updated, copied.kept, copied.same) == (["00.ipynb"], ["01.ipynb"], ["images/one.png"])
    assert (folder / "00.ipynb").read_text() == "second 00.ipynb"
    assert (folder / "01.ipynb").read_text() == "my own notes"
    assert (folder / "mine.ipynb").read_text() == "entirely mine"
    # Its original is not forgotten: once the reader removes the edited file, the lesson comes back.
    (folder / "01.ipynb").unlink()
    assert copies.copy_lessons(source, folder).new == ["01.ipynb"]


def test_lessons_never_land_on_their_originals_or_in_a_file(tmp_path):
    with pytest.raises(ValueError, match="holds the original lessons"):
        copies.copy_lessons(tmp_path, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        copies.copy_lessons(REPOSITORY / "notebooks", tmp_path / "file")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_lab_serves_the_reader_s_own_copy(tmp_path):
    port = free_port()
    line = [COMMAND, "lab", "--folder", "lessons", "--no-browser", "--port", str(port)]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*line, "--", "--IdentityProvider.token=secret"], cwd=tmp_path, stderr=log, stdout=log
        )
    try:
        answer = None
        for _ in range(1200):
            assert server.poll() is None, (tmp_path / "log").read_text()
            try:
                url = f"http://127.0.0.1:{port}/api/contents?token=secret"
                with urllib.request.urlopen(url, timeout=5) as reply:
                    answer = json.load(reply)
                break
            except OSError:
                time.sleep(0.05)
        assert answer is not None, (tmp_path / "log").read_text()
        # What a browser is sent to is the first lesson, not the launcher.
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/?token=secret", timeout=60) as reply:
            assert reply.url.split("?")[0].endswith("/lab/tree/00_quickstart.ipynb")
        expected = {path.name for path in (REPOSITORY / "notebooks").glob("*.ipynb")}
        assert expected <= {entry["name"] for entry in answer["content"]}
        assert expected <= {path.name for path in (tmp_path / "lessons").iterdir()}
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def test_lab_refuses_a_port_that_is_taken(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        outcome = run("lab", "--no-browser", "--port", taken.getsockname()[1], cwd=tmp_path)
    assert outcome.returncode != 0
    assert "port" in outcome.stderr.lower()
