"""Cards: what is measured, on what, in which sets. Data that a person who does not read Python can review.

`decode` turns one card's TOML into a frozen struct, or reports *all* of its mistakes at once, each with the file, the
key, what was found and what was expected. Unknown keys are mistakes. `semantics` names the part of a card that decides
whether two results may be compared; comments, titles and SDK pins are not in it.

Not aware of: where cards are found (`discovery`), what adapters and workloads do with their parameters.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct, inspect

from npubench.errors import CardError
from npubench.lang import Text
from npubench.scenarios import KINDS
from npubench.sides import side_of

Identifier = Annotated[str, Meta(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=64)]
# Two builds of one backend in one run are `<id>@a` and `<id>@b` (`sides`); no card is called so.
BackendName = Annotated[str, Meta(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*(@[ab])?$", max_length=66)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Dotted = Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.-]*$")]
# A name with versions, or the path of a wheel; never an option of pip's.
Requirement = Annotated[str, Meta(pattern=r"^[A-Za-z0-9/]")]

Precision = Literal["fp32", "fp16", "bf16", "int8", "s8s8", "a16w8", "int4", "fp8", "fp4"]
Scope = Literal["device", "service", "resident"]
# As `scenarios.parse` takes it: a name, and parameters after a colon.
ScenarioText = Annotated[str, Meta(pattern=r"^(single-stream|multi-stream|server|offline|cameras|users)(:[^:]+)?$")]
Profile = Literal["smoke", "standard", "nightly", "certify"]
DeviceType = Literal["cpu", "gpu", "npu", "endpoint", "none"]
Verified = Literal["hardware", "simulated", "stand-in", "not verified"]

Variant = Literal["portable", "fused", "static"]
"""`portable`: opset 18, symbolic shapes; `fused`: opset 23 with whole operators; `static`: all shapes fixed."""

PRECISIONS: tuple[str, ...] = get_args(Precision)
VARIANTS: tuple[str, ...] = get_args(Variant)
SCOPES: tuple[str, ...] = get_args(Scope)
SCENARIOS: tuple[str, ...] = tuple(KINDS)
PROFILES: tuple[str, ...] = get_args(Profile)


class _Card(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common base: immutable, keyword-only, unknown keys refused."""


class WeightsSpec(_Card, frozen=True, kw_only=True):
    """Where a graph's weights come from.

    `seeded`: drawn bit-exactly from PCG64 by the room's weight table; `file`: trained values kept in the room;
    `derived`: computed bit-exactly from the fp32 weights of the graph `source` (quantised, rounded to half precision).
    `sha256` and `bytes` are those of the materialised external-data file.
    """

    kind: Literal["seeded", "file", "derived"]
    source: str | None = None
    table: str
    arrays: str | None = None
    seed: str | None = None
    sha256: Sha256
    bytes: Annotated[int, Meta(ge=0)]


class GraphSpec(_Card, frozen=True, kw_only=True):
    """One ONNX graph of a model: the committed skeleton (`file`) and the weights that belong to it.

    `files`: external data of a graph that is not ours, kept beside it under the names that it uses, with their SHA-256.
    """

    file: str
    sha256: Sha256
    weights: WeightsSpec | None = None
    files: dict[str, Sha256] = {}


class TaskSpec(_Card, frozen=True, kw_only=True):
    """A task metric (a key of `metrics.QUALITY`, always "more is better") and its floors.

    `absolute_floor` holds for the fp32 CPU reference itself, `relative_floor` is the share of the reference's score on
    the same inputs that every backend and precision must reach; `relative` has other shares for single precisions.
    """

    metric: str
    absolute_floor: float | None = None
    relative_floor: Annotated[float, Meta(ge=0, le=1)] | None = None
    relative: dict[str, float] = {}
    reason: str


