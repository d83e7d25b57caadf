"""Training U²-Net for real, on a few rendered pictures: what a run leaves behind, and that resuming changes nothing."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mattingkit.methods.u2net import estimate_alpha_u2net, load_network
from mattingkit.methods.u2net.augment import (
    BACKDROPS,
    Pair,
    _hang_behind,
    _join,
    find_pairs,
    read_pair,
    render_background,
    sample,
)
from mattingkit.methods.u2net.checkpoints import mix_weights, read_network, read_state, save_weights
from mattingkit.methods.u2net.curve import Record, read_curve
from mattingkit.methods.u2net.network import add_identity_norms, build, fold_batch_norms
from mattingkit.methods.u2net.objective import evaluate, loss_of
from mattingkit.methods.u2net.train import Settings, main, train
from mattingkit.methods.u2net.weights import find_weights

# Newer Pythons warn where a process with threads forks, which is how torch's loader starts its worker.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """On maps this small, threads only wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[str, str]:
    """Six pictures of bright discs on dark noise, three of each of two kinds, with their masks."""
    root = tmp_path_factory.mktemp("pairs")
    images, masks = root / "images", root / "masks"
    images.mkdir()
    masks.mkdir()
    rng = np.random.default_rng(0)
    rows, cols = np.indices((48, 60))
    for number, kind in enumerate(["disc", "ball"] * 3):
        inside = (rows - 24) ** 2 + (cols - 20 - 4 * number) ** 2 < 14**2
        picture = rng.integers(0, 90, (48, 60, 3)) + 150 * inside[..., np.newaxis]
        Image.fromarray(picture.astype(np.uint8)).save(images / f"{kind}_{number}.jpg")
        Image.fromarray(np.uint8(255 * inside)).save(masks / f"{kind}_{number}.png")
    return str(images), str(masks)


def settings(folders, out: Path, **changes) -> Settings:
    plain = Settings(*folders, str(out), stages=((32, 2), (48, 1)), batch=2, validation=0.34, every=1)
    return dataclasses.replace(plain, **changes)


def state_of(out: Path) -> dict[str, torch.Tensor]:
    return torch.load(out / "checkpoint.pt", weights_only=True)["network"]


@pytest.fixture(scope="module")
def run(folders, tmp_path_factory) -> Path:
    """A whole run of three steps, in two stages."""
    out = tmp_path_factory.mktemp("run")
    train(settings(folders, out))
    return out


def test_a_run_leaves_weights_curve_and_failures(run, folders):
    for name in ("weights.safetensors", "curve.csv", "curve.png", "failures.png", "settings.json", "checkpoint.pt"):
        assert (run / name).stat().st_size > 0, name
    curve = read_curve(run / "curve.csv")
    assert [(row.step, row.size) for row in curve] == [(1, 32), (2, 32), (3, 48)]
    assert set(curve[0].iou) == {"disc", "ball"}
    assert json.loads((run / "settings.json").read_text())["images"] == folders[0]
    assert (run / "weights.safetensors").stat().st_size < 2.5e6
    assert load_network(run / "weights.safetensors")[1] in (32, 48)
    image = np.random.default_rng(0).random((20, 30, 3))
    assert estimate_alpha_u2net(image, weights=run / "weights.safetensors").shape == (20, 30)


def test_training_moves_the_weights(run):
    torch.manual_seed(0)
    start, end = build("u2netp").state_dict(), state_of(run)
    assert any((end[key] - value).abs().max() > 1e-5 for key, value in start.items() if "weight" in key)


def test_a_run_stopped_and_resumed_equals_one_undisturbed(run, folders, tmp_path):
    class StopHereError(Exception):
        pass

    def stop(record: Record) -> None:
        raise StopHereError

    for _ in range(2):  # once inside a stage, once at its end
        with pytest.raises(StopHereError):
            train(settings(folders, tmp_path), stop)
    assert len(read_curve(tmp_path / "curve.csv")) == 2
    steps: list[int] = []
    train(settings(folders, tmp_path), on_step=steps.append)
    last = sum(count for _, count in settings(folders, tmp_path).stages)
    assert 0 < steps[0] < last
    assert steps == list(range(steps[0], last + 1))
    resumed = state_of(tmp_path)
    for key, value in state_of(run).items():
        torch.testing.assert_close(resumed[key], value, rtol=0, atol=0, msg=key)
    assert [row.loss for row in read_curve(tmp_path / "curve.csv")] == [
        row.loss for row in read_curve(run / "curve.csv")
    ]


