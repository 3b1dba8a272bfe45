"""`npubench run` as a person uses it: real processes, real signals, real files."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import onnx
import psutil
import pytest
from onnx import TensorProto, helper
from PIL import Image

from npubench.discovery import catalogue
from npubench.engine.lock import DeviceLock
from npubench.store import sha256_file
from tests.cli.inside import inside
from tests.support import write_backend

RUN = [sys.executable, "-m", "npubench", "run"]
TINY = ["--model", "overhead-floor", "--scenario", "single-stream", "--profile", "smoke", "--budget", "1s"]


# Degraded is what other work on the test machine makes of a sound launch.
FINISHED = ("valid", "degraded")


# They start nothing that outlives them.
_LOOKING = {"build", "check", "export", "list", "new", "pack", "report", "schema", "show", "verify"}


def npubench(*arguments: str | Path, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """The command, in a process of its own where it measures."""
    if arguments[0] in _LOOKING or "--dry-run" in arguments:
        return inside(*arguments)
    command = [sys.executable, "-m", "npubench", *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)


def run_folder(done: subprocess.CompletedProcess[str]) -> Path:
    """The last line of the output is the run folder."""
    return Path(done.stdout.splitlines()[-1])


def null_run(*options: str) -> list[str]:
    """A quick run that needs no runtime."""
    return [*RUN, "--backend", "null", *TINY, *options]


def measured_once(folder: Path, cache: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A tiny run for several tests: what a fixture of the module has of `isolated`, it says itself."""
    given = {"RESULTS": folder / "results", "LOCK_DIR": folder / "lock", "CACHE": cache, "MACHINE": "test-machine"}
    environment = os.environ | {f"NPUBENCH_{name}": str(value) for name, value in given.items()}
    environment |= {"NPUBENCH_LANG": "en", "XDG_CONFIG_HOME": str(folder / "config")}
    environment.pop("NPUBENCH_METERS", None)
    return subprocess.run(null_run(*options), capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> subprocess.CompletedProcess[str]:
    """A run of one backend that is here. Its folder is copied before anything in it is changed."""
    return measured_once(tmp_path_factory.mktemp("measured"), model_cache)


@pytest.fixture(scope="module")
def one_absent(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> subprocess.CompletedProcess[str]:
    """A run of a backend that is here and of one that is not."""
    return measured_once(tmp_path_factory.mktemp("absent"), model_cache, "--backend", "cuda")


def test_the_last_line_is_the_run_folder(measured: subprocess.CompletedProcess[str]) -> None:
    done = measured
    assert done.returncode == 0, done.stderr
    folder = run_folder(done)
    assert (folder / "run.json").is_file()
    assert "\x1b" not in done.stdout  # no colour codes where there is no terminal


def test_json_is_one_document_and_all_else_is_on_stderr() -> None:
    done = npubench("run", "--backend", "null", *TINY, "--json")
    run = json.loads(done.stdout)
    assert run["schema"] == "npubench.run/2"
    assert run["cells"][0]["execution_kind"] == "virtual"
    assert done.stderr.splitlines()[-1].endswith(run["id"])


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    done = npubench("run", "--backend", "null", *TINY, "--dry-run", "--json")
    assert json.loads(done.stdout)["schema"] == "npubench.plan/1"
    assert not (tmp_path / "results").exists()


def test_an_absent_backend_is_listed_with_its_reason_when_not_named() -> None:
    done = npubench("run", *TINY, "--dry-run")
    assert done.returncode == 0
    assert "not here: cuda: " in done.stdout


def test_an_absent_backend_asked_for_by_name_is_exit_4(one_absent: subprocess.CompletedProcess[str]) -> None:
    alone = npubench("run", "--backend", "cuda", *TINY)
    assert alone.returncode == 4
    assert "cuda: this machine shows no NVIDIA GPU, so its environment was not installed" in alone.stderr
    assert one_absent.returncode == 4
    assert (run_folder(one_absent) / "run.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--backend", "cpuu"], 'no backend "cpuu" (did you mean "cpu"?)'),
        (["--model", "cctv"], 'no model "cctv"'),
        (["--scenario", "singlestream"], 'did you mean "single-stream"'),
        (["--suite", "public"], 'no suite "public"'),
        (["--profile", "quick"], 'no profile "quick"; known: smoke, standard, nightly, certify'),
        (["--budget", "soon"], "--budget: 'soon' is not a duration"),
        (["--shape", "x=1x2"], "--shape goes with --onnx"),
        (["--onnx", "a.onnx", "--shape", "x:1"], "expected NAME=1x3x224x224"),
        (["--resume", "nothing"], 'no run "nothing"'),
        (["--resume", "latest", "--model", "cctv-detect", "--seed", "0"], "--resume and --model, --seed do not go"),
        (["--resume", "latest", "--dry-run"], "--resume and --dry-run do not go together"),
        (["--precision", "fp3"], 'no precision "fp3" (did you mean "fp32"?)'),
        (["--model", "llm-chat-8m", "--frames", "frames"], "--frames reaches nothing: llm-chat-8m read no frames"),
        (["--model", "overhead-floor", "--scope", "service"], "--scope service reaches nothing"),
        (["--onnx", "a.onnx", "--precision", "fp32"], "--onnx and --precision do not go together"),
        (["--onnx", "a.onnx", "--scope", "device"], "--onnx and --scope do not go together"),
        (["--onnx", "a.onnx", "--pages", "pages"], "--onnx and --pages do not go together"),
        (["--wait", "long"], "--wait: 'long' is not a duration"),
        (["--cards", "nowhere"], "expects a folder"),
    ],
)
def test_bad_usage_is_exit_2_and_says_what_to_do(arguments: list[str], said: str) -> None:
    done = inside("run", *arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_results_folder_not_writable() -> None:
    done = npubench("run", "--backend", "null", *TINY, "--out", "/proc/nowhere")
    assert done.returncode == 2
    assert "results cannot be written there" in done.stderr
    assert "--out DIR" in done.stderr


def test_an_empty_frames_folder(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    done = npubench("run", "--model", "cctv-detect", "--frames", tmp_path / "frames", "--dry-run")
    assert done.returncode == 2
    assert str(tmp_path / "frames") in done.stderr


def add_model(path: Path, shape: Sequence[int | str], op: str = "Add") -> Path:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)]
    graph = helper.make_graph([helper.make_node(op, ["x", "x"], ["y"])], "g", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.mark.slow
def test_any_onnx_file_and_its_symbolic_dimensions(tmp_path: Path) -> None:
    path = add_model(tmp_path / "My Model.onnx", ["n", 4])
    done = npubench("run", "--onnx", path, "--backend", "cpu", "--profile", "smoke", "--budget", "2s", "--json")
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    cell = next(cell for cell in run["cells"] if cell["purpose"] == "measure")
    assert cell["model"] == "onnx-my-model"
    assert cell["precision"] == "native"
    assert cell["placement"]["providers"] == {"CPUExecutionProvider": 1}
    (note,) = [note for note in run["notes"] if note["code"] == "shape-defaulted"]
    assert "dimension n is symbolic; 1 is used" in note["text"]["en"]
    assert note["text"]["en"] in done.stderr
    given = npubench("run", "--onnx", path, "--shape", "x=2x4", "--backend", "cpu", "--dry-run", "--json")
    assert "shape-defaulted" not in [note["code"] for note in json.loads(given.stdout)["notes"]]
    assert npubench("run", "--onnx", path, "--shape", "x=2x5", "--dry-run").returncode == 2
    assert npubench("run", "--onnx", path, "--shape", "z=2x4", "--dry-run").returncode == 2


def test_an_onnx_file_that_is_truncated(tmp_path: Path) -> None:
    path = add_model(tmp_path / "m.onnx", [1, 4])
    path.write_bytes(path.read_bytes()[:-9])
    done = npubench("run", "--onnx", path, "--dry-run")
    assert done.returncode == 2
    assert str(path) in done.stderr


def test_an_onnx_file_with_an_unknown_op(tmp_path: Path) -> None:
    done = npubench("run", "--onnx", add_model(tmp_path / "m.onnx", [1, 4], "Frobnicate"), "--dry-run")
    assert done.returncode == 2
    assert "Frobnicate" in done.stderr


@pytest.mark.slow
def test_full_disk_during_a_run_then_resume(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tiny file system needs root")
    try:
        (disk / "ballast").write_bytes(b"0" * 100_000)
        done = npubench("run", "--backend", "null", *TINY, "--out", disk, "--launches", "2")
        assert done.returncode == 4
        assert "the disk is full" in done.stderr
        assert "--resume" in done.stderr
        (run,) = (disk / "test-machine").iterdir()
        assert not (run / "run.json").exists()
        subprocess.run(["mount", "-o", "remount,size=600m", str(disk)], check=True)
        assert npubench("run", "--resume", run).returncode == 0
        assert (run / "run.json").is_file()
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_tampered_room_is_an_invalid_cell_and_the_others_go_on(tmp_path: Path) -> None:
    room = tmp_path / "cards" / "models" / "tampered"
    shutil.copytree(catalogue().models["overhead-floor"].path.parent, room)
    card = room / "model.toml"
    card.write_text(card.read_text().replace('id = "overhead-floor"', 'id = "tampered"'))
    (room / "add.onnx").write_bytes((room / "add.onnx").read_bytes() + b"\0")
    arguments = ["--cards", tmp_path / "cards", "--backend", "null", *TINY, "--model", "tampered", "--json"]
    assert npubench("check", "--cards", tmp_path / "cards").returncode == 2
    done = npubench("run", *arguments)
    assert done.returncode == 4
    cells = {cell["model"]: cell for cell in json.loads(done.stdout)["cells"]}
    assert cells["overhead-floor"]["verdict"] in FINISHED
    assert cells["tampered"]["failures"][0]["kind"] == "bad_artifact"
    assert "add.onnx" in cells["tampered"]["failures"][0]["message"]


def wait_for(path: Path, pattern: str, count: int = 1) -> list[Path]:
    """The files of that pattern, once there are `count`."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = sorted(path.glob(pattern))
        if len(found) >= count:
            return found
        time.sleep(0.02)
    raise AssertionError(f"no {count} × {pattern} in {path}")


LONG = ["--launches", "6"]


@pytest.mark.slow
def test_ctrl_c_once_finishes_the_write_and_says_how_to_resume(tmp_path: Path) -> None:
    process = subprocess.Popen(null_run(*LONG), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    first = wait_for(tmp_path / "results", "*/*/launches/*-1.json")[0]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    run = first.parent.parent
    assert f"npubench run --resume {run}" in said
    assert json.loads(first.read_bytes())["status"] == "ok"
    assert not list(run.rglob(".*"))
    assert not (run / "work").exists()
    done = npubench("run", "--resume", run)
    assert done.returncode == 0, done.stderr
    sealed = (run / "run.json").read_bytes()
    assert len(json.loads(sealed)["cells"][0]["launches"]) == 6
    again = npubench("run", "--resume", run)
    assert again.returncode == 0, again.stderr
    assert "complete already" in again.stdout
    assert (run / "run.json").read_bytes() == sealed


def test_ctrl_c_twice_ends_at_once(tmp_path: Path) -> None:
    cards = write_backend(tmp_path / "cards", "stuck", fault="hang")
    command = [*RUN, "--cards", str(cards), "--backend", "stuck", *TINY]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(tmp_path / "results", "*/*/work/*/stderr.txt")
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130


@pytest.mark.slow
def test_kill_9_of_the_parent_loses_at_most_one_launch_and_leaves_no_orphan(tmp_path: Path) -> None:
    process = subprocess.Popen(null_run(*LONG), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    launches = wait_for(tmp_path / "results", "*/*/launches/*.json", 2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    run = launches[0].parent.parent
    kept = {path.name: path.read_bytes() for path in (run / "launches").glob("*.json")}
    assert len(kept) >= 2
    assert npubench("show", run).returncode == 0  # readable before it is complete
    done = npubench("run", "--resume", run)
    assert done.returncode == 0, done.stderr
    after = {path.name: path.read_bytes() for path in (run / "launches").glob("*.json")}
    assert len(after) == 6
    assert kept.items() <= after.items()


def test_two_runs_at_once_the_second_names_the_first(tmp_path: Path) -> None:
    cards = write_backend(tmp_path / "cards", "stuck", fault="hang")
    command = [*RUN, "--cards", str(cards), "--backend", "stuck", *TINY]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(tmp_path / "results", "*/*/work/*/stderr.txt")
        second = npubench("run", "--backend", "null", *TINY, "--wait", "1s")
        assert second.returncode == 4
        assert f"pid {first.pid}" in second.stderr
        (run,) = (tmp_path / "results").glob("*/*/")  # a run that never began leaves no folder
        assert run.name in second.stderr
    finally:
        first.terminate()
        first.wait()


def test_a_hanging_backend_is_a_result_and_exit_4(tmp_path: Path) -> None:
    cards = write_backend(tmp_path / "cards", "stuck", fault="hang")
    arguments = ["--cards", cards, "--backend", "stuck", "--backend", "null", *TINY, "--stall-timeout", "5s"]
    done = npubench("run", *arguments, "--json")
    assert done.returncode == 4
    verdicts = {cell["backend"]: cell["verdict"] for cell in json.loads(done.stdout)["cells"]}
    assert verdicts.pop("null") in FINISHED
    assert verdicts == {"stuck": "invalid"}


def metered_cards(tmp_path: Path) -> Path:
    """A `--cards` folder with a backend that names the test meter."""
    # Slow enough that the table of samples lasts for the window.
    cards = write_backend(tmp_path / "cards", "metered", work_ns=200_000)
    card = cards / "backends" / "metered.toml"
    card.write_text(card.read_text().replace("precisions =", 'meters = ["synthetic"]\nprecisions ='))
    return cards


@pytest.mark.slow
def test_a_known_energy_is_in_the_launch_and_no_secret_is_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "square:10:30:2")
    monkeypatch.setenv("NPUBENCH_REDFISH_PASSWORD", "open-sesame")
    cards = metered_cards(tmp_path)
    budget = ["--model", "overhead-floor", "--scenario", "single-stream", "--profile", "smoke", "--budget", "45s"]
    done = npubench("run", "--cards", cards, "--backend", "metered", *budget)
    assert done.returncode == 0, done.stderr
    assert "power: synthetic.power: the whole card, instant power; counts for metered" in done.stdout
    assert done.stdout.count("reading idle power for 10 s") == 2
    folder = run_folder(done)
    (path,) = (folder / "launches").glob("*.json")
    launch = json.loads(path.read_bytes())
    window = launch["energy"]["window"]
    seconds = (window["end_ns"] - window["start_ns"]) / 1e9
    assert seconds >= 30
    # 20 W over whole periods; what is left of one at either end is at most 1 s of 10 W.
    for name in ("synthetic.power", "synthetic.energy"):
        assert launch["energy"]["channels"][name]["energy_j"] == pytest.approx(20 * seconds, abs=10.5)
    assert launch["energy"]["scopes"]["card"]["net_j"] is not None
    kept = path.with_suffix(".power.npz")
    assert launch["power"] == {"file": kept.name, "sha256": sha256_file(kept)}
    session = json.loads((folder / "power" / "1.json").read_bytes())
    assert set(session["before"]) == set(session["after"]) == {"synthetic.power", "synthetic.energy"}
    assert len(session["clock"]) == 2
    assert json.loads((folder / "run.json").read_bytes())["power"] == [session]
    for found in folder.rglob("*"):
        assert not found.is_file() or b"open-sesame" not in found.read_bytes()
    assert "open-sesame" not in done.stdout + done.stderr


def test_the_meters_of_a_run_are_printed_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_SYNTHETIC_POWER", "constant:25")
    arguments = ["run", "--cards", metered_cards(tmp_path), "--backend", "metered", *TINY, "--dry-run"]
    done = npubench(*arguments)
    assert done.returncode == 0, done.stderr
    assert "power: synthetic.energy: the whole card, energy counter; counts for metered" in done.stdout
    assert "no power from rapl: " in done.stdout or "power: rapl." in done.stdout
    done = npubench(*arguments, "--no-power", "--json")
    assert json.loads(done.stdout)["meters"] == []
    assert "power: not measured (--no-power)" in done.stderr


def test_a_meters_file_that_is_wrong_ends_before_anything_is_probed(tmp_path: Path) -> None:
    path = tmp_path / "meters.toml"
    path.write_text('schema = "npubench.meters/1"\n[[meters]]\nuse = "syntetic"\n', encoding="utf-8")
    done = npubench("run", "--backend", "null", *TINY, "--meters", path)
    assert done.returncode == 2
    assert f'{path}: meters[0].use: found "syntetic" (did you mean "synthetic"?)' in done.stderr
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").iterdir())
    done = npubench("run", "--backend", "null", *TINY, "--meters", path, "--no-power")
    assert done.returncode == 2
    assert "--no-power and --meters do not go together" in done.stderr


def test_ctrl_c_while_waiting_for_another_run_ends_at_once(tmp_path: Path) -> None:
    with DeviceLock("results/m/other"):
        process = subprocess.Popen(null_run("--wait", "1h"), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert "waiting: process" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped while waiting; nothing was measured" in said
    assert not list((tmp_path / "results").iterdir())


def test_the_suite_pairs_fp32_with_integers() -> None:
    done = npubench("run", "--backend", "null", "--dry-run", "--json")
    plan = json.loads(done.stdout)
    cells = [(c["model"], c["precision"], c["scenario"]["name"], c["scope"]) for c in plan["cells"]]
    assert ("cctv-detect", "int8", "single-stream", "device") in cells
    assert ("llm-chat-135m", "int4", "single-stream", "device") in cells
    assert ("cctv-detect", "fp32", "offline", "service") in cells
    assert not [cell for cell in cells if cell[1] != "fp32" and cell[2:] != ("single-stream", "device")]
    named = json.loads(npubench("run", "--backend", "null", "--dry-run", "--json", "--precision", "int8").stdout)
    cells = [(c["model"], c["scenario"]["name"]) for c in named["cells"] if c["precision"] == "int8"]
    assert ("cctv-detect", "offline") in cells
    assert ("cctv-detect", "cameras") in cells
    # One at a time in both scopes, everything else as a service.
    assert Counter(cells)["cctv-detect", "single-stream"] == 2
    assert Counter(cells)["cctv-detect", "offline"] == 1


def test_calibration_is_for_one_model_that_reads_pictures(tmp_path: Path) -> None:
    done = npubench("run", "--backend", "null", "--calibrate", tmp_path, "--dry-run")
    assert (done.returncode, "--calibrate is for one model" in done.stderr) == (2, True)
    done = npubench("run", "--backend", "null", "--model", "llm-chat-8m", "--calibrate", tmp_path, "--dry-run")
    assert (done.returncode, "reads no pictures" in done.stderr) == (2, True)
    done = npubench("build", "cctv-detect", "--precision", "int8", "--calibrate", tmp_path)
    assert (done.returncode, "holds no picture" in done.stderr) == (2, True)


def test_a_dry_run_needs_no_lock() -> None:
    with DeviceLock("results/m/other"):
        assert npubench("run", "--backend", "null", *TINY, "--dry-run", "--wait", "1s").returncode == 0


def unsealed(done: subprocess.CompletedProcess[str], tmp_path: Path) -> Path:
    """A copy of the folder of a run that looks as if it had been killed just before it was sealed."""
    sealed = run_folder(done)
    folder = tmp_path / "results" / sealed.parent.name / sealed.name
    shutil.copytree(sealed, folder)
    (folder / "run.json").unlink()
    return folder


def test_a_run_is_not_resumed_on_another_machine(tmp_path: Path, measured: subprocess.CompletedProcess[str]) -> None:
    folder = unsealed(measured, tmp_path)
    plan = json.loads((folder / "plan.json").read_bytes())
    named = npubench("run", "--resume", folder, "--machine", "other")
    assert named.returncode == 5
    assert "name: test-machine → other" in named.stderr
    plan["machine"]["cpu"] = "Another CPU"
    (folder / "plan.json").write_text(json.dumps(plan))
    moved = npubench("run", "--resume", folder)
    assert moved.returncode == 5
    assert "cpu: Another CPU → " in moved.stderr
    assert not (folder / "run.json").exists()


@pytest.mark.slow
def test_a_named_precision_that_nothing_takes_is_exit_4_and_stays_so_when_resumed(tmp_path: Path) -> None:
    done = npubench("run", "--backend", "null", *TINY, "--precision", "fp32", "--precision", "int8")
    folder = unsealed(done, tmp_path / "copy")
    again = npubench("run", "--resume", folder)
    assert again.returncode == 4
    run = json.loads((folder / "run.json").read_bytes())
    assert {cell["precision"] for cell in run["cells"]} == {"fp32"}
    assert [cell["precision"] for cell in run["unsupported"]] == ["int8"]


def test_a_named_backend_that_is_absent_is_exit_4_when_resumed_too(
    tmp_path: Path, one_absent: subprocess.CompletedProcess[str]
) -> None:
    folder = unsealed(one_absent, tmp_path)
    assert npubench("run", "--resume", folder).returncode == 4


def test_a_run_says_who_measured_it(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["run", "--backend", "null", *TINY, "--dry-run", "--json"]
    monkeypatch.setenv("NPUBENCH_MEASURED_BY", "centre: the night shift")
    assert json.loads(npubench(*arguments).stdout)["measured_by"] == "centre:the night shift"
    monkeypatch.setenv("NPUBENCH_MEASURED_BY", "the night shift")
    wrong = npubench(*arguments)
    assert wrong.returncode == 2
    assert "vendor, centre, ci, unknown" in wrong.stderr


def test_a_plan_says_that_it_reads_the_users_own_frames_and_how_many(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(33):
        Image.new("RGB", (4, 4), (index, 0, 0)).save(frames / f"{index}.png")
    arguments = ["run", "--backend", "cpu", "--model", "cctv-detect", "--dry-run", "--json"]
    ours = json.loads(npubench(*arguments).stdout)
    assert ours["inputs"]["cctv-detect"]["source"] == "street-frames"
    done = npubench(*arguments, "--frames", frames)
    plan = json.loads(done.stdout)
    assert plan["inputs"]["cctv-detect"]["source"] == "own"
    assert plan["inputs"]["cctv-detect"]["files"] == 33
    assert plan["inputs"]["cctv-detect"]["sha256"] != ours["inputs"]["cctv-detect"]["sha256"]
    assert "reads your own data (33 files)" in done.stderr
    (note,) = [note for note in plan["notes"] if note["code"] == "inputs-cycled"]
    assert "of your own 33 files the first 32 are used" in note["text"]["en"]
