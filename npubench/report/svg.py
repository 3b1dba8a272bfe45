"""Makes an SVG of the chart renderer fit for our page: allow-listed, in both languages, without ids of its own.

Guarantees: only drawing elements and presentation attributes remain (no script, style, link, image, handler, or `style`
attribute, which the page's content policy would block), references stay inside the picture, and a text that has a
translation stands there in both languages; where a mark's number stands in the tables is kept (`data-at`). What changes
nothing that is seen is left out, for pictures are most of a page's weight. Inline in HTML, so no namespace is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree

from npubench.lang import Text

_ELEMENTS = frozenset({"svg", "g", "path", "line", "rect", "circle", "text", "tspan", "clipPath", "defs"})
_PRESENTATION = frozenset(
    {
        "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-dashoffset",
        "stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "opacity", "display", "clip-path",
        "text-anchor", "dominant-baseline", "font-size", "font-weight", "font-style",
    }
)  # fmt: skip
_GEOMETRY = frozenset(
    {"d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "dx", "dy", "width", "height", "transform", "id"}
)


# What the script looks up: the table of the figure, the row and the column (`charts.at`).
_AT = re.compile(r"[a-z]:\d{1,6}:\d{1,4}")
# The renderer writes three decimals of a unit that is less than two pixels of a screen.
_DECIMALS = re.compile(r"(\d+\.\d)\d+")
_STROKE = re.compile(r"([ML])(-?[\d.]+),(-?[\d.]+)")
_POLYLINE = re.compile(r"(?:[ML]-?[\d.]+,-?[\d.]+)+")
_DEFAULTS = {
    "opacity": ("1",), "stroke-width": ("1",), "transform": ("translate(0,0)",), "stroke-opacity": ("1",),
    "stroke-miterlimit": ("10",),
}  # fmt: skip
_ROUNDED = frozenset({"d", "transform", "x", "y", "x1", "x2", "y1", "y2"})


def _name(tag: object) -> str:
    return str(tag).rpartition("}")[2]


def _attributes(element: ElementTree.Element, prefix: str) -> dict[str, str]:
    found = {_name(key): value for key, value in element.attrib.items()}
    for declaration in found.pop("style", "").split(";"):
        key, _, value = declaration.partition(":")
        if key.strip():
            found[key.strip()] = value.strip()
    kept = {}
    for key, value in found.items():
        if key == "aria-label" and _AT.fullmatch(value):
            kept["data-at"] = value
        if (key not in _PRESENTATION and key not in _GEOMETRY) or value in _DEFAULTS.get(key, ()):
            continue
        if key == "id":
            kept[key] = f"{prefix}-{value}"
        elif "url(" in value:
            # Only a reference into this picture; its ids are prefixed, because a page holds many pictures.
            if value.startswith("url(#"):
                kept[key] = value.replace("url(#", f"url(#{prefix}-", 1)
        else:
            kept[key] = _DECIMALS.sub(r"\1", value) if key in _ROUNDED else value
    if "d" in kept:
        kept["d"] = _shorter(kept["d"])
    return kept


def _shorter(path: str) -> str:
    """The same polyline, its level and upright strokes with one number each: of a staircase, half."""
    if not _POLYLINE.fullmatch(path):
        return path
    written, before = [], ("", "")
    for letter, x, y in _STROKE.findall(path):
        if letter == "M":
            written.append(f"M{x},{y}")
        elif (x, y) != before:
            written.append(f"V{y}" if x == before[0] else f"H{x}" if y == before[1] else f"L{x},{y}")
        before = (x, y)
    return "".join(written)


def _copy(
    element: ElementTree.Element, prefix: str, words: Mapping[str, Text], *, clips: bool = False
) -> list[ElementTree.Element]:
    name = _name(element.tag)
    if name not in _ELEMENTS:
        return []
    attributes = _attributes(element, prefix)
    text = (element.text or "").strip()
    if name == "text" and text in words:
        both = []
        for language, shown in (("en", words[text].en), ("ko", words[text].ko)):
            twin = ElementTree.Element(name, {**attributes, "class": language, "lang": language})
            twin.text = shown
            both.append(twin)
        return both
    if name == "g" and not attributes and not text:
        # A group that says nothing only makes the page heavier, and so do the defaults below.
        return [part for child in element for part in _copy(child, prefix, words)]
    copy = ElementTree.Element(name, attributes)
    copy.text = text or None
    for child in element:
        copy.extend(_copy(child, prefix, words, clips=name == "clipPath"))
    # What draws nothing only makes the page heavier. The renderer colours every path itself, but those that clip.
    if name == "g" and not len(copy):
        return []
    if name == "path" and not (copy.get("d") and (clips or copy.get("fill") or copy.get("stroke"))):
        return []
    return [copy]


def _number_ids(root: ElementTree.Element) -> None:
    """The renderer counts its ids on from picture to picture: with ids of its own a picture is always the same."""
    names = {found: f"i{number}" for number, found in enumerate(filter(None, (item.get("id") for item in root.iter())))}
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, names[value])
            elif value.startswith("url(#") and value[5:-1] in names:
                element.set(key, f"url(#{names[value[5:-1]]})")


def inline(svg: str, prefix: str, words: Mapping[str, Text], label: Mapping[str, str]) -> str:
    """`svg` for inline use in HTML. `prefix` makes ids unique; `words` maps a drawn text to its translations.

    `label` are attributes of the outermost element (role, aria-labelledby). The picture keeps its viewBox and loses its
    fixed size. Raises ValueError for what is no SVG.
    """
    try:
        # The input is our own renderer's output, which names no entity and no document type.
        root = ElementTree.fromstring(svg)  # noqa: S314
    except ElementTree.ParseError as error:
        raise ValueError(f"the chart renderer gave no SVG: {error}") from error
    if _name(root.tag) != "svg":
        raise ValueError(f"the chart renderer gave <{_name(root.tag)}>, expected <svg>")
    _number_ids(root)
    outer = ElementTree.Element("svg", {"viewBox": root.get("viewBox", ""), **label})
    for child in root:
        outer.extend(_copy(child, prefix, words))
    return ElementTree.tostring(outer, encoding="unicode", short_empty_elements=True)