class FidelitySpec(_Card, frozen=True, kw_only=True):
    """How far outputs may be from the fp32 CPU reference's, for each precision.

    `sqnr_db`: least centred signal-to-noise ratio of any output tensor, in dB. `kl`: most Kullback-Leibler divergence,
    `top1`: least agreement of the best class, both over the outputs named in `logits` (classes on the last axis). A
    precision that is not named is not judged.
    """

    sqnr_db: dict[str, float]
    kl: dict[str, float] = {}
    top1: dict[str, float] = {}
    logits: tuple[str, ...] = ()
    reason: str


class ProbesSpec(_Card, frozen=True, kw_only=True):
    """How far the next tokens of a server that generates by itself may be from the fp32 CPU reference's.

    By precision. `top1`: least share of probes whose most likely token is the reference's; `kl`: most Kullback-Leibler
    divergence over the tokens that the server names and one class for all others, which is at most the whole one.
    """

    top1: dict[str, float]
    kl: dict[str, float] = {}
    reason: str


class QualitySpec(_Card, frozen=True, kw_only=True):
    """What a correct answer is (METRICS.md, Quality). Absent means that no quality is claimed.

    `inputs`: how many inputs of the data set a quality run takes, by profile; a profile that is not named takes all.
    `fidelity_inputs`: of how many of them the raw outputs are compared with the reference's. `probes`: what is compared
    where a server shows no raw outputs.
    """

    task: tuple[TaskSpec, ...] = ()
    fidelity: FidelitySpec | None = None
    probes: ProbesSpec | None = None
    inputs: dict[str, int] = {}
    fidelity_inputs: Annotated[int, Meta(ge=1)] = 8


class ModelCard(_Card, frozen=True, kw_only=True):
    """`models/<id>/model.toml`: what is measured.

    `graphs` is the portable fp32 build; `builds` holds the others by name (`build_name`), each with its own graphs.
    `static`: role → symbolic dimension → its size where all shapes are fixed; BATCH stands for the scenario's batch. A
    model that has it comes in the variant `static` in every precision, made from the portable graphs.
    """

    schema: Literal["npubench.model/1"]
    id: Identifier
    title: Text
    summary: Text
    workload: Dotted
    license: str
    data: Identifier | None = None
    precisions: Annotated[tuple[Precision, ...], Meta(min_length=1)] = ("fp32",)
    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1)] = ("device",)
    graphs: dict[str, GraphSpec] = {}
    builds: dict[str, dict[str, GraphSpec]] = {}
    static: dict[str, dict[str, int | Literal["{batch}"]]] = {}
    params: dict[str, Any] = {}
    offline_batch: Annotated[int, Meta(ge=1)] = 1
    requires_memory_gb: Annotated[float, Meta(gt=0)] | None = None
    quality: QualitySpec | None = None


class EnvironmentSpec(_Card, frozen=True, kw_only=True):
    """The Python in which a backend's worker runs. Neither key: the environment that npubench itself runs in.

    `requires`: what pip installs into an environment that npubench makes (`npubench env sync`) and that all cards with
    equal `requires` share; what every worker needs comes with it. `python`: an interpreter that exists already, used as
    it is and never changed. Both at once is a mistake. `proprietary`: distribution (or a pattern, `nvidia-*`) → its
    licence in a few words, for what must not be passed on: `npubench bundle` leaves it out unless asked.
    """

    requires: tuple[Requirement, ...] = ()
    python: str | None = None
    variables: dict[str, str] = {}
    proprietary: dict[str, Text] = {}


class PluginSpec(_Card, frozen=True, kw_only=True):
    """An ONNX Runtime plug-in provider: where its library is, registered under the provider's own name.

    `package`: a Python package with `get_library_path()`, as every vendor's plug-in wheel has it; or `library`: a path.
    """

    package: Dotted | None = None
    library: str | None = None


class DeviceSpec(_Card, frozen=True, kw_only=True):
    """Which kind of device this backend executes on, and how many of them.

    `index`: which of the devices that the provider offers, after `match`: the keys of their metadata that must have
    these values (`type` and `vendor` of the device count as keys of that kind).
    """

    type: DeviceType
    vendor: str | None = None
    count: Annotated[int, Meta(ge=1)] = 1
    index: Annotated[int, Meta(ge=0)] = 0
    match: dict[str, str] = {}


