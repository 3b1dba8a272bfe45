"""The public contract between npubench and the code of others: adapters, workloads, meters.

Everything here is structural (`typing.Protocol`): implement the methods, name the factory in an entry point of the
group `npubench.adapters`, `npubench.workloads` or `npubench.meters`, and it is found. Arrays are numpy; no type of any
runtime appears. Times are `time.perf_counter_ns()` (CLOCK_MONOTONIC, one per Linux kernel) as int.

Optional capabilities are found by `isinstance` on the runtime-checkable protocols below, never by lists of names.
Not aware of: processes, files of results, scenarios.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import msgspec
import numpy as np
import numpy.typing as npt

# What a vendor raises where its device does not take a model or a way of running it: a result, not a failure.
from npubench.errors import UnsupportedError as UnsupportedError
from npubench.exhibits import Exhibit as Exhibit

if TYPE_CHECKING:
    # Only endpoints have an event loop: nobody else should start the later for it.
    import asyncio

API_VERSION = 1

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]
Outputs = Mapping[str, Array]
Step = Callable[[int], int]
"""The measured step: runs input `i`, returns the number of service units done. The hot loop knows nothing else."""


class RequestError(Exception):
    """One request failed but the session lives on (an HTTP 503, say): the sample is kept with this non-zero status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable facts, sent from the worker to the parent as JSON."""


class TensorSpec(_Facts, frozen=True, kw_only=True):
    """One input or output of a session. Symbolic dimensions are their names.

    `layout` is for example NCHW; `fused` names the pre-processing steps that the session does itself ("scale",
    "normalise", "hwc"), so that the workload prepares exactly what is left over.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    layout: str | None = None
    fused: tuple[str, ...] = ()


class Device(_Facts, frozen=True, kw_only=True):
    """One device as its runtime reports it. `type`: cpu, gpu, npu, endpoint or none."""

    id: str
    type: str
    vendor: str = ""
    name: str = ""
    detail: dict[str, str] = {}


class Availability(_Facts, frozen=True, kw_only=True):
    """The answer of `probe`. When not available, `reason` says why and `fix` the command that would make it ready."""

    available: bool
    reason: str = ""
    fix: str = ""
    devices: tuple[Device, ...] = ()
    versions: dict[str, str] = {}


class Artifact(_Facts, frozen=True, kw_only=True):
    """A materialised model file on local disk, hash already checked by the parent. `role` is its name in the card."""

    role: str
    path: str
    sha256: str
    precision: str = "fp32"
    variant: str = "portable"


class Placement(_Facts, frozen=True, kw_only=True):
    """Where the graph really executed (METRICS.md, Placement). None means unknown, never zero.

    `providers` maps each provider to the number of nodes assigned to it; `fallback_ops` maps op type to count for nodes
    that did not land on the requested provider. `sources` names the evidence ("assignment", "profile", "vendor").
    `devices`: those in use, as the runtime names them. `notes`: what else a reader should know (an option that the
    runtime took without knowing it).
    """

    requested: str
    registered: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()
    providers: dict[str, int] | None = None
    fallback_ops: dict[str, int] | None = None
    device_type: str = ""
    sources: tuple[str, ...] = ()
    devices: tuple[Device, ...] = ()
    notes: tuple[str, ...] = ()


class AssignedNode(_Facts, frozen=True, kw_only=True):
    """One graph node and the provider that took it, as the runtime partitioned the graph.

    `name` is the model's own node name, without what the runtime appends to it; `subgraph` numbers the pieces into
    which the graph was cut, in the order in which the runtime names them.
    """

    name: str
    op_type: str
    domain: str
    provider: str
    subgraph: int


class NodeTime(_Facts, frozen=True, kw_only=True):
    """What a profile says of one node with one set of shapes: `calls` in all profiled runs, self time of them together.

    `name` as in AssignedNode; a node that the runtime made itself (a fused subgraph, an inserted copy) keeps the
    runtime's name and has `op_type` as the runtime calls it. Shapes are those seen, in the order of the node's inputs.
    """

    name: str
    op_type: str
    provider: str
    calls: int
    self_ns: int
    input_shapes: tuple[tuple[int, ...], ...] = ()
    output_shapes: tuple[tuple[int, ...], ...] = ()


class Profile(_Facts, frozen=True, kw_only=True):
    """The profile of a session: rows are unique by name and shapes; `run_ns` is the wall time of all `runs`."""

    rows: tuple[NodeTime, ...]
    runs: int
    run_ns: int


