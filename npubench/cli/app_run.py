"""`npubench run` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.options import (
    Artifacts,
    Cards,
    CompiledBy,
    CompiledFrom,
    EpDevice,
    EpLibrary,
    EpName,
    EpOption,
    Json,
    MachineName,
    Out,
    VariantName,
    Weights,
)
from npubench.cli.root import app
from npubench.lang import here


@app.command(
    help=here(
        "Measure. Without options: the public-sector suite on every backend that is ready.",
        "측정합니다. 옵션이 없으면 준비된 모든 백엔드에서 공공 서비스 스위트를 잽니다.",
    )
)
def run(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME", help=here("Model (repeatable).", "모델(반복 가능).")),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            help=here("Backend (repeatable; default: all that are ready).", "백엔드(반복 가능, 기본: 준비된 모두)."),
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option("--precision", "-p", metavar="NAME", help=here("Precision (repeatable).", "정밀도(반복 가능).")),
    ] = None,
    variant: VariantName = None,
    weights: Weights = None,
    text: Annotated[
        Path | None,
        typer.Option(
            "--text",
            metavar="FILE",
            help=here(
                "With --weights DIR: score the perplexity of this text.",
                "퍼플렉서티를 잴 텍스트(--weights와 함께).",
            ),
        ),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            "-s",
            metavar="NAME[:KEY=VALUE,…]",
            help=here(
                "Scenario, cameras:fps=15 (repeatable; see list scenarios).",
                "시나리오, 예: cameras:fps=15(반복 가능, list scenarios 참고).",
            ),
        ),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", metavar="NAME", help=here("device or service (repeatable).", "device 또는 service(반복 가능).")
        ),
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(
            "--mix",
            metavar="MODEL=SCENARIO",
            help=here(
                "Services measured alone and then all at once (repeatable).",
                "각각 잰 다음 동시에 재는 서비스(반복).",
            ),
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            "--suite",
            metavar="NAME",
            help=here("Suite (default: public-sector).", "스위트(기본: public-sector)."),
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help=here("smoke, standard (default), nightly, certify.", "smoke, standard(기본), nightly, certify."),
        ),
    ] = None,
    ruleset: Annotated[
        str | None,
        typer.Option(
            "--ruleset",
            metavar="NAME",
            help=here("Bounds and minimums (default: npubench-1).", "한계와 최소 조건(기본: npubench-1)."),
        ),
    ] = None,
    launches: Annotated[
        int | None,
        typer.Option(
            "--launches", metavar="N", min=1, help=here("Fresh processes per cell.", "셀마다 새 프로세스 수.")
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget",
            metavar="30m",
            help=here("Measuring time in all, instead of the profile's.", "프로파일 대신 쓸 전체 측정 시간."),
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            help=here("Seed of order and inputs (default: 0).", "순서와 입력의 시드(기본: 0)."),
        ),
    ] = None,
    onnx: Annotated[
        list[Path] | None,
        typer.Option(
            "--onnx",
            metavar="FILE",
            help=here("Measure any ONNX file (repeatable).", "임의의 ONNX 파일을 측정(반복 가능)."),
        ),
    ] = None,
    shape: Annotated[
        list[str] | None,
        typer.Option(
            "--shape", metavar="NAME=1x3x224x224", help=here("Shape of an input of --onnx.", "--onnx 입력의 모양.")
        ),
    ] = None,
    frames: Annotated[
        Path | None,
        typer.Option(
            "--frames", metavar="DIR", help=here("Your own frames for detection.", "탐지에 쓸 자체 프레임 폴더.")
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            "--video",
            metavar="FILE|DIR",
            help=here(
                "Your own clips as cameras (H.264, H.265), or street-clips.",
                "카메라로 쓸 자체 영상 또는 street-clips.",
            ),
        ),
    ] = None,
    pages: Annotated[
        Path | None,
        typer.Option("--pages", metavar="DIR", help=here("Your own pages for OCR.", "OCR에 쓸 자체 문서 폴더.")),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="DIR",
            help=here("Quantise with ranges from your own pictures.", "자체 그림에서 얻은 범위로 양자화합니다."),
        ),
    ] = None,
    ep_library: EpLibrary = None,
    ep_name: EpName = None,
    ep_device: EpDevice = None,
    ep_option: EpOption = None,
    artifact: Artifacts = None,
    compiled_by: CompiledBy = None,
    compiled_from: CompiledFrom = None,
    out: Out = None,
    machine: MachineName = None,
    measured_by: Annotated[
        str | None,
        typer.Option(
            "--measured-by",
            metavar="KIND[:NAME]",
            help=here(
                "Who measures: vendor, centre, ci; a name may follow.", "측정 주체: vendor, centre, ci(이름 추가 가능)."
            ),
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="PATH",
            help=here("Also write the HTML report, to a file or folder.", "HTML 보고서도 파일 또는 폴더에 씁니다."),
        ),
    ] = None,
    pin: Annotated[
        str | None,
        typer.Option("--pin", metavar="0,1", help=here("Processors of the requests.", "요청을 실행할 프로세서.")),
    ] = None,
    priority: Annotated[
        str | None,
        typer.Option(
            "--priority",
            metavar="NAME",
            help=here("normal (default), high or realtime.", "normal(기본), high, realtime."),
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help=here("Show the plan and stop.", "계획만 보여 주고 멈춥니다."))
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume", metavar="RUN", help=here("Finish a run that was stopped.", "중단된 실행을 마저 끝냅니다.")
        ),
    ] = None,
    stall_timeout: Annotated[
        str | None,
        typer.Option(
            "--stall-timeout",
            metavar="2m",
            help=here("Give a silent worker up after this long.", "응답 없는 작업을 포기할 시간."),
        ),
    ] = None,
    wait: Annotated[
        str,
        typer.Option(
            "--wait",
            metavar="10m",
            help=here("Wait this long for another run to end.", "다른 실행을 기다릴 시간."),
        ),
    ] = "10m",
    meters: Annotated[
        Path | None,
        typer.Option(
            "--meters",
            metavar="FILE",
            help=here(
                "Meters of this machine, a BMC say (default: NPUBENCH_METERS, then the user's meters.toml).",
                "전력계 파일, 예: BMC(기본: NPUBENCH_METERS).",
            ),
        ),
    ] = None,
    no_power: Annotated[
        bool, typer.Option("--no-power", help=here("Read no power meter.", "전력을 측정하지 않습니다."))
    ] = False,
    power_pulse: Annotated[
        bool,
        typer.Option(
            "--power-pulse",
            help=here(
                "Load the cores on and off first, to align an external meter's log.",
                "외부 기록을 맞출 부하 펄스를 먼저 줍니다.",
            ),
        ),
    ] = False,
    json: Json = False,
    cards: Cards = None,
) -> None:
    """See `measure.run`."""
    from npubench.cli import measure
    from npubench.cli.asked import Asked

    measure.run(
        Asked(
            models=tuple(model or ()),
            backends=tuple(backend or ()),
            precisions=tuple(precision or ()),
            variant=variant,
            weights=weights,
            text=text,
            scenarios=tuple(scenario or ()),
            scopes=tuple(scope or ()),
            mix=tuple(mix or ()),
            suite=suite,
            profile=profile,
            ruleset=ruleset,
            pin=pin,
            priority=priority,
            launches=launches,
            budget=budget,
            seed=seed,
            onnx=tuple(onnx or ()),
            shapes=tuple(shape or ()),
            frames=frames,
            video=video,
            pages=pages,
            calibrate=calibrate,
            measured_by=measured_by,
            ep_library=ep_library,
            ep_name=ep_name,
            ep_device=ep_device,
            ep_options=tuple(ep_option or ()),
            artifacts=tuple(artifact or ()),
            compiled_by=compiled_by,
            compiled_from=compiled_from,
            out=out,
            machine=machine,
            report=report,
            dry_run=dry_run,
            resume=resume,
            stall_timeout=stall_timeout,
            wait=wait,
            as_json=json,
            cards=tuple(cards or ()),
            meters=meters,
            no_power=no_power,
            power_pulse=power_pulse,
        )
    )