class PrebuiltSpec(_Card, frozen=True, kw_only=True):
    """A model file that was compiled elsewhere, for one graph of one build: it goes through the same quality gate.

    `path` is relative to the card. `source_sha256`: the graph file that it was compiled from. Who compiled and
    quantised it, and with what, is repeated in every report.
    """

    path: str
    sha256: Sha256
    source_sha256: Sha256
    compiled_by: str
    compiler: str
    quantiser: str = ""


StopSignal = Literal["SIGTERM", "SIGINT", "SIGKILL"]


class ServeSpec(_Card, frozen=True, kw_only=True):
    """A server that npubench starts for the launches of an endpoint, and stops after them.

    `command`: its arguments, no shell. Placeholders there, in `variables` and in the card's options: `{port}` (a free
    one, or `port`), `{model}` (the folder of the model's weights in Hugging Face's form, made when it is needed; or
    `model`), `{python}` and `{bin}` (the interpreter of the card's environment and its folder). `tokenizer` of that
    folder: the `model`'s own, or `words`, where each token is a visible word, for servers that hold back text.
    `ready_s`: how long it may load; `grace_s`: how long it may take to end after `stop`.
    """

    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    variables: dict[str, str] = {}
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    model: str = ""
    tokenizer: Literal["model", "words"] = "model"
    ready_s: Annotated[float, Meta(gt=0, le=86400)] = 600.0
    stop: StopSignal = "SIGTERM"
    grace_s: Annotated[float, Meta(ge=0, le=600)] = 15.0


class VerifiedSpec(_Card, frozen=True, kw_only=True):
    """How far this backend has been tried, repeated in every report."""

    how: Verified
    on: str = ""
    date: str = ""


class BackendCard(_Card, frozen=True, kw_only=True):
    """`backends/<id>.toml`: what it is measured on.

    `variants`: which builds of a model it takes, the most wanted first; a model has at least `portable`.
    `refuses`: why it does not take a precision, for those where a reader would ask. `compile_ahead`: whether graphs are
    compiled into a file before they are measured. `compile_from`: precision → the precision of the build that the
    vendor's compiler makes it from (it quantises or rounds by itself); the answers are judged as the former's.
    `calibration_inputs`: on how many of our calibration inputs it quantises. `prebuilt`: model → build (`build_name`) →
    role → a file compiled elsewhere. `threads_option`: which option is the number of threads of a session, where that
    may be searched (offline tuning); not given, the one that says `{threads}`. `serve`: how the server of an endpoint
    is started.
    """

    schema: Literal["npubench.backend/1"]
    id: BackendName
    title: Text
    summary: Text
    adapter: Dotted
    provider: str | None = None
    device: DeviceSpec
    precisions: Annotated[tuple[Precision, ...], Meta(min_length=1)]
    variants: Annotated[tuple[Variant, ...], Meta(min_length=1)] = ("portable",)
    refuses: dict[str, Text] = {}
    options: dict[str, Any] = {}
    threads_option: str | None = None
    serve: ServeSpec | None = None
    plugin: PluginSpec | None = None
    compile_ahead: bool = False
    compile_from: dict[str, Precision] = {}
    calibration_inputs: Annotated[int, Meta(ge=0)] = 0
    prebuilt: dict[str, dict[str, dict[str, PrebuiltSpec]]] = {}
    environment: EnvironmentSpec = EnvironmentSpec()
    meters: tuple[str, ...] = ()
    install: Text
    verified: VerifiedSpec
    hidden: bool = False


class SuiteEntry(_Card, frozen=True, kw_only=True):
    """One model of a suite and how it is loaded in each profile."""

    model: Identifier
    precisions: tuple[Precision, ...] = ()
    scenarios: Annotated[tuple[ScenarioText, ...], Meta(min_length=1)]
    scopes: tuple[Scope, ...] = ()
    profiles: Annotated[tuple[Profile, ...], Meta(min_length=1)] = ("smoke", "standard", "nightly", "certify")