class EnvironmentFacts(_Facts, frozen=True, kw_only=True):
    """What a backend's worker ran in: Python version, distributions by name, provider libraries by file name.

    `packages` maps each installed distribution to its exact version, `libraries` a library's file name to its SHA-256.
    """

    python: str
    packages: dict[str, str] = {}
    libraries: dict[str, str] = {}


class Session(Protocol):
    """A loaded model. `infer` returns when the outputs are on the host.

    Its outputs are the caller's: no later request changes them. Feeds are left as they are. Feeds of another name,
    shape or type than declared raise an exception, after which the session lives on.
    """

    @property
    def inputs(self) -> Sequence[TensorSpec]: ...
    @property
    def outputs(self) -> Sequence[TensorSpec]: ...
    def infer(self, feeds: Feeds) -> Outputs: ...
    def close(self) -> None: ...


@runtime_checkable
class Prepares(Protocol):
    """Binds host buffers once; each call of the result runs the model on what they hold then and returns the outputs.

    Output buffers are reused: they hold until the next call on the same session.
    """

    def prepare(self, feeds: Feeds) -> Callable[[], Outputs]: ...


@runtime_checkable
class Forks(Protocol):
    """A session that several threads may use at once, each through a view of its own.

    `fork` returns another Session on the same loaded model: it shares the weights and nothing that a request writes.
    Closing a view leaves the others alone.
    """

    def fork(self) -> Session: ...


@runtime_checkable
class Submits(Protocol):
    """Several requests in flight without a thread each: `submit` returns, `done(outputs)` is called on completion.

    `done` may be called on a thread of the runtime's, and in another order than requests were submitted. The feeds are
    left alone until then, and the outputs are the callback's only while it runs; there are none where the request
    failed.
    """

    def submit(self, feeds: Feeds, done: Callable[[Outputs], None]) -> None: ...


@runtime_checkable
class Generates(Protocol):
    """Generates text itself, token by token. Calls `tick()` at each output token; returns the token ids."""

    def generate(self, prompt: Sequence[int], new_tokens: int, tick: Callable[[], None]) -> Sequence[int]: ...


class ServerTally(_Facts, frozen=True, kw_only=True):
    """What a server told beside its answers, over all requests that succeeded.

    `prompt_tokens`: how many in all, and of one request the least and the most, by the server's own count;
    `cached_tokens`: how many of them it said to have computed before (None: it never said). `asked_tokens`: how many
    each prompt was to have; `shared_tokens`: how many of these were the same in all prompts, on purpose.
    """

    requests: int
    prompt_tokens: int
    least_prompt_tokens: int
    most_prompt_tokens: int
    cached_tokens: int | None = None
    asked_tokens: int = 0
    shared_tokens: int = 0


class Answer(_Facts, frozen=True, kw_only=True):
    """How a server answered one request: counts are its own (usage), `completed_ns` when all of it had been read."""

    tokens: int
    prompt_tokens: int
    cached_tokens: int | None
    completed_ns: int


@runtime_checkable
class Answers(Protocol):
    """A session that is the client of a server of language models: requests wait for the network, not for this process.

    All of it runs in the event loop `loop`, in one thread, with as many requests under way as are asked for. `prompt`
    is token ids where `takes_ids`, else text. `answer` calls `note(ns)` for each event of tokens, with the time at
    which it was read, and returns when the answer is complete; it raises RequestError, and tries nothing again.
    `connect` makes so many connections ready.
    """

    loop: asyncio.AbstractEventLoop

    @property
    def takes_ids(self) -> bool: ...
    async def connect(self, count: int) -> None: ...
    async def answer(self, prompt: Sequence[int] | str, new_tokens: int, note: Callable[[int], None]) -> Answer: ...


@runtime_checkable
class Places(Protocol):
    """A session that can give placement evidence. Costs nothing at run time."""

    def placement(self) -> Placement: ...


@runtime_checkable
class Assigns(Protocol):
    """A session that knows which provider took each node; None where the runtime kept no record."""

    def assignment(self) -> Sequence[AssignedNode] | None: ...


@runtime_checkable
class Profiled(Protocol):
    """A session that records node times while it runs. `profile` ends the recording and may be called once."""

    def profile(self) -> Profile: ...


