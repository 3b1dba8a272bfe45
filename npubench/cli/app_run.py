"""`npubench run` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from npubench.cli.measuring_options import (
    Backends,
    Budget,
    DryRun,
    Launches,
    MeasuredBy,
    MetersFile,
    Models,
    NoPower,
    Onnx,
    Precisions,
    ProfileName,
    RulesetName,
    Scenarios,
    Scopes,
    Seed,
    StallTimeout,
    SuiteName,
    Wait,
)
from npubench.cli.options import (
    ApiKeyEnv,
    Artifacts,
    Cards,
    CompiledBy,
    CompiledFrom,
    Endpoint,
    EpDevice,
    EpLibrary,
    EpName,
    EpOption,
    Json,
    MachineName,
    Out,
    ServedModel,
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
    model: Models = None,
    backend: Backends = None,
    precision: Precisions = None,
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
    scenario: Scenarios = None,
    scope: Scopes = None,
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
    suite: SuiteName = None,
    profile: ProfileName = None,
    ruleset: RulesetName = None,
    launches: Launches = None,
    budget: Budget = None,
    seed: Seed = None,
    onnx: Onnx = None,
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
    endpoint: Endpoint = None,
    served_model: ServedModel = None,
    api_key_env: ApiKeyEnv = None,
    artifact: Artifacts = None,
    compiled_by: CompiledBy = None,
    compiled_from: CompiledFrom = None,
    out: Out = None,
    machine: MachineName = None,
    measured_by: MeasuredBy = None,
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
    dry_run: DryRun = False,
    resume: Annotated[
        str | None,
        typer.Option(
            "--resume", metavar="RUN", help=here("Finish a run that was stopped.", "중단된 실행을 마저 끝냅니다.")
        ),
    ] = None,
    stall_timeout: StallTimeout = None,
    wait: Wait = "10m",
    meters: MetersFile = None,
    no_power: NoPower = False,
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
            endpoint=endpoint,
            served_model=served_model,
            api_key_env=api_key_env,
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