class SuiteCard(_Card, frozen=True, kw_only=True):
    """`models/suites/<id>.toml`: a named set of models and scenarios."""

    schema: Literal["npubench.suite/1"]
    id: Identifier
    title: Text
    summary: Text
    entries: Annotated[tuple[SuiteEntry, ...], Meta(min_length=1)]


class DataCard(_Card, frozen=True, kw_only=True):
    """`models/data/<id>/data.toml`: input data that our code drew, committed as bytes.

    `sha256` is the digest over the sorted lines `<sha256>  <file>` of every file in the folder but the card itself.
    """

    schema: Literal["npubench.data/1"]
    id: Identifier
    kind: Literal["frames", "pages", "prompts", "clips"]
    title: Text
    generator: str
    seed: str
    license: str
    count: Annotated[int, Meta(ge=1)]
    sha256: Sha256


def build_name(precision: str, variant: str = "portable") -> str:
    """The name of a build in `ModelCard.builds`: `int8`, `fp32+static`."""
    return precision if variant == "portable" else f"{precision}+{variant}"


BATCH = "{batch}"
"""In `ModelCard.static`: as large as the scenario's batch."""


def graphs_of(card: ModelCard, precision: str, variant: str = "portable") -> dict[str, GraphSpec] | None:
    """The graphs of one build, by role in the order of the card; None when the model has no such build.

    For a build that is made by fixing shapes (`sizes_of`), the portable graphs that it is made from.
    """
    name = build_name(precision, variant)
    if name not in card.builds and variant == "static" and card.static:
        name = precision
    return card.graphs if name == "fp32" else card.builds.get(name)


def sizes_of(card: ModelCard, precision: str, variant: str, batch: int) -> dict[str, dict[str, int]]:
    """Role → symbolic dimension → size, for a build that is made by fixing shapes; empty for every other."""
    if variant != "static" or build_name(precision, variant) in card.builds:
        return {}
    return {
        role: {name: batch if size == BATCH else int(size) for name, size in dimensions.items()}
        for role, dimensions in card.static.items()
    }


def variants_of(card: ModelCard) -> tuple[str, ...]:
    """The variants that the model is built in, in any precision."""
    built = {"portable", *(name.partition("+")[2] or "portable" for name in card.builds)}
    return tuple(name for name in VARIANTS if name in built)


def emulated(card: BackendCard) -> bool:
    """Whether this backend is a vendor's emulator: answers, placement and compiling are real there, times are not."""
    return card.verified.how == "simulated"


Card = ModelCard | BackendCard | SuiteCard | DataCard
C = TypeVar("C", ModelCard, BackendCard, SuiteCard, DataCard)
S = TypeVar("S", bound=Struct)

CARD_TYPES: dict[str, type[Struct]] = {
    "model": ModelCard,
    "backend": BackendCard,
    "suite": SuiteCard,
    "data": DataCard,
}


def read_toml(path: Path) -> dict[str, Any]:
    """The table in `path`. Raises CardError naming the file for a file that cannot be read or is not TOML."""
    try:
        document = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise CardError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CardError([f"{path}: not valid TOML: {error}"]) from error
    if not isinstance(document, dict):
        raise CardError([f"{path}: expected a TOML table"])
    return document


def decode(document: Mapping[str, Any], kind: type[C], source: str) -> C:
    """`document` as a card of type `kind`. Raises CardError with every mistake in it; `source` names the file."""
    mistakes = [f"{source}: {line}" for line in _mistakes(dict(document), inspect.type_info(kind), "")]
    if mistakes:
        raise CardError(mistakes)
    card = msgspec.convert(document, kind)
    if isinstance(card, BackendCard) and side_of(card.id) is not None:
        raise CardError(
            [f'{source}: id: found "{card.id}"; expected no @: that is what builds in `npubench ab` are called']
        )
    if isinstance(card, BackendCard) and (wrong := list(_endpoint(card))):
        raise CardError([f"{source}: {line}" for line in wrong])
    if isinstance(card, BackendCard) and card.environment.requires and card.environment.python is not None:
        raise CardError(
            [
                f"{source}: environment: found both python and requires; expected python (an interpreter that is used "
                "as it is) or requires (what npubench installs into an environment of its own)"
            ]
        )
    if isinstance(card, BackendCard) and (wrong := _compile_mistakes(card)):
        raise CardError([f"{source}: {line}" for line in wrong])
    return card