def test_a_run_stopped_between_records_goes_on_from_that_step(run, folders, tmp_path):
    seldom = settings(folders, tmp_path, every=10)

    def stop(step: int) -> None:
        if step == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(seldom, on_step=stop)
    steps: list[int] = []
    train(seldom, on_step=steps.append)
    assert steps == [1, 2, 3]
    state = state_of(tmp_path)
    for key, value in state_of(run).items():
        torch.testing.assert_close(state[key], value, rtol=0, atol=0, msg=key)
    undisturbed, resumed = read_curve(run / "curve.csv"), read_curve(tmp_path / "curve.csv")
    assert [row.step for row in resumed] == [2, 3]
    assert resumed[0].loss == pytest.approx((undisturbed[0].loss + undisturbed[1].loss) / 2, abs=1e-4)


def test_a_damaged_checkpoint_is_refused(folders, tmp_path):
    train(settings(folders, tmp_path, stages=((32, 1),)))
    content = bytearray((tmp_path / "checkpoint.pt").read_bytes())
    for place in range(len(content) // 3, len(content) // 2, 999):  # a single place may be padding
        content[place] ^= 4
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint\.pt is no checkpoint .*checksum"):
        train(settings(folders, tmp_path, stages=((32, 2),)))


def test_a_loss_that_is_no_number_ends_the_run_and_writes_no_weights(folders, tmp_path, capsys):
    line = [*folders, "--out", str(tmp_path), "--batch", "2", "--stages", "32:9", "--device", "cpu"]
    assert main([*line, "--learning-rate", "1e30"]) == 2
    assert "no longer a number at step 2. Start again with a lower learning rate" in capsys.readouterr().err
    assert not (tmp_path / "weights.safetensors").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"processes": 0}, "processes and every are 1 or more"),
        ({"every": 0}, "processes and every are 1 or more"),
        ({"validation": 1.0}, r"validation lies in \[0, 1\)"),
        ({"validation": 0.99}, "leaves none to learn from"),
    ],
)
def test_settings_that_cannot_work_are_refused(folders, tmp_path, monkeypatch, changes, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        train(settings(folders, tmp_path / "run", **changes))


def test_weights_to_start_from_that_are_not_here_are_one_line(folders, tmp_path, capsys):
    assert main([*folders, "--out", str(tmp_path), "--batch", "2", "--init", "nowhere.pth", "--device", "cpu"]) == 2
    assert "There is no file 'nowhere.pth'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mine.pth", "embedded"])
def test_training_starts_from_a_checkpoint_or_a_named_set_of_weights(folders, tmp_path, name):
    if name.endswith(".pth"):
        torch.save({"state_dict": build("u2netp").state_dict()}, tmp_path / name)
        name = str(tmp_path / name)
    train(settings(folders, tmp_path / "run", stages=((32, 1),), learning_rate=0.0, init=name))
    reference, _ = read_state(find_weights(name))
    key = "stage2.rebnconv1.conv_s1.weight"
    torch.testing.assert_close(state_of(tmp_path / "run")[key], reference[key], rtol=0, atol=0)


def test_fine_tuning_starts_from_the_weights_named(run, folders, tmp_path):
    still = settings(folders, tmp_path, stages=((32, 1),), learning_rate=0.0, init=str(run / "weights.safetensors"))
    train(still)
    kept = {key: value for key, value in state_of(tmp_path).items() if "conv" in key and key.endswith("weight")}
    reference = load_state(run / "weights.safetensors")
    for key, value in kept.items():
        torch.testing.assert_close(value, reference[key], rtol=0, atol=0, msg=key)


