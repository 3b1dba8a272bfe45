"""`cctv-detect`: a compact anchor-free detector for 640×640 frames; raw heads out, decoding and NMS on the host.

CSP/C2f backbone, SPPF, PAN neck, decoupled head (the layout of YOLOv8, Ultralytics 2023, with ReLU and one 1×1 pair in
place of the channel split, both kinder to NPUs). Outputs are the raw head tensors because quantising a decoded tail
destroys it: boxes of hundreds of pixels would share a scale with scores below 1.
"""

from __future__ import annotations

import msgspec

from npubench.build.nets.vocabulary import Head, V, Vision

SIZE = 640
STRIDES = (8, 16, 32)
CLASSES = ("person", "car", "bus", "truck", "motorcycle", "bicycle")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Widths at strides 2, 4, 8, 16, 32 and of the heads; multiples of 16, the channel block of most NPUs."""

    widths: tuple[int, int, int, int, int]
    box_width: int
    class_width: int


# About 5 GFLOP a frame.
COMPACT = Shape(widths=(16, 32, 64, 96, 160), box_width=32, class_width=48)
# The size that surveillance products run (YOLOv8-S: 11 M parameters): about 10 M and 25 GFLOP.
S = Shape(widths=(32, 64, 128, 256, 512), box_width=64, class_width=64)

# Seeded heads: boxes of about 2 to 8 strides a side; about one class score in a hundred above a threshold of 0.25.
BOX = Head(mean=1.0, deviation=0.4)
CLASS = Head(mean=-4.6, deviation=1.5)


def _bottleneck(b: Vision[V], x: V, name: str, shortcut: bool) -> V:
    width = b.channels(x)
    y = b.conv(x, f"{name}.conv1", width)
    if not shortcut:
        return b.conv(y, f"{name}.conv2", width)
    return b.relu(b.add(x, b.conv(y, f"{name}.conv2", width, relu=False)))


def _c2f(b: Vision[V], x: V, name: str, channels: int, depth: int, shortcut: bool = True) -> V:
    parts = [b.conv(x, f"{name}.keep", channels // 2, (1, 1)), b.conv(x, f"{name}.enter", channels // 2, (1, 1))]
    for i in range(depth):
        parts.append(_bottleneck(b, parts[-1], f"{name}.block{i}", shortcut))
    return b.conv(b.concat(parts), f"{name}.leave", channels, (1, 1))


def _sppf(b: Vision[V], x: V, name: str) -> V:
    width = b.channels(x)
    parts = [b.conv(x, f"{name}.enter", width // 2, (1, 1))]
    for _ in range(3):
        parts.append(b.max_pool(parts[-1], 5))
    return b.conv(b.concat(parts), f"{name}.leave", width, (1, 1))


def detector(b: Vision[V], shape: Shape = COMPACT) -> None:
    """`images` float32 [batch,3,640,640] → `box_s{8,16,32}` [batch,4,h,w] and `cls_s…` [batch,6,h,w], logits."""
    down = (2, 2)
    widths = shape.widths
    x = b.conv(b.image("images", 3, SIZE, SIZE), "stem", widths[0], stride=down)
    x = _c2f(b, b.conv(x, "down4", widths[1], stride=down), "stage4", widths[1], 1)
    c8 = _c2f(b, b.conv(x, "down8", widths[2], stride=down), "stage8", widths[2], 2)
    c16 = _c2f(b, b.conv(c8, "down16", widths[3], stride=down), "stage16", widths[3], 2)
    c32 = _c2f(b, b.conv(c16, "down32", widths[4], stride=down), "stage32", widths[4], 1)
    c32 = _sppf(b, c32, "sppf")

    p16 = _c2f(b, b.concat([b.upsample(c32, 2), c16]), "up16", widths[3], 1, shortcut=False)
    p8 = _c2f(b, b.concat([b.upsample(p16, 2), c8]), "up8", widths[2], 1, shortcut=False)
    d16 = b.conv(p8, "pan16.down", widths[2], stride=down)
    p16 = _c2f(b, b.concat([d16, p16]), "pan16", widths[3], 1, shortcut=False)
    d32 = b.conv(p16, "pan32.down", widths[3], stride=down)
    p32 = _c2f(b, b.concat([d32, c32]), "pan32", widths[4], 1, shortcut=False)

    for stride, x in zip(STRIDES, (p8, p16, p32), strict=True):
        for kind, width, channels, head in (
            ("box", shape.box_width, 4, BOX),
            ("cls", shape.class_width, len(CLASSES), CLASS),
        ):
            name = f"head{stride}.{kind}"
            y = b.conv(x, f"{name}.conv1", width)
            y = b.conv(y, f"{name}.conv2", width)
            b.output(f"{kind}_s{stride}", b.conv(y, f"{name}.logits", channels, (1, 1), head=head))
