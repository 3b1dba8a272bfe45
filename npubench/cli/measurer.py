"""Who measured: a vendor, the computing centre or its CI, by `--measured-by`, then NPUBENCH_MEASURED_BY, then CI=true.

Readers judge a vendor's own figures differently from a centre's, so the kind is one of four words; a name may follow.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from npubench.cards import did_you_mean
from npubench.errors import UsageError
from npubench.lang import here

OPTION, VARIABLE = "--measured-by", "NPUBENCH_MEASURED_BY"
KINDS = ("vendor", "centre", "ci", "unknown")
_MOST = 80


def measured_by(asked: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """`KIND` or `KIND:NAME`. Raises UsageError for anything else.

    CI=true is what CI systems set (GitHub, GitLab, CircleCI, Travis, Gitea document it).
    """
    where, text = (OPTION, asked) if asked is not None else (VARIABLE, environ.get(VARIABLE, ""))
    if not text and asked is None:
        return "ci" if environ.get("CI", "").lower() in ("true", "1") else "unknown"
    kind, colon, name = (part.strip() for part in text.partition(":"))
    if kind not in KINDS:
        raise UsageError(
            here(
                f'{where}: found "{text}"{did_you_mean(kind, KINDS)}; expected {", ".join(KINDS)}',
                f'{where}: "{text}"; {", ".join(KINDS)} 중 하나여야 합니다',
            ),
            hint=here(
                f"a name may follow: {where} vendor:NAME" if asked is not None else f"for example {where}=vendor:NAME",
                f"이름을 덧붙일 수 있습니다. 예: vendor:이름({where})",
            ),
        )
    if colon and (not name or len(name) > _MOST or not name.isprintable()):
        raise UsageError(
            here(
                f'{where}: found "{text}"; expected a name of 1 to {_MOST} printable characters after the colon',
                f'{where}: "{text}"; 콜론 뒤에는 1~{_MOST}자의 이름이 와야 합니다',
            )
        )
    return f"{kind}:{name}" if name else kind
