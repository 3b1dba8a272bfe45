"""What is known of options: which belong to the session, and which keys a provider takes.

Most of ONNX Runtime's own providers answer with the options in effect, so that a key which is not among them was
ignored: that is refused. Some providers refuse an unknown key themselves. Plug-ins take anything and give it back
unread: for those the keys that the vendor documents are listed here, and any other is worth a note, not a refusal,
because a newer version may have learned it.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

SESSION_KEYS = ("graph_optimization_level", "inter_op_num_threads", "intra_op_num_threads")
"""Keys of the card's [options] that belong to the session; everything else goes to the provider."""

LEVELS = ("disable", "basic", "extended", "all")

# Providers that raise for a key that they do not know, and tell no options in effect (seen with 1.24.1).
_REFUSES_UNKNOWN = frozenset({"OpenVINOExecutionProvider"})

# Keys that are documented, for providers that take any. Sources: QNN: onnxruntime.ai, "QNN Execution Provider",
# qnn_execution_provider.cc in github.com/onnxruntime/onnxruntime-qnn, and the texts in the library of 2.7.0. VitisAI:
# ryzenai.docs.amd.com, "Model Compilation and Deployment" 1.4 to 1.6.
_DOCUMENTED: Mapping[str, frozenset[str]] = {
    "QNNExecutionProvider": frozenset((
        "backend_path", "backend_type", "device_id", "disable_file_mapped_weights", "dump_json_qnn_graph",
        "dump_qnn_ir_dlc", "dump_qnn_ir_dlc_dir", "enable_block_quant_weight_optimization",
        "enable_framework_op_trace", "enable_htp_fp16_precision", "enable_htp_graph_splitting",
        "enable_htp_monolithic_lstm", "enable_htp_prepare_and_load", "enable_htp_prepare_only",
        "enable_htp_shared_memory_allocator", "enable_htp_spill_fill_buffer",
        "enable_vtcm_backup_buffer_sharing", "extended_udma", "htp_arch", "htp_bf16_enable",
        "htp_graph_finalization_optimization_mode", "htp_graph_splitting_num_prepare_threads",
        "htp_performance_mode", "htp_reused_io_limit_mb", "htp_share_resource_optimization",
        "json_qnn_graph_dir", "num_graph_prepare_threads", "offload_graph_io_quantization", "op_packages",
        "profiling_file_path", "profiling_level", "qnn_context_priority", "qnn_ir_backend_path",
        "qnn_saver_path", "rpc_control_latency", "skip_backend_op_validation", "skip_qnn_version_check",
        "soc_model", "vtcm_mb",
    )),
    "VitisAIExecutionProvider": frozenset((
        "ai_analyzer_profiling", "ai_analyzer_visualization", "cache_dir", "cache_key", "config_file",
        "enable_cache_file_io_in_mem", "encryption_key", "encryptionKey", "external_ep_libray", "log_level",
        "opt_level", "target", "xclbin", "xlnx_enable_py3_round",
    )),
}  # fmt: skip


def level_of(options: Mapping[str, Any]) -> str:
    """The graph optimisation level. Raises ValueError."""
    level = str(options.get("graph_optimization_level", "all"))
    if level not in LEVELS:
        raise ValueError(f'options.graph_optimization_level: "{level}"; expected one of {", ".join(LEVELS)}')
    return level


def provider_options(options: Mapping[str, Any]) -> dict[str, str]:
    """The options that go to the provider, as the text that ONNX Runtime takes."""
    return {key: _text(value) for key, value in options.items() if key not in SESSION_KEYS}


def _text(value: Any) -> str:
    # Python's "True" is not what every provider reads; where a vendor wants "1", its card says so.
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_taken(provider: str, plug_in: bool, asked: Mapping[str, str], taken: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences about options that may not have reached the provider. Raises ValueError for those that did not.

    `taken`: the options in effect, as the provider tells them.
    """
    if not asked or provider in _REFUSES_UNKNOWN:
        return ()
    if (known := _DOCUMENTED.get(provider)) is not None:
        return tuple(_unknown(provider, key, known) for key in sorted(asked.keys() - known))
    if plug_in:
        listed = ", ".join(sorted(asked))
        return (f"whether {provider} knows its options ({listed}) cannot be checked: it tells of none",)
    if ignored := sorted(asked.keys() - taken.keys()):
        listed = ", ".join((*SESSION_KEYS, *sorted(taken)))
        raise ValueError(f"options that {provider} does not know: {', '.join(ignored)}; it takes {listed}")
    return ()


def _unknown(provider: str, key: str, known: frozenset[str]) -> str:
    close = get_close_matches(key, known, n=1)
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"{provider} took the option {key} without knowing it: it is not among those documented{meant}"
