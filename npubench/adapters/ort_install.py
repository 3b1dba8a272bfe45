"""Whether the onnxruntime of this environment is one distribution's, and whole.

ONNX Runtime's wheels (onnxruntime, -gpu, -openvino, -cann, -migraphx …) all install the folder `onnxruntime/`. pip lets
one overwrite the other without a word and `pip check` finds nothing; what then runs is a mixture, and uninstalling one
takes files of the other along (tried: onnxruntime 1.32.0 with onnxruntime-openvino 1.24.1). Plug-in providers have
folders of their own and may stand beside any of them.

Looks at what pip recorded and imports nothing.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution, distributions

from npubench.spi import Availability

# Every wheel of ONNX Runtime has it, and none of its plug-ins.
OWNED = "onnxruntime/__init__.py"


def conflicting(path: Sequence[str] | None = None) -> Availability | None:
    """None where no more than one distribution owns `onnxruntime/` and it is whole, else why not and what to type.

    `path`: folders to look in; the module search path when None.
    """
    found = distributions() if path is None else distributions(path=list(path))
    owners: dict[str, Distribution] = {}
    for item in found:
        # The text first: parsing every record of an environment with torch takes a second.
        if f"\n{OWNED}," in f"\n{item.read_text('RECORD') or ''}":
            owners.setdefault(item.metadata["Name"], item)
    versions = {name: item.version for name, item in sorted(owners.items())}
    if len(owners) > 1:
        listed = " and ".join(f"{name} {version}" for name, version in versions.items())
        return _refused(f"distributions that overwrite each other's onnxruntime/: {listed}; keep one", versions)
    for name, item in owners.items():
        if not _whole(item):
            return _refused(f"{OWNED} is not the one that {name} {item.version} installed; install it anew", versions)
    return None


def _whole(owner: Distribution) -> bool:
    """Whether the package's first file is what its distribution recorded (PEP 376: `sha256=` and urlsafe base64)."""
    rows = csv.reader((owner.read_text("RECORD") or "").splitlines())
    recorded = next((row[1] for row in rows if row and row[0] == OWNED), "")
    algorithm, _, digest = recorded.partition("=")
    if algorithm != "sha256":
        return True
    try:
        with open(str(owner.locate_file(OWNED)), "rb") as stream:
            content = stream.read()
    except OSError:
        return False
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode() == digest


def _refused(reason: str, versions: Mapping[str, str]) -> Availability:
    pip = f"{shlex.quote(sys.executable)} -m pip"
    # The plain one is what other packages pull in by accident; whoever wants it rather than the other will know.
    kept = next((name for name in versions if name != "onnxruntime"), "onnxruntime")
    return Availability(
        available=False,
        reason=reason,
        # All must go first: each has files of the others.
        fix=f"{pip} uninstall -y {' '.join(versions)} && {pip} install {kept}=={versions[kept]}",
        versions=dict(versions),
    )
