"""`ocr-korean`: where the words are (a DBNet-like text detector) and what a line says (a convolutional CTC recogniser).

Text detector: light residual backbone and a feature pyramid that predicts the shrunken word region at stride 4 (Liao et
al., Real-time Scene Text Detection with Differentiable Binarization, 2020; the threshold map is left out because it
serves training only). Recogniser: no recurrence and no attention, so that NPUs run it whole; depthwise one-dimensional
mixers give each frame its context.
"""

from __future__ import annotations

from npubench.build.charset import CLASSES
from npubench.build.nets.vocabulary import Head, V, Vision

PAGE = (1024, 736)
LINE_HEIGHT = 32
WIDTH_PER_FRAME = 4

PYRAMID_WIDTH = 48
LINE_WIDTH = 256
MIXERS = 3

# Seeded heads: about a quarter of the page above a threshold of 0.3; the blank wins about half of the frames.
TEXT = Head(mean=-2.0, deviation=1.5)
CHARS = Head(mean=0.0, deviation=1.5, first_mean=5.0)


def _residual(b: Vision[V], x: V, name: str) -> V:
    width = b.channels(x)
    y = b.conv(b.conv(x, f"{name}.conv1", width), f"{name}.conv2", width, relu=False)
    return b.relu(b.add(x, y))


def text_detector(b: Vision[V]) -> None:
    """`page` float32 [batch,3,1024,736] → `text` float32 [batch,1,256,184], logits of the shrunken word region."""
    down = (2, 2)
    x = b.conv(b.image("page", 3, *PAGE), "stem", 16, stride=down)
    levels: list[V] = []
    for stride, width in ((4, 24), (8, 48), (16, 96), (32, 192)):
        x = _residual(b, b.conv(x, f"down{stride}", width, stride=down), f"stage{stride}")
        levels.append(x)
    laterals = [b.conv(level, f"lateral{4 << i}", PYRAMID_WIDTH, (1, 1), relu=False) for i, level in enumerate(levels)]
    for i in (2, 1, 0):
        laterals[i] = b.add(laterals[i], b.upsample(laterals[i + 1], 2))
    smooth: list[V] = []
    for i, lateral in enumerate(laterals):
        y = b.conv(lateral, f"smooth{4 << i}", PYRAMID_WIDTH // 4)
        smooth.append(b.upsample(y, 1 << i) if i else y)
    y = b.conv(b.concat(smooth), "head.conv", PYRAMID_WIDTH // 2)
    b.output("text", b.conv(y, "head.logits", 1, (1, 1), head=TEXT))


def line_recogniser(b: Vision[V]) -> None:
    """`lines` float32 [batch,1,32,width] → `chars` float32 [batch,frames,classes], frames = width/4, class 0 blank."""
    x = b.conv(b.image("lines", 1, LINE_HEIGHT, None), "stem", 32, stride=(2, 2))
    x = b.conv(x, "conv1", 64)
    x = b.conv(x, "down4", 128, stride=(2, 2))
    x = _residual(b, x, "stage4")
    x = b.conv(x, "down8", 160, stride=(2, 1))
    x = b.conv(x, "down16", 224, stride=(2, 1))
    x = b.conv(x, "flatten", LINE_WIDTH, (2, 1), same=False)
    for i in range(MIXERS):
        y = b.conv(x, f"mixer{i}.along", LINE_WIDTH, (1, 9), depthwise=True, relu=False)
        y = b.conv(y, f"mixer{i}.widen", LINE_WIDTH * 3 // 2, (1, 1))
        x = b.add(x, b.conv(y, f"mixer{i}.narrow", LINE_WIDTH, (1, 1), relu=False))
    b.output("chars", b.sequence(b.conv(x, "head.logits", CLASSES, (1, 1), head=CHARS), "frames"))