def load_state(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return {key: value.float() for key, value in load_file(path).items()}


@pytest.mark.slow
def test_processes_share_a_batch(folders, tmp_path):
    train(settings(folders, tmp_path, stages=((32, 1),), batch=4, processes=2))
    assert (tmp_path / "weights.safetensors").exists()


def test_the_command(folders, tmp_path, capsys):
    out = str(tmp_path / "run")
    code = main([*folders, "--out", out, "--stages", "32:1", "--batch", "2", "--validation", "0.34", "--device", "cpu"])
    assert code == 0
    assert capsys.readouterr().out.strip().endswith("weights.safetensors")


@pytest.mark.slow
def test_the_command_stopped_by_ctrl_c_says_how_to_go_on(folders, tmp_path):
    command = [sys.executable, "-m", "mattingkit.methods.u2net.train", *folders, "--out", str(tmp_path)]
    command += ["--stages", "32:500", "--batch", "4", "--processes", "2", "--every", "1", "--device", "cpu"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "checkpoint.pt").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # to the whole group, as a terminal does
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.strip().endswith("Stopped. The same command goes on from this step.")
    assert not any(word in said for word in ("Traceback", "leaked"))


@pytest.mark.parametrize("stages", ["112", "16:10", "112:0", "a:b"])
def test_wrong_stages_are_refused(stages, capsys):
    with pytest.raises(SystemExit):
        main(["a", "b", "--out", "c", "--stages", stages])
    assert "--stages" in capsys.readouterr().err


def test_pairs_that_do_not_match_are_named(folders, tmp_path):
    with pytest.raises(ValueError, match=r"no mask for ball_1\.jpg"):
        find_pairs(Path(folders[0]), tmp_path)
    with pytest.raises(ValueError, match="no pictures"):
        find_pairs(tmp_path, Path(folders[1]))
    with pytest.raises(ValueError, match="cannot be shared by 3 processes"):
        train(settings(folders, tmp_path, batch=4, processes=3))


def test_samples_come_from_their_generator_alone(folders):
    pairs = [read_pair(*names) for names in find_pairs(Path(folders[0]), Path(folders[1]))]
    for seed in range(20):
        first = sample(pairs, seed % 6, 40, np.random.default_rng(seed))
        again = sample(pairs, seed % 6, 40, np.random.default_rng(seed))
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)
        assert first[0].shape == (3, 40, 40)
        assert np.isfinite(first[0]).all()
        assert 0 <= first[1].min() <= first[1].max() <= 1


def test_the_mask_moves_with_its_subject(folders):
    """However a view is turned, mirrored or cut, what the mask marks is brighter than what it does not."""
    pairs = [read_pair(*names) for names in find_pairs(Path(folders[0]), Path(folders[1]))]
    brighter = []
    for seed in range(60):
        picture, mask = sample(pairs, seed % 6, 40, np.random.default_rng(seed))
        if 0.05 < mask.mean() < 0.95:
            brighter.append(picture.mean(0)[mask[0] > 0.5].mean() > picture.mean(0)[mask[0] < 0.5].mean())
    # Not always: a rendered backdrop may be white.
    assert np.mean(brighter) > 0.7


def test_most_of_the_subject_stays_in_view(folders):
    """A disc takes a fifth of its picture; a view without one teaches nothing."""
    pairs = [read_pair(*names) for names in find_pairs(Path(folders[0]), Path(folders[1]))]
    shares = [sample(pairs, seed % 6, 40, np.random.default_rng(seed))[1].mean() for seed in range(60)]
    assert np.mean(np.array(shares) > 0.03) > 0.95


def test_what_hangs_behind_leaves_the_subject_alone():
    picture, mask = Image.new("RGB", (40, 40), (250, 250, 250)), Image.new("L", (40, 40))
    mask.paste(255, (10, 10, 30, 30))
    other = Pair("wall", Image.new("RGB", (30, 20), (0, 0, 0)), Image.new("L", (30, 20)))
    changed = []
    for seed in range(30):
        seen = np.asarray(_hang_behind(picture, mask, [other], np.random.default_rng(seed)))
        inside = np.asarray(mask) > 0
        assert (seen[inside] == 250).all()
        changed.append((seen[~inside] != 250).any())
    assert np.mean(changed) > 0.8