@runtime_checkable
class Compiles(Protocol):
    """Compiles ahead of time: an adapter capability. Returns the compiled artefact."""

    def compile(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Artifact: ...


class Compilation(_Facts, frozen=True, kw_only=True):
    """How a compiled artefact came to be. `ns`: what its compiler took, when it ran. `kept`: that was an earlier time.
    `how`: the rest that a reader should know (which way, with which calibration inputs)."""

    ns: int
    kept: bool = False
    how: str = ""


@runtime_checkable
class KeepsCompiled(Protocol):
    """A compiling adapter that keeps what it made for later runs, and knows how each artefact came to be."""

    def compilation(self, artifact: Artifact) -> Compilation: ...


@runtime_checkable
class Calibrates(Protocol):
    """A compiler that quantises by itself, on typical inputs: asked in place of `compile` where a card says so.

    `signature` is the graph's inputs and outputs, before anything is compiled; `inputs` are as many feeds as there are.
    """

    def signature(self, artifact: Artifact) -> tuple[Sequence[TensorSpec], Sequence[TensorSpec]]: ...
    def compile_calibrated(
        self, artifact: Artifact, options: Mapping[str, Any], folder: str, inputs: Sequence[Feeds]
    ) -> Artifact: ...


@runtime_checkable
class Health(Protocol):
    """Process ids on the device, throttle state, firmware, reset counters, as the vendor reports them."""

    def health(self) -> Mapping[str, Any]: ...


class Adapter(Protocol):
    """Speaks to one runtime. The factory in the entry point takes (provider, device) from the backend card.

    `probe` must not raise: some SDKs raise RuntimeError on import, so catch Exception and say it in the reason.
    """

    def probe(self) -> Availability: ...
    def open(self, artifact: Artifact, options: Mapping[str, Any]) -> Session: ...
    def describe(self) -> Mapping[str, str]: ...


@runtime_checkable
class Profiles(Protocol):
    """An adapter that can record node times. The session is `Profiled`; files go into `folder`. Never timed."""

    def open_profiled(self, artifact: Artifact, options: Mapping[str, Any], folder: str) -> Session: ...


@runtime_checkable
class Strict(Protocol):
    """An adapter that can refuse to share a graph: `open_strict` raises where any node needs another provider."""

    def open_strict(self, artifact: Artifact, options: Mapping[str, Any]) -> Session: ...


@runtime_checkable
class ProbesWith(Protocol):
    """An adapter whose answer depends on the card's options (which device, say): asked in place of `probe`."""

    def probe_with(self, options: Mapping[str, Any]) -> Availability: ...


@runtime_checkable
class Interrupts(Protocol):
    """An adapter that can end what its sessions do: called once, from another thread, before the worker ends.

    What runs or loads then raises, and the device is left as after any other error.
    """

    def interrupt(self) -> None: ...


@runtime_checkable
class Libraries(Protocol):
    """An adapter that can name the files of the provider it uses, so that a result can say their hashes."""

    def libraries(self) -> Sequence[str]: ...


@runtime_checkable
class SharesThreads(Protocol):
    """An adapter whose number of threads is one for the process: opening a session changes it for all that are open."""

    shares_threads: bool


class TokenClock(Protocol):
    """Where token times go while a step generates. `tick` stores the current time."""

    def tick(self) -> None: ...


class Bound(Protocol):
    """Sessions, data and scope bound into a measured step.

    `count` is the number of distinct inputs; `step(i)` uses input `i % count`. `inspect(i)` runs input `i` outside any
    timed region and returns the raw named outputs, for checks of shape and finiteness and for quality.
    `unit` is the service unit that `step` counts: frame, page, token or sample.
    """

    unit: str
    count: int
    step: Step

    def inspect(self, index: int) -> Outputs: ...
    def close(self) -> None: ...


@runtime_checkable
class Scores(Protocol):
    """A Bound that knows right answers. `score` runs every input, outside any timed region.

    Returns task metrics by the keys of `metrics.QUALITY`, more is better; none where the data has no truth.
    """

    def score(self) -> Mapping[str, float]: ...


@runtime_checkable
class Shows(Protocol):
    """A Bound that can show what it finds in a few of its inputs, outside any timed region.

    Which ones depends on the data alone, never on the answers: every backend is shown on the same inputs.
    """

    def exhibits(self) -> Sequence[Exhibit]: ...


@runtime_checkable
class Follows(Protocol):
    """A Bound that generates: its raw outputs while it follows given tokens (teacher forcing), not its own choice.

    `follow(i, None)` takes its own best tokens. Returns the outputs, one row per token, and the tokens [new_tokens].
    """

    def follow(self, index: int, tokens: Array | None) -> tuple[Outputs, Array]: ...


class Likely(_Facts, frozen=True, kw_only=True):
    """A token that may come next, as the server shows it; `token` where its id is known. `logprob`: natural, ≤ 0."""

    text: str
    token: int | None = None
    logprob: float | None = None


@runtime_checkable
class Predicts(Protocol):
    """A session that generates by itself and can be asked which token comes next after a given text, one at a time.

    Returns its choice first, without sampling, then up to `most` likely tokens with log-probabilities, where it offers
    them. Raises RequestError.
    """

    def predict(self, prompt: Sequence[int] | str, most: int) -> Sequence[Likely]: ...


@runtime_checkable
class Probes(Protocol):
    """A Bound of a session that `Predicts`: what it says comes next where it is led along given tokens.

    `probe(i, tokens, positions)`: after prompt `i` and the first p of `tokens`, for each p of `positions`. Outputs:
    `next` int64 [n] (-1: unknown), `likely` int64 [n, k] and `logprobs` float64 [n, k]; none is -1 and -inf.
    """

    def probe(self, index: int, tokens: Array, positions: Sequence[int]) -> Outputs: ...


@runtime_checkable
class Begins(Protocol):
    """A Bound whose requests can overlap without threads (sessions that are `Submits`): scope `device`.

    `begin(i, done)` starts input `i` and returns at once; `done(units)` is called when its outputs are on the host, and
    `done(0)` where the request failed.
    """

    def begin(self, index: int, done: Callable[[int], None]) -> None: ...


@runtime_checkable
class Awaits(Protocol):
    """A Bound whose requests wait for a server (sessions that are `Answers`): any number under way, in one event loop.

    `ask(index, note)` sends one request, calls `note(ns)` for each event of tokens and returns (units done, the ns at
    which the answer had been read); it raises RequestError. No two requests are the same, whatever their index.
    `tally` sums up what the server told of all requests so far; None before the first was answered.
    """

    loop: asyncio.AbstractEventLoop

    async def connect(self, count: int) -> None: ...
    async def ask(self, index: int, note: Callable[[int], None]) -> tuple[int, int]: ...
    def tally(self) -> ServerTally | None: ...


@runtime_checkable
class Staged(Protocol):
    """A Bound that can tell where the time of a step goes.

    `stages` runs input `index` once as `step` does, and returns ns by stage: decode, pre, host-to-device, infer,
    device-to-host, post. A stage that it cannot tell apart is missing. Never called in the timed window.
    """

    def stages(self, index: int) -> Mapping[str, int]: ...


@runtime_checkable
class Recalls(Protocol):
    """A Bound that still has the raw outputs of the last step: copied, in the form that `inspect` gives them."""

    def recall(self) -> Outputs: ...


class Feed(Protocol):
    """What all lanes of a launch share of its streams: one decoder per camera, say. Any thread may use it.

    `start` makes `count` streams ready before a load is tried, outside the timed window: their next frame is number 0.
    """

    def start(self, count: int) -> None: ...
    def close(self) -> None: ...


@runtime_checkable
class Decodes(Protocol):
    """A Feed that decodes on the host: how many frames per second that gives alone, by clip.

    Asked outside the timed window: `lanes` threads decode for `seconds` per clip, and no model runs.
    """

    def decoder_rates(self, lanes: int, seconds: float) -> Mapping[str, float]: ...


@runtime_checkable
class Streams(Protocol):
    """A Bound that is fed by continuous streams (video of cameras) in place of single inputs.

    One lane's Bound makes the `feed`, every lane's (that one's too) is told to `take` it; whoever asked for it closes
    it after the last step. `stream_step(stream, number)` runs the frame `number` of camera `stream` and returns the
    units done: frames of one stream are asked for in rising order, and those left out were dropped. Two lanes may run
    frames of one stream at once.
    """

    def feed(self) -> Feed: ...
    def take(self, feed: Feed) -> None: ...
    def stream_step(self, stream: int, number: int) -> int: ...


class Request(_Facts, frozen=True, kw_only=True):
    """What the worker asks of a workload: scope, batch and where the data lies.

    `params` come from the model card, `data` is a folder (None: the workload makes seeded inputs itself), `room` the
    folder of the model card, for files that `params` name.
    """

    scope: str
    batch: int = 1
    seed: int = 0
    params: dict[str, Any] = {}
    data: str | None = None
    room: str | None = None


class Workload(Protocol):
    """Knows a task. The factory in the entry point takes no arguments.

    `bind` gets one session per role of the model card, in the order of the card, and raises DataError for input that
    cannot be used.
    """

    scopes: Sequence[str]
    unit: str

    def bind(self, sessions: Mapping[str, Session], request: Request, clock: TokenClock) -> Bound: ...


MeterScope = Literal["rail", "chip", "card", "device", "package", "node", "wall"]
"""What is inside a reading. Different scopes share no axis and no ranking; `node` (the whole machine, by its BMC) and
`wall` (before its power supply) are those in which unlike devices can be ranked.
"""

HOST = "cpu"
"""The `Channel.device` of the host's processors."""

THROTTLE_BITS: Mapping[str, int] = {"thermal": 1, "power-brake": 2, "hardware": 4, "power-cap": 8, "sync-boost": 16}
"""`conditions.Cause` → its bit in a reading of quantity `throttle`."""


class Channel(_Facts, frozen=True, kw_only=True):
    """One source of readings.

    `quantity` and `unit`: `power` (W, mW, uW, kW), `energy` (J, mJ, uJ, kJ, Wh, kWh), `temperature` (C), `clock` (MHz),
    `limit` (of power, W), `throttle` (the sum of THROTTLE_BITS in effect, unit empty). `kind`: `counter` (of energy,
    only rising), `instant`, `average` (over a window of the sensor's own; `lag_bound_ns` says how long at most), or
    `state`. `device`: the accelerator by the id that `Machine.accelerators` has (its PCI address), HOST, or empty for
    what all devices share. `wraps_at`: where a counter starts anew, in `unit`. `most_w`: more than this the source
    cannot draw, so a larger reading is a fault. `refresh_ns` and `accuracy` (relative, 0.05 is ±5 %) as the vendor
    documents them; None: only observation tells.
    """

    name: str
    unit: str
    scope: MeterScope
    kind: Literal["counter", "instant", "average", "state"]
    source: str
    lag_bound_ns: int | None = None
    quantity: Literal["power", "energy", "temperature", "clock", "limit", "throttle"] = "power"
    device: str = ""
    wraps_at: float | None = None
    most_w: float | None = None
    refresh_ns: int | None = None
    accuracy: float | None = None


class Reading(_Facts, frozen=True, kw_only=True):
    """One reading with the monotonic times just before and after it was taken. `status` is ok or says what is wrong.

    `value` is as the source gives it, in the channel's unit: counters are not unwrapped, nothing is smoothed or filled.
    """

    channel: str
    value: float | None
    before_ns: int
    after_ns: int
    status: str = "ok"


class Meter(Protocol):
    """Reads power or energy in a process of its own. The factory in the entry point takes no arguments.

    `probe` must not raise; what it says about a missing meter names what is missing and how to get it. `channels` does
    not change once the meter has been probed; `read` gives a reading for each of them, with a status where a source
    fails, and may block without harm to the run.
    """

    def probe(self) -> Availability: ...
    def channels(self) -> Sequence[Channel]: ...
    def read(self) -> Sequence[Reading]: ...
    def close(self) -> None: ...


@runtime_checkable
class Configurable(Protocol):
    """A meter that has to be told something (an address, a file). Called once, before `probe`.

    Raises ValueError that names the option, what was found and what was expected. Options hold no secrets: those come
    from a file or an environment variable that an option names.
    """

    def configure(self, options: Mapping[str, Any]) -> None: ...


@runtime_checkable
class Paced(Protocol):
    """A meter that is not read more often than every `interval_ns` (each reading starts a process, say)."""

    interval_ns: int


def prepared(session: Session, feeds: Feeds) -> Callable[[], Outputs]:
    """A call that runs `session` on `feeds`, with buffers bound once where the session can (`Prepares`)."""
    if isinstance(session, Prepares):
        return session.prepare(feeds)
    return lambda: session.infer(feeds)


def seeded_feeds(specs: Sequence[TensorSpec], seed: int, sizes: Mapping[str, int] | None = None) -> dict[str, Array]:
    """Typed inputs for any signature, the same for the same seed: floats in [0, 1), integers in {0, 1}, booleans.

    Symbolic dimensions take their value from `sizes`, else 1. Only raw PCG64 output is used, which numpy promises never
    to change (NEP 19), so that the bytes are the same everywhere.
    """
    feeds: dict[str, Array] = {}
    bits = np.random.PCG64(seed)
    for spec in specs:
        shape = tuple(d if isinstance(d, int) else int((sizes or {}).get(d, 1)) for d in spec.shape)
        count = int(np.prod(shape, dtype=np.int64))
        raw = bits.random_raw(count) >> np.uint64(40)
        dtype = np.dtype(spec.dtype)
        if dtype.kind == "f":
            values = (raw.astype(np.float64) / float(1 << 24)).astype(dtype)
        elif spec.dtype == "uint8":
            values = (raw & np.uint64(255)).astype(dtype)
        else:
            values = (raw & np.uint64(1)).astype(dtype)
        feeds[spec.name] = values.reshape(shape)
    return feeds
