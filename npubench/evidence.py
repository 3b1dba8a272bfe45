"""Where a graph ran: what one backend's worker saw of it, and the certificate that is made from that.

`RoleEvidence` crosses the process boundary, one for each graph of a model; `Certificate` is the document that a run
keeps for each model × build × backend (METRICS.md, Placement). Unknown is None with a reason, never zero.

Not aware of: how evidence is gathered (`engine.worker`), how figures are derived from it (`stats.placement`).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from npubench.lang import Text
from npubench.spi import AssignedNode, Device, Placement, Profile

StrictAnswer = Literal["passed", "refused", "unknown"]
Extent = Literal["full", "assisted", "none", "unknown"]
"""How much of the model the requested provider took: all that counts, less than the ruleset's least share, nothing."""


class _Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable; unknown keys are ignored when reading."""


class RoleEvidence(_Evidence, frozen=True, kw_only=True):
    """What a backend's worker saw of one graph, in three sessions: as timed, profiled, and strict.

    `cold_load_ns` is the first opening in a fresh process, `warm_load_ns` the second in the same one;
    `first_inference_ns` the first step of the whole model (the same for all its graphs).
    """

    placement: Placement | None = None
    assigned: tuple[AssignedNode, ...] | None = None
    profile: Profile | None = None
    profile_reason: str | None = None
    strict: StrictAnswer = "unknown"
    strict_reason: str | None = None
    cold_load_ns: int | None = None
    warm_load_ns: int | None = None
    options: dict[str, Any] = {}


class Startup(_Evidence, frozen=True, kw_only=True):
    """How long a model takes until it is ready, over all its graphs; None where it was not measured.

    `compile_ns`: ahead of time, into a file; None with `compile_reason` where nothing is compiled ahead.
    """

    compile_ns: int | None = None
    compile_reason: str | None = None
    cold_load_ns: int | None = None
    warm_load_ns: int | None = None
    first_inference_ns: int | None = None


class Origin(_Evidence, frozen=True, kw_only=True):
    """Who compiled the files that ran: `npubench` on the spot, or somebody elsewhere (a card or `--artifact`)."""

    compiled_by: str
    compiler: str = ""
    quantiser: str = ""
    sha256: dict[str, str] = {}
    source_sha256: dict[str, str] = {}


class ServerDevice(_Evidence, frozen=True, kw_only=True):
    """An accelerator that a server's processes hold. `computes`: the vendor's tool says that they compute on it.

    `idle_w` before anything ran, `load_w` in the timed window, of its own power channel; None where none is read.
    """

    id: str
    name: str = ""
    processes: int = 0
    computes: bool = False
    memory_bytes: int | None = None
    idle_w: float | None = None
    load_w: float | None = None


class ServerEvidence(_Evidence, frozen=True, kw_only=True):
    """What is known of the server behind an endpoint: what it says of itself, and what was seen of it.

    `seen`: `claimed` (its word alone), `device` (its processes were found on `devices`), `cpu` (they hold no device and
    used the host's processors under load). Only of a server that the run started can anything be seen: `processes` is
    how many it has, by program in `programs`; `unseen`: accelerators (ids) of which it cannot be told whether they
    hold them; `idle_cores` and `load_cores` are the processors that they used before and in the timed window;
    `ready_ns` from its start until `ready_by` showed that it answers.
    """

    seen: Literal["claimed", "device", "cpu"] = "claimed"
    claims: dict[str, str] = {}
    processes: int | None = None
    programs: tuple[str, ...] = ()
    devices: tuple[ServerDevice, ...] = ()
    unseen: tuple[str, ...] = ()
    idle_cores: float | None = None
    load_cores: float | None = None
    ready_ns: int | None = None
    ready_by: str = ""
    reasons: tuple[Text, ...] = ()


class Certificate(_Evidence, frozen=True, kw_only=True):
    """Where one model × build × backend ran, from several figures that are never made into one.

    Counts and times are per provider. `nodes`: every node of the partitioned graph; `compute_nodes`: without those that
    only convert or move (Quantize, Dequantize, Transpose, Cast, Reshape …); `macs`: multiply-accumulates of one step by
    observed shapes, `macs_unmatched` those of nodes that the evidence does not name; `self_time_ns`: of all profiled
    runs, `unattributed_share` what of their wall time no node accounts for. `crossings`: edges between nodes of
    different providers. `fallback_ops`: operators that another provider took, by type. `server`: of an endpoint, which
    has none of these figures.
    """

    schema: Literal["npubench.placement/1"] = "npubench.placement/1"
    model: str
    precision: str
    variant: str
    backend: str
    extent: Extent
    execution_kind: str
    requested: str = ""
    registered: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()
    executing: tuple[str, ...] | None = None
    device_type: str = ""
    devices: tuple[Device, ...] = ()
    versions: dict[str, str] = {}
    nodes: dict[str, int] | None = None
    compute_nodes: dict[str, int] | None = None
    macs: dict[str, int] | None = None
    macs_unmatched: int | None = None
    macs_reason: str | None = None
    macs_share: float | None = None
    self_time_ns: dict[str, int] | None = None
    unattributed_share: float | None = None
    profile_reason: str | None = None
    subgraphs: int | None = None
    crossings: int | None = None
    fallback_ops: dict[str, int] | None = None
    strict: StrictAnswer = "unknown"
    strict_reason: str | None = None
    sources: tuple[str, ...] = ()
    startup: Startup = Startup()
    origin: Origin | None = None
    server: ServerEvidence | None = None
    flags: tuple[Text, ...] = ()
    reasons: tuple[Text, ...] = ()
    duration_ns: int = 0