PLACEHOLDERS = ("port", "model", "python", "bin")
"""What may stand in braces in `ServeSpec`."""


def _endpoint(card: BackendCard) -> Iterator[str]:
    """What is wrong with an endpoint's card beyond its types."""
    yield from _keyed(card)
    yield from _serving(card)


KEY_VARIABLE = r"[A-Z_][A-Z0-9_]*"
"""The name of a variable that holds an API key: in capitals, as a key that was typed in its place seldom is."""


def _keyed(card: BackendCard) -> Iterator[str]:
    """A key in the place of its variable: it would be in every plan and result. It is not quoted."""
    named = card.options.get("api_key_env", "")
    if card.device.type == "endpoint" and named and not re.fullmatch(KEY_VARIABLE, str(named)):
        yield (
            "options.api_key_env: expected the name of an environment variable (capitals, digits and _), never the key "
            "itself"
        )


def _serving(card: BackendCard) -> Iterator[str]:
    """What is wrong with a card's [serve] beyond its types."""
    if card.serve is None:
        return
    if card.device.type != "endpoint":
        yield f'serve: found on a device of type "{card.device.type}"; expected device = {{ type = "endpoint" }}'
    told = {f"serve.command[{index}]": text for index, text in enumerate(card.serve.command)}
    told.update({f"serve.variables.{name}": text for name, text in card.serve.variables.items()})
    for key, text in told.items():
        for name in re.findall(r"\{([a-z_]+)\}", text):
            if name not in PLACEHOLDERS:
                known = ", ".join(f"{{{one}}}" for one in PLACEHOLDERS)
                yield f"{key}: unknown placeholder {{{name}}}; expected one of {known}"
    if card.serve.port is None and not any("{port}" in text for text in told.values()):
        yield "serve.command: nothing says {port}; expected it there, or serve.port where the server's port is fixed"
    ports = r"\{port\}" if card.serve.port is None else rf"\{{port\}}|{card.serve.port}"
    if not re.fullmatch(rf"http://(127\.0\.0\.1|localhost):({ports})(/.*)?", str(card.options.get("url"))):
        # Not what was found: an address may hold a password.
        yield (
            'options.url: is not where the server listens that the run starts; expected "http://127.0.0.1:{port}", or '
            "what is seen of that server would be told of another"
        )


def _compile_mistakes(card: BackendCard) -> list[str]:
    """What contradicts itself in how a backend's compiler is fed."""
    known = ", ".join(card.precisions)
    found = [
        f"compile_from.{name}: found a precision that the card does not take; expected one of {known}"
        for name in card.compile_from
        if name not in card.precisions
    ]
    if card.compile_from and not card.compile_ahead:
        found.append("compile_from: found without compile_ahead; expected compile_ahead = true")
    if card.calibration_inputs and not card.compile_from:
        found.append("calibration_inputs: found without compile_from; expected the builds that are quantised")
    return found


def table(value: Any, kind: type[S], key: str) -> S:
    """`value`, the table at `key` of a card's params, as the struct `kind`. Raises CardError with every mistake."""
    if not isinstance(value, Mapping):
        raise CardError([f"{key}: found {value!r}; expected {describe(inspect.type_info(kind))}"])
    mistakes = list(_mistakes(dict(value), inspect.type_info(kind), key))
    if mistakes:
        raise CardError(mistakes)
    return msgspec.convert(value, kind)


