"""The characters that `ocr-korean` reads. Class 0 of the recogniser is the CTC blank, class i is `CHARSET[i - 1]`.

Guarantees: no character twice; the order never changes, because trained weights depend on it. Not aware of: networks.
"""

from __future__ import annotations

ASCII = "".join(map(chr, range(0x20, 0x7F)))

# The 2350 precomposed syllables of KS X 1001, rows 16 to 40: all that administrative documents use but for rare names.
SYLLABLES = bytes(byte for lead in range(0xB0, 0xC9) for trail in range(0xA1, 0xFF) for byte in (lead, trail)).decode(
    "euc-kr"
)

SIGNS = "·※○●△▲□■◇◆◎☆★…–—～「」『』〔〕“”‘’→←↑↓℃㎡㎏㎞№①②③④⑤⑥⑦⑧⑨⑩×÷"

CHARSET: str = ASCII + SYLLABLES + SIGNS
CLASSES = 1 + len(CHARSET)