def test_of_two_subjects_both_count():
    picture, mask = Image.new("RGB", (40, 40), (0, 0, 0)), Image.new("L", (40, 40))
    mask.paste(255, (0, 0, 6, 6))
    second = Pair("second", Image.new("RGB", (30, 20), (200, 0, 0)), Image.new("L", (30, 20)))
    second.mask.paste(255, (10, 5, 20, 15))
    both, union = _join(picture, mask, second, np.random.default_rng(0))
    assert (np.asarray(union)[:6, :6] == 255).all()
    red = np.asarray(both)[:, :, 0] > 190
    assert red.sum() > 20
    assert (np.asarray(union)[red] > 127).all()


def test_studio_backdrops_are_drawn():
    found = [np.asarray(render_background(24, np.random.default_rng(seed))).reshape(-1, 3) for seed in range(80)]
    for backdrop in BACKDROPS:
        assert min(np.abs(np.median(pixels, axis=0) - backdrop).max() for pixels in found) < 60, backdrop


def test_a_right_guess_costs_less_than_a_wrong_one():
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 4:12, 4:12] = 1
    right, wrong = [[sign * (mask * 16 - 8)] * 7 for sign in (1, -1)]
    blank = [torch.zeros_like(mask)] * 7
    assert loss_of(right, mask) < 0.05 < loss_of(blank, mask) < loss_of(wrong, mask)


def test_evaluation_measures_iou_on_the_picture_itself(folders, run):
    pairs = [read_pair(*names) for names in find_pairs(Path(folders[0]), Path(folders[1]))]
    network, _ = load_network(run / "weights.safetensors")
    iou, scores = evaluate(network, pairs, 48)
    expected = []
    for pair in pairs:
        alpha = estimate_alpha_u2net(np.asarray(pair.picture), weights=run / "weights.safetensors", size=48)
        guess, truth = alpha > 0.5, np.asarray(pair.mask) > 127
        expected.append((guess & truth).sum() / (guess | truth).sum())
    np.testing.assert_allclose(scores, expected, atol=0.02)
    discs = [score for pair, score in zip(pairs, scores, strict=True) if pair.name.startswith("disc")]
    assert iou["disc"] == pytest.approx(np.mean(discs), abs=1e-4)


def test_training_goes_on_from_folded_norms_and_leaves_them_alone(folders, tmp_path):
    """A network without batch norms gets ones that change nothing, and the first steps do not undo what it knows."""
    torch.manual_seed(0)
    network = add_identity_norms(fold_batch_norms(build("u2netp")))
    save_weights(network, 48, tmp_path / "folded.safetensors")
    init = str(tmp_path / "folded.safetensors")
    state, _ = read_state(train(settings(folders, tmp_path / "run", init=init, learning_rate=1e-6)))
    before = network.state_dict()
    for key, value in before.items():
        if "running" in key or "tracked" in key:
            np.testing.assert_allclose(state[key], value, atol=1e-3)
        else:
            np.testing.assert_allclose(state[key], value, atol=3e-3)


def test_mixing_weights_is_their_mean(tmp_path):
    paths = [tmp_path / f"{name}.safetensors" for name in "ab"]
    for seed, path in enumerate(paths):
        torch.manual_seed(seed)
        save_weights(build("u2netp"), 96, path)
    mix_weights({paths[0]: 0.25, paths[1]: 0.75}, tmp_path / "mean.safetensors")
    first, second, mean = (read_network(path)[0].state_dict() for path in (*paths, tmp_path / "mean.safetensors"))
    key = "stage3.rebnconv2.conv_s1.weight"
    np.testing.assert_allclose(mean[key], 0.25 * first[key] + 0.75 * second[key], atol=2e-3)
    with pytest.raises(ValueError, match="add up to 1"):
        mix_weights({paths[0]: 0.5}, tmp_path / "none.safetensors")
    save_weights(build("u2netp"), 128, paths[1])
    with pytest.raises(ValueError, match="one size of input"):
        mix_weights({paths[0]: 0.5, paths[1]: 0.5}, tmp_path / "none.safetensors")
