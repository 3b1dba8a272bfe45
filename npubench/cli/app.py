"""The commands and their options. Each body is one call into a sibling module, imported when it runs."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from npubench.cli import env
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
from npubench.lang import here

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=here(
        "Measures what each device really delivers for CCTV detection, document reading and language models.",
        "CCTV 탐지, 문서 판독, 언어 모델에서 각 장치가 실제로 내는 성능을 측정합니다.",
    ),
)


class Kind(str, Enum):
    """What `list` can list."""

    backends = "backends"
    models = "models"
    scenarios = "scenarios"
    suites = "suites"


def _version(asked: bool) -> None:
    if asked:
        from npubench import __version__

        typer.echo(f"npubench {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help=here("Print the version.", "버전을 출력합니다.")
        ),
    ] = False,
) -> None:
    pass


@app.command(
    help=here(
        "Check every card and data set; name every mistake.", "모든 카드와 데이터 세트를 검사하고 잘못을 알려 줍니다."
    )
)
def check(cards: Cards = None) -> None:
    """See `look.check`."""
    from npubench.cli import look

    look.check(cards or [])


@app.command(
    help=here(
        "What could run here, what is missing and how to get it.",
        "여기서 실행 가능한 것과 빠진 것, 준비하는 방법을 보여 줍니다.",
    )
)
def doctor(json: Json = False, cards: Cards = None, machine: MachineName = None, out: Out = None) -> None:
    """See `look.doctor`."""
    from npubench.cli import look

    look.doctor(as_json=json, cards=cards or [], machine=machine, out=out)


@app.command(
    "list",
    help=here("List backends, models, scenarios or suites.", "백엔드, 모델, 시나리오, 스위트 목록을 보여 줍니다."),
)
def list_(kind: Annotated[Kind, typer.Argument()], cards: Cards = None) -> None:
    """See `look.listing`."""
    from npubench.cli import look

    look.listing(kind.value, cards or [])


@app.command(help=here("Materialise models into the cache.", "모델을 캐시에 만듭니다."))
def build(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help=here("Models (default: the suite's).", "모델(기본: 스위트의 모델).")),
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            "--precision", metavar="NAME", help=here("fp32 (default), int8, fp16, …", "fp32(기본), int8, fp16, …")
        ),
    ] = "fp32",
    batch: Annotated[
        int,
        typer.Option(
            "--batch", metavar="N", min=1, help=here("Batch size of --variant static.", "static의 배치 크기.")
        ),
    ] = 1,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            "--calibrate",
            metavar="DIR",
            help=here("Quantise with ranges from your own pictures.", "자체 그림에서 얻은 범위로 양자화합니다."),
        ),
    ] = None,
    variant: VariantName = None,
    weights: Weights = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help=here(
                "onnx (into the cache) or hf (a Hugging Face folder).", "onnx(캐시에) 또는 hf(Hugging Face 폴더)."
            ),
        ),
    ] = "onnx",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help=here("Folder for --format hf.", "--format hf의 폴더.")),
    ] = None,
    cards: Cards = None,
) -> None:
    """See `making` for your own weights and other formats, else `look.build`."""
    from npubench.cli import look, making

    making.check(models or [], precision, variant, weights, form, output)
    if form == "hf":
        making.export(models or [], output, cards or [])
    elif weights is not None:
        making.own(models or [], weights, variant, cards or [])
    else:
        look.build(
            models or [], precision, cards or [], variant=variant or "portable", batch=batch, calibrate=calibrate
        )


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
        typer.Option("--scenario", "-s", metavar="NAME", help=here("Scenario (repeatable).", "시나리오(반복 가능).")),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope", metavar="NAME", help=here("device or service (repeatable).", "device 또는 service(반복 가능).")
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
            help=here("Wait this long for another run to end.", "다른 실행이 끝나기를 기다릴 시간."),
        ),
    ] = "10m",
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
            suite=suite,
            profile=profile,
            launches=launches,
            budget=budget,
            seed=seed,
            onnx=tuple(onnx or ()),
            shapes=tuple(shape or ()),
            frames=frames,
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
        )
    )


@app.command(
    help=here("Show a run (a folder, a run id, or latest).", "실행 결과를 보여 줍니다(폴더, 실행 id 또는 latest).")
)
def show(
    run: Annotated[str, typer.Argument(metavar="RUN")] = "latest",
    placement: Annotated[
        bool,
        typer.Option(
            "--placement",
            help=here(
                "Where each model ran: the placement certificates.", "모델별 실행 위치: 배치 증명서를 보여 줍니다."
            ),
        ),
    ] = False,
    json: Json = False,
    out: Out = None,
) -> None:
    """See `look.show`."""
    from npubench.cli import look

    look.show(run, as_json=json, out=out, placement=placement)


@app.command(
    help=here(
        "Compare two runs: what got slower, and by how much.", "두 실행을 비교해 무엇이 얼마나 느려졌는지 보여 줍니다."
    )
)
def compare(
    base: Annotated[str, typer.Argument(metavar="BASE", help=here("A run, or baseline.", "실행 또는 baseline."))],
    new: Annotated[str, typer.Argument(metavar="NEW")] = "latest",
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="FIELD",
            help=here("Compare although FIELD differs (recorded).", "FIELD가 달라도 비교합니다(기록에 남음)."),
        ),
    ] = None,
    json: Json = False,
    out: Out = None,
) -> None:
    """See `compare.compare`."""
    from npubench.cli import compare as comparing

    comparing.compare(base, new, allow=allow or [], as_json=json, out=out)


@app.command(help=here("Write the HTML report of one or more runs.", "하나 이상의 실행에 대한 HTML 보고서를 씁니다."))
def report(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help=here("File or folder.", "파일 또는 폴더.")),
    ] = None,
    language: Annotated[
        str,
        typer.Option(
            "--lang",
            metavar="LANG",
            help=here("First language of the page: en or ko.", "페이지의 첫 언어: en 또는 ko."),
        ),
    ] = "",
    out: Out = None,
) -> None:
    """See `look.report`."""
    from npubench.cli import look

    look.report(runs, output, language, out)


@app.command(help=here("Export JSON Schemas of cards and results.", "카드와 결과의 JSON Schema를 내보냅니다."))
def schema(
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help=here("Folder (default: stdout).", "폴더(기본: stdout).")),
    ] = None,
) -> None:
    """See `look.schema`."""
    from npubench.cli import look

    look.schema(output)


@app.command(
    help=here(
        "Every precision of the models on a backend: quality beside speed, as a table.",
        "모델의 모든 정밀도를 품질과 속도로 비교한 표를 보여 줍니다.",
    ),
)
def quality(
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help=here("Model (repeatable; default: the suite's).", "모델(반복 가능, 기본: 스위트의 모델)."),
        ),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend", "-b", metavar="NAME", help=here("Backend (repeatable; default: cpu).", "백엔드(기본: cpu).")
        ),
    ] = None,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision", "-p", metavar="NAME", help=here("Precision (default: all).", "정밀도(기본: 모두).")
        ),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            metavar="NAME",
            help=here("How many inputs: smoke, standard; nightly: all.", "입력 수: smoke, standard, nightly는 전부."),
        ),
    ] = "standard",
    markdown: Annotated[
        bool, typer.Option("--markdown", help=here("The table as Markdown.", "표를 마크다운으로."))
    ] = False,
    cards: Cards = None,
    json: Json = False,
    out: Out = None,
) -> None:
    """See `quality.quality`."""
    from npubench.cli.quality import quality as asked

    asked(model or [], backend or [], precision or [], profile, cards or [], out, markdown, as_json=json)


class Selftest(str, Enum):
    """What `selftest` can test."""

    overhead = "overhead"
    quality = "quality"


@app.command(
    help=here(
        "Test npubench itself on this machine: its overhead, or that the quality gate catches faults.",
        "npubench 자체를 시험합니다(하네스 비용 또는 품질 게이트).",
    ),
)
def selftest(
    kind: Annotated[Selftest, typer.Argument(metavar="[overhead|quality]")] = Selftest.overhead,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME", help=here("Only these models.", "이 모델만.")),
    ] = None,
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME", help=here("How many inputs.", "입력 수."))
    ] = "standard",
    json: Json = False,
) -> None:
    """See `selftest.selftest` and `selftest_quality`."""
    if kind is Selftest.quality:
        from npubench.cli.selftest_quality import selftest_quality

        selftest_quality(model or [], profile, as_json=json)
        return
    from npubench.cli.selftest import selftest as measured

    measured(as_json=json)


@app.command(
    help=here(
        "Draw what a vision model finds on our pictures or on your own.",
        "비전 모델이 찾은 것을 기본 또는 자체 그림 위에 그립니다.",
    )
)
def demo(
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="NAME", help=here("Model (repeatable).", "모델(반복 가능).")),
    ] = None,
    frames: Annotated[
        Path | None, typer.Option("--frames", metavar="DIR", help=here("Your own frames.", "자체 프레임 폴더."))
    ] = None,
    pages: Annotated[
        Path | None, typer.Option("--pages", metavar="DIR", help=here("Your own pages.", "자체 문서 폴더."))
    ] = None,
    backend: Annotated[
        str, typer.Option("--backend", "-b", metavar="NAME", help=here("Backend (default: cpu).", "백엔드(기본: cpu)."))
    ] = "cpu",
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision", "-p", metavar="NAME", help=here("Precision (default: fp32).", "정밀도(기본: fp32).")
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "--count", "-n", metavar="N", min=1, help=here("The first N (default: 10).", "처음 N개(기본: 10).")
        ),
    ] = None,
    truth: Annotated[
        bool, typer.Option("--truth", help=here("Labels beside it, where known.", "라벨이 있으면 옆에 그립니다."))
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help=here("Folder (default: demo).", "폴더(기본: demo).")),
    ] = None,
    montage: Annotated[
        Path | None,
        typer.Option(
            "--montage",
            metavar="FILE",
            help=here("One picture: 3 frames and 2 pages.", "그림 한 장: 프레임 3장, 문서 2쪽."),
        ),
    ] = None,
    cards: Cards = None,
) -> None:
    """See `demo.demo`."""
    from npubench.cli import demo as drawing

    drawing.demo(
        drawing.Wish(
            models=tuple(model or ()),
            frames=frames,
            pages=pages,
            backend=backend,
            precision=precision,
            count=count,
            truth=truth,
            output=output,
            montage=montage,
            cards=tuple(cards or ()),
        )
    )


class Only(str, Enum):
    """What `conform` can be kept to."""

    contract = "contract"
    operators = "operators"


@app.command(
    help=here(
        "Does a backend keep the contract, and which ONNX operators does it run?",
        "백엔드가 계약을 지키는지, 어떤 ONNX 연산자를 실행하는지 점검합니다.",
    )
)
def conform(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help=here("The backend's name.", "백엔드 이름."))],
    only: Annotated[
        Only | None, typer.Option("--only", help=here("One half of it.", "둘 중 하나만 점검합니다."))
    ] = None,
    operator: Annotated[
        list[str] | None,
        typer.Option(
            "--operator",
            metavar="NAME",
            help=here("Only this operator's tests (repeatable).", "이 연산자만(반복 가능)."),
        ),
    ] = None,
    timeout: Annotated[
        str,
        typer.Option(
            "--timeout",
            metavar="60s",
            help=here("A question that is silent for so long has hung.", "응답이 없으면 멈춘 것으로 볼 시간."),
        ),
    ] = "60s",
    markdown: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            "-o",
            metavar="FILE",
            help=here("Also write the tables as Markdown.", "표를 마크다운 파일로도 씁니다."),
        ),
    ] = None,
    json: Json = False,
    cards: Cards = None,
) -> None:
    """See `conform.conform`."""
    from npubench.cli import conform as asking

    asking.conform(
        asking.Wish(
            backend=backend,
            only=only.value if only else None,
            operators=tuple(operator or ()),
            timeout=timeout,
            markdown=markdown,
            as_json=json,
            cards=tuple(cards or ()),
        )
    )


new = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help=here("Write a card for something of your own.", "자체 모델이나 백엔드의 카드를 만듭니다."),
)
app.add_typer(new, name="new")
app.add_typer(env.app, name="env")


@app.command(
    help=here(
        "One archive for machines without a network: source, wheels, built models.",
        "네트워크가 없는 장비용 묶음 파일: 소스, wheel, 만들어 둔 모델.",
    )
)
def bundle(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help=here("The archive (.tar).", "묶음 파일(.tar)."))
    ],
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME",
            help=here("Backend (repeatable; default: cpu).", "백엔드(반복 가능, 기본: cpu)."),
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help=here("Built model (repeatable; default: the suite's).", "만들어 둘 모델(반복 가능, 기본: 스위트)."),
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help=here("Profile whose builds come along (default: standard).", "빌드를 넣을 프로파일(기본: standard)."),
        ),
    ] = None,
    tests: Annotated[
        bool, typer.Option("--tests/--no-tests", help=here("With what make test needs.", "make test에 필요한 것 포함."))
    ] = True,
    include_proprietary: Annotated[
        bool,
        typer.Option(
            "--include-proprietary",
            help=here("With wheels that must not be passed on.", "배포가 금지된 wheel도 포함합니다."),
        ),
    ] = False,
    cards: Cards = None,
) -> None:
    """See `bundle.bundle`."""
    from npubench.cli import bundle as bundling

    bundling.bundle(
        bundling.Wish(
            output=output,
            backends=tuple(backend or ()),
            models=tuple(model or ()),
            profile=profile,
            tests=tests,
            proprietary=include_proprietary,
            cards=tuple(cards or ()),
        )
    )


@new.callback()
def _new() -> None:
    pass


@new.command(
    "model",
    help=here(
        "A room for your own detector's ONNX file, so that it is measured like ours.",
        "자체 탐지 모델(ONNX)을 우리 모델처럼 측정하도록 모델 폴더를 만듭니다.",
    ),
)
def new_model(
    name: Annotated[str, typer.Argument(metavar="ID", help=here("The model's name.", "모델 이름."))],
    onnx: Annotated[Path, typer.Option("--onnx", metavar="FILE", help=here("The network.", "모델 파일."))],
    workload: Annotated[
        str, typer.Option("--workload", metavar="NAME", help=here("detection.", "detection."))
    ] = "detection",
    head: Annotated[
        str,
        typer.Option("--head", metavar="KIND", help=here("yolo (default), ssd or detr.", "yolo(기본), ssd, detr.")),
    ] = "yolo",
    classes: Annotated[
        Path | None,
        typer.Option("--classes", metavar="FILE", help=here("Class names, one a line.", "클래스 이름, 한 줄에 하나.")),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help=here("Labels of your frames, COCO.", "프레임 라벨(COCO 형식).")),
    ] = None,
    frames: Annotated[
        Path | None,
        typer.Option(
            "--frames",
            metavar="DIR",
            help=here("The labelled frames (default: beside the labels).", "라벨된 프레임(기본: 라벨 파일 옆)."),
        ),
    ] = None,
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", metavar="FILE", help=here("SSD anchors, .npy [N, 4].", "SSD 앵커, .npy [N, 4].")),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size",
            metavar="640x640",
            help=here("Input size that the graph leaves open.", "그래프가 열어 둔 입력 크기."),
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help=here("Cards folder (default: my-models).", "카드 폴더(기본: my-models).")
        ),
    ] = None,
) -> None:
    """See `new.new_model`."""
    from npubench.cli import new as making

    making.new_model(name, onnx, workload, head, classes, labels, frames, anchors, size, out)


@new.command(
    "backend",
    help=here(
        "A card for a device of your own, or a whole package: adapter, meter, card, tests.",
        "자체 장치의 카드, 또는 패키지 전체(어댑터, 전력계, 카드, 시험)를 만듭니다.",
    ),
)
def new_backend(
    name: Annotated[str, typer.Argument(metavar="NAME", help=here("The backend's name.", "백엔드 이름."))],
    package: Annotated[
        bool,
        typer.Option(
            "--package/--card",
            help=here(
                "A package for a runtime of your own, or a card for an ONNX Runtime provider (default).",
                "자체 런타임용 패키지, 또는 ONNX Runtime 제공자용 카드(기본).",
            ),
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="DIR",
            help=here(
                "Folder (default: my-backends; a package: here).", "폴더(기본: my-backends, 패키지는 현재 폴더)."
            ),
        ),
    ] = None,
) -> None:
    """See `new_backend.new_backend`."""
    from npubench.cli import new_backend as making

    making.new_backend(name, package, out)
