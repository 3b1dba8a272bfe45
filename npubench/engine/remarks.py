"""What a server told of its own work, as audits of a launch: did it remember prompts, and how long were they?

`prompt-cache`: no two prompts of a launch begin alike beyond what is shared on purpose, so what a server says to have
computed before is work that it did not do, and its times are better than its speed. `prompt-length`: a text has as many
tokens as the server's own tokeniser makes of it. Neither makes a launch invalid: they say what its numbers are of.

Not aware of: requests, adapters.
"""

from __future__ import annotations

from npubench.lang import Text
from npubench.schema import PROMPT_CACHE, PROMPT_LENGTH, Audit
from npubench.spi import ServerTally

# Templates are the same in all prompts: a few tokens.
SPARED = 0.05
# As far as the length of an answer may be off (METRICS.md, Audits).
LENGTH = 0.10


def remarks(told: ServerTally | None) -> tuple[Audit, ...]:
    """Both; none where no request was answered."""
    if told is None:
        return ()
    return (_cache(told), _length(told))


def _cache(told: ServerTally) -> Audit:
    total, shared = told.prompt_tokens, told.shared_tokens * told.requests
    cached = told.cached_tokens
    if cached is None:
        said = Text(
            en="the server does not say whether it had computed parts of the prompts before; no two were the same",
            ko="서버가 프롬프트 캐시 사용 여부를 알리지 않음. 같은 프롬프트는 없었음",
        )
        return Audit(name=PROMPT_CACHE, passed=None, said=said)
    share = f"{cached / max(total, 1):.1%}"
    meant = f", {shared} of them shared on purpose" if shared else ""
    meant_ko = f", 그중 {shared}개는 의도한 공유" if shared else ""
    said = Text(
        en=f"the server had computed {cached} of {total} prompt tokens before ({share}{meant})",
        ko=f"서버가 프롬프트 토큰 {total}개 중 {cached}개를 캐시에서 사용({share}{meant_ko})",
    )
    return Audit(name=PROMPT_CACHE, passed=cached <= shared + SPARED * total, said=said)


def _length(told: ServerTally) -> Audit:
    least, most, asked = told.least_prompt_tokens, told.most_prompt_tokens, told.asked_tokens
    between = f"{least}" if least == most else f"{least}–{most}"
    said = Text(
        en=f"prompts had {between} tokens by the server's count; {asked} were asked for",
        ko=f"서버가 센 프롬프트 길이는 {between}토큰, 요청은 {asked}토큰",
    )
    passed = asked * (1 - LENGTH) <= least and most <= asked * (1 + LENGTH)
    return Audit(name=PROMPT_LENGTH, passed=passed, said=said)
