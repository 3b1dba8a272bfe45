"""`npubench run|build --weights`, `--variant` and `--format hf` as a person uses them: real processes and files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from npubench.build import safetensors
from tests.build import made_checkpoints as made
from tests.cli.test_run_cli import FINISHED, npubench, run_folder

QUICK = ["--scenario", "single-stream", "--scope", "device", "--profile", "smoke", "--budget", "1s", "--launches", "1"]


@pytest.mark.slow
def test_a_checkpoint_is_measured_under_its_own_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path / "cache"))
    folder = made.write(tmp_path / "Team Model", made.config_of("qwen3"))
    text = tmp_path / "own.txt"
    text.write_text("시청 민원실은 평일 오전 아홉 시부터 오후 여섯 시까지 엽니다. " * 60, encoding="utf-8")
    asked = ["--model", "llm-chat-8m", "--backend", "cpu", "--weights", folder, "--variant", "static", "--text", text]
    done = npubench("run", *asked, *QUICK)
    assert done.returncode == 0, done.stderr
    run = json.loads((run_folder(done) / "run.json").read_text())
    (cell,) = [cell for cell in run["cells"] if cell["model"] != "overhead-floor"]
    assert cell["model"] == "llm-own-team-model"
    assert cell["verdict"] in FINISHED
    plan = json.loads((run_folder(done) / "plan.json").read_text())
    (planned,) = [cell for cell in plan["cells"] if cell["model"] == "llm-own-team-model"]
    assert planned["variant"] == "static"
    # Whose tokens they are is part of what was fed.
    assert planned["identity"]["data"] == plan["inputs"]["llm-own-team-model"]["sha256"]
    assert "Team Model" not in json.dumps(planned["identity"])
    quality = cell["quality"]
    assert quality["verdict"] == "passed"
    (likelihood,) = [score for score in quality["scores"] if score["metric"] == "token_likelihood"]
    # The static form says of the user's text what the portable one says.
    assert likelihood["value"] == pytest.approx(likelihood["reference"], rel=1e-3)
    assert 0 < likelihood["value"] < 1


@pytest.mark.slow
def test_a_run_of_a_checkpoint_resumes_only_with_that_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path / "cache"))
    config = made.config_of("llama")
    folder = made.write(tmp_path / "m", config)
    done = npubench("run", "--model", "llm-chat-8m", "--backend", "cpu", "--weights", folder, *QUICK)
    assert done.returncode == 0, done.stderr
    at = run_folder(done)
    (at / "run.json").unlink()
    for launch in at.glob("launches/*"):
        launch.unlink()
    for made_folder in (tmp_path / "cache" / "own").glob("[0-9a-f]*"):
        shutil.rmtree(made_folder)
    (folder / "model.safetensors").write_bytes(made.safetensors_bytes(made.drawn(config, seed=2)))
    done = npubench("run", "--resume", at)
    assert done.returncode == 4
    run = json.loads((at / "run.json").read_text())
    assert "changed since the run was planned" in json.dumps(run)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--weights", "x"], "--weights goes with one --model"),
        (["run", "--text", "x"], "--text goes with --weights DIR"),
        (["run", "--model", "llm-chat-8m", "--weights", "no-such-folder"], "no-such-folder: no such file or folder"),
        (["run", "--model", "cctv-detect", "--weights", "."], "is a folder; expected a file"),
        (["run", "--variant", "statik"], 'did you mean "static"'),
        (["run", "--onnx", "x.onnx", "--variant", "static"], "--onnx and --variant do not go together"),
        (["build", "llm-chat-8m", "--format", "hf"], "--format hf goes with -o DIR"),
        (["build", "llm-chat-8m", "-o", "x"], "--format hf goes with -o DIR"),
        (["build", "llm-chat-8m", "--format", "gguf", "-o", "x"], 'no format "gguf"'),
        (["build", "--format", "hf", "-o", "x"], "exactly one model"),
        (["build", "llm-chat-8m", "--tokenizer", "words"], "--tokenizer goes with --format hf"),
        (
            ["build", "llm-chat-8m", "--format", "hf", "-o", "x", "--tokenizer", "bpe"],
            'no tokenizer "bpe"; known: model',
        ),
        (["build", "llm-chat-8m", "--weights", "x", "--precision", "int8"], "built in fp32"),
        (["build", "llm-chat-8m", "--format", "hf", "--variant", "fused", "-o", "x"], "do not go with it"),
        (["build", "cctv-detect", "--format", "hf", "-o", "x-not-made"], "cctv-detect: cannot be written as hf"),
    ],
)
def test_bad_usage_is_exit_2_and_names_it(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = npubench(*arguments)
    assert done.returncode in (2, 4), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_variant_that_a_model_does_not_have_is_exit_4(monkeypatch: pytest.MonkeyPatch) -> None:
    done = npubench("run", "--backend", "null", "--model", "overhead-floor", *QUICK[:2], "--variant", "fused")
    assert done.returncode == 4, done.stderr
    assert "no fp32 build in the form that this backend takes (fused)" in done.stdout + done.stderr


def test_build_says_where_the_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPUBENCH_CACHE", str(tmp_path / "cache"))
    done = npubench("build", "llm-chat-8m", "--weights", made.write_sharded(tmp_path / "m", made.config_of("qwen2")))
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.splitlines()[-1].partition(": ")[2])
    assert path.name == "decoder.onnx"
    assert (path.parent / "weights.bin").is_file()
    done = npubench("build", "llm-chat-8m", "--variant", "static")
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0].strip() for line in done.stdout.splitlines()[-2:]] == ["prefill", "decode"]


def test_list_models_shows_the_variants() -> None:
    line = next(line for line in npubench("list", "models").stdout.splitlines() if line.startswith("llm-chat-8m"))
    assert line.endswith("portable, fused, static")


def test_a_hugging_face_folder_appears_whole(tmp_path: Path) -> None:
    done = npubench("build", "llm-chat-8m", "--format", "hf", "-o", tmp_path / "hf")
    assert done.returncode == 0, done.stderr
    assert "folded into lm_head.weight" in done.stdout
    names = ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(path.name for path in (tmp_path / "hf").iterdir()) == names
    tensors = safetensors.read(tmp_path / "hf" / "model.safetensors").tensors
    assert tensors["lm_head.weight"].shape == (8192, 256)
    assert not any("mix" in name for name in tensors)
    done = npubench("build", "llm-chat-8m", "--format", "hf", "-o", tmp_path / "hf")
    assert done.returncode in (2, 4)
    assert "is there already" in done.stderr