def load(path: Path, kind: type[C]) -> C:
    """The card in `path`. Raises CardError."""
    return decode(read_toml(path), kind, str(path))


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def did_you_mean(name: str, known: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    """` (did you mean "x"?)` for the closest known name, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f' (did you mean "{close[0]}"?)' if close else ""


def _mistakes(value: Any, expected: inspect.Type, key: str) -> Iterator[str]:
    """Every mistake in `value`, walking structs, dicts and lists so that one bad key does not hide the next."""
    if isinstance(expected, inspect.UnionType):
        if value is None and any(isinstance(member, inspect.NoneType) for member in expected.types):
            return
        members = [member for member in expected.types if not isinstance(member, inspect.NoneType)]
        if len(members) == 1:
            yield from _mistakes(value, members[0], key)
            return
    if isinstance(expected, inspect.StructType) and isinstance(value, Mapping):
        fields = {field.encode_name: field for field in expected.fields}
        for name in value:
            if name not in fields:
                yield f"{_join(key, name)}: unknown key{did_you_mean(name, list(fields))}"
        for name, field in fields.items():
            if name in value:
                yield from _mistakes(value[name], field.type, _join(key, name))
            elif field.required:
                yield f"{_join(key, name)}: missing; expected {describe(field.type)}"
        return
    if isinstance(expected, inspect.DictType) and isinstance(value, Mapping):
        for name, item in value.items():
            yield from _mistakes(item, expected.value_type, _join(key, name))
        return
    if isinstance(expected, inspect.VarTupleType) and isinstance(value, list):
        if expected.min_length and len(value) < expected.min_length:
            yield f"{key}: is empty; expected at least {expected.min_length} of {describe(expected.item_type)}"
        for index, item in enumerate(value):
            yield from _mistakes(item, expected.item_type, f"{key}[{index}]")
        return
    if not _fits(value, expected):
        shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:77] + "…"
        hint = ""
        if isinstance(expected, inspect.LiteralType) and isinstance(value, str):
            hint = did_you_mean(value, [str(choice) for choice in expected.values])
        yield f"{key}: found {shown}; expected {describe(expected)}{hint}"


def _fits(value: Any, expected: inspect.Type) -> bool:
    """Whether a leaf value has the expected type and meets its constraints."""
    match expected:
        case inspect.AnyType():
            return True
        case inspect.LiteralType():
            return value in expected.values and not isinstance(value, bool)
        case inspect.UnionType():
            return any(_fits(value, member) for member in expected.types)
        case inspect.StrType():
            return (
                isinstance(value, str)
                and (expected.pattern is None or re.search(expected.pattern, value) is not None)
                and (expected.max_length is None or len(value) <= expected.max_length)
                and (expected.min_length is None or len(value) >= expected.min_length)
            )
        case inspect.BoolType():
            return isinstance(value, bool)
        case inspect.IntType():
            return isinstance(value, int) and not isinstance(value, bool) and _within(value, expected)
        case inspect.FloatType():
            return isinstance(value, (int, float)) and not isinstance(value, bool) and _within(value, expected)
    return False


def _within(value: float, expected: inspect.IntType | inspect.FloatType) -> bool:
    return (
        (expected.ge is None or value >= expected.ge)
        and (expected.gt is None or value > expected.gt)
        and (expected.le is None or value <= expected.le)
        and (expected.lt is None or value < expected.lt)
    )


def describe(expected: inspect.Type) -> str:
    """What a key expects, in words."""
    match expected:
        case inspect.LiteralType():
            return "one of " + ", ".join(f'"{choice}"' for choice in expected.values)
        case inspect.StrType():
            return f"text matching {expected.pattern}" if expected.pattern else "text"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType() | inspect.FloatType():
            noun = "a whole number" if isinstance(expected, inspect.IntType) else "a number"
            signs = (("≥", expected.ge), (">", expected.gt), ("≤", expected.le), ("<", expected.lt))
            bounds = " and ".join(f"{sign} {bound:g}" for sign, bound in signs if bound is not None)
            return f"{noun} {bounds}".rstrip()
        case inspect.VarTupleType():
            return f"a list of {describe(expected.item_type)}"
        case inspect.StructType():
            required = [field.encode_name for field in expected.fields if field.required]
            return "a table with " + ", ".join(required) if required else "a table"
        case inspect.DictType():
            return f"a table of {describe(expected.value_type)}"
        case inspect.UnionType():
            return " or ".join(describe(m) for m in expected.types if not isinstance(m, inspect.NoneType))
    return "a value"


def graph_hashes(graph: GraphSpec) -> dict[str, Any]:
    """The pinned hashes that say which graph and weights these are."""
    own = {"graph": graph.sha256, "weights": graph.weights.sha256 if graph.weights else None}
    return {**own, "files": dict(graph.files)} if graph.files else own


def semantics(card: ModelCard | BackendCard, precision: str = "fp32", variant: str = "portable") -> dict[str, Any]:
    """The fields of a card that decide comparability (DESIGN.md, Identity), as plain JSON values."""
    if isinstance(card, ModelCard):
        graphs = graphs_of(card, precision, variant)
        return {
            "model": card.id,
            "workload": card.workload,
            "precision": precision,
            "graphs": {
                role: graph_hashes(graph) for role, graph in sorted((card.graphs if graphs is None else graphs).items())
            },
            "params": to_builtins(card.params),
            # The batch itself is the scenario's, which is part of a cell's identity.
            **({"static": to_builtins(card.static)} if sizes_of(card, precision, variant, 1) else {}),
        }
    return {
        "backend": card.id,
        "adapter": card.adapter,
        "provider": card.provider,
        "device": to_builtins(card.device),
        "options": to_builtins(card.options),
        **({"compile_from": to_builtins(card.compile_from)} if card.compile_from else {}),
        **({"calibration_inputs": card.calibration_inputs} if card.calibration_inputs else {}),
        "variables": to_builtins(card.environment.variables),
        # How long it may load and how it ends decides nothing.
        **({"serve": _served(card.serve)} if card.serve is not None else {}),
    }


def _served(spec: ServeSpec) -> dict[str, Any]:
    return {name: to_builtins(getattr(spec, name)) for name in ("command", "variables", "model", "tokenizer")}


ENDPOINT = "endpoint"


def served(card: BackendCard) -> str | None:
    """The name under which an endpoint serves its model, as its card says; None where the backend is no endpoint."""
    return str(card.options.get("model", "")) if card.device.type == ENDPOINT else None


def claimed(card: BackendCard) -> dict[str, Any]:
    """What stands in place of a model's graphs where an endpoint serves weights of its own: its name for them.

    Empty for every other backend, and for a server that a run starts on the model's own weights (`ours`).
    """
    return {} if (name := served(card)) is None or ours(card) else {"graphs": {"claimed": name}}


def ours(card: BackendCard) -> bool:
    """Whether a run starts this endpoint's server on the weights of the model card that is measured."""
    return card.serve is not None and not card.serve.model


THREADS = "{threads}"
"""In a backend card's options: as many threads as this machine may use, resolved when a run is planned."""


def resolved(card: BackendCard, threads: int | None) -> BackendCard:
    """`card` with the number of usable threads in its options where it says `{threads}`."""
    options = {key: (threads or 1) if value == THREADS else value for key, value in card.options.items()}
    declared = next((key for key, value in card.options.items() if value == THREADS), None)
    return msgspec.structs.replace(card, options=options, threads_option=card.threads_option or declared)


def with_threads(card: BackendCard, threads: int | None) -> BackendCard:
    """`card` with so many threads a session; as it is where it has no option for that, or None is asked."""
    if threads is None or card.threads_option is None:
        return card
    return msgspec.structs.replace(card, options={**card.options, card.threads_option: threads})


def to_builtins(value: Any) -> Any:
    """`value` as it comes back from JSON: what is written to a document and what is read from it are equal."""
    return msgspec.json.decode(msgspec.json.encode(value))


def canonical_json(value: Any) -> bytes:
    """One byte string per value: sorted keys, no spaces, UTF-8. What hashes are taken over."""
    return msgspec.json.encode(value, order="sorted")


def digest(value: Any) -> str:
    """SHA-256 (hex) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()
