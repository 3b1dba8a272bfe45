"""Results without what tells where they were measured and by whom, so that they can be handed on.

Host names, user names, serial numbers and UUIDs, network addresses and paths are replaced in every text (reasons, last
lines of a process, versions, cards, meters, the command), each value by the same placeholder wherever it occurs in the
results of one page: `host-1`, `user-1`, `serial-1`, `address-1`, `path-1`. Numbers, ids of cells and runs, hashes and
PCI addresses stay: they tie a redacted copy to its run.

Guarantees: pure, the same results give the same placeholders; what is redacted once comes out of every format, because
all are made from these documents. Known by their fields: a machine's name, who measured, serial numbers; known by their
form: paths, URLs, IP, MAC and mail addresses, UUIDs; whatever is known of either kind is replaced everywhere.

Not aware of: formats; pictures (of the user's own none is put into a redacted page); the name of the machine that it
runs on: whoever verifies a page redacts the same documents elsewhere and must come to the same words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec

from npubench.cards import digest
from npubench.exhibits import Exhibits
from npubench.metrics import METRICS
from npubench.report.media import nothing
from npubench.report.redacting import REDACTED_FROM
from npubench.report.view import RunFiles
from npubench.schema import Launch, Machine, Run
from npubench.stats.readings import Readings
from npubench.store import slug

T = TypeVar("T")

_URL = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>`]+")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Between quotes a path may hold anything; without them it ends with a blank.
_QUOTED = re.compile(r"(?<=([\"'`“‘]))(?:file:)?(?:/|~[\w.-]*/|[A-Za-z]:\\)(?:(?!\1)[^\n”’])+")
# A short option and its path may be one word: `-I/srv/kim`.
_PATH = re.compile(
    r"(?:(?<![\w/.~\])%-])(?:~[\w.-]*)?|(?<=[\s\"'`(,=\[]-[A-Za-z])|(?<=^-[A-Za-z]))/(?=[\w.@~])[^\s\"'`:;,|()<>\[\]{}]+"
    r"|\b[A-Za-z]:\\[^\s\"'`;,|<>]+"
)
# What the kernel calls its own things is the same on every machine, but for links that are named after disks.
_KERNEL = re.compile(r"/(?:sys|proc|dev(?!/disk|/mapper|/serial))/")
_RELATIVE = re.compile(
    r"(?<![\w/.-])[\w.+-]+(?:[/\\][\w.+-]+)+\.(?:jpe?g|png|bmp|webp|mp4|m4v|mov|mkv|avi|ts|h26[45]|onnx|npz|json|toml|csv|txt|py|so)\b"
)
_UUID = re.compile(r"(?:\b[A-Z]{2,4}-)?\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
_MAC = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}(?![\w:])")
_IPV6 = re.compile(r"(?<![\w:.])(?=[0-9a-fA-F:]*::|(?:[0-9a-fA-F]{1,4}:){7})[0-9a-fA-F:]{2,39}(?![\w:])")
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?![\w.])")
_SERIAL = re.compile(r"(?i)\b(?:serial(?:\s*(?:number|no\.?|#))?|s/n)\s*[:=#]?\s*([A-Za-z0-9][A-Za-z0-9-]{4,})")
_HOME = re.compile(r"(?:/home/|/Users/|\\Users\\)([^/\\\s\"'`]+)")
_HOST_OF = re.compile(r"://(?:[^/@\s]*@)?(\[[^\]]+\]|[^/:\s\"'<>`]+)")
# A host's name before its domain, which an address in numbers does not have.
_DOMAIN = re.compile(r"([\w-]+)(?:\.[\w-]+)*\.[^\W\d][\w-]*")

# Keys of cards, devices and meters whose values name one thing in the world.
_SERIAL_KEY = re.compile(r"(?i)(?:^|[_.-])(?:serial(?:_?(?:number|no))?|uuid|guid|sid|wwn|asset(?:_tag)?|board_?id)$")
_HOST_KEY = re.compile(r"(?i)(?:^|[_.-])(?:hostname|host|machine(?:_name)?)$")
_USER_KEY = re.compile(r"(?i)(?:^|[_.-])(?:user(?:name)?|login|account|owner)$")
# A version may have four numbers and is no address.
_VERSION_KEYS = frozenset({"packages", "versions", "varying", "version", "base", "new"})
# Words that name nobody; a path that holds one is replaced all the same.
_NOBODY = frozenset(
    [
        "user", "users", "root", "admin", "test", "tests", "data", "app", "runner", "work", "home", "localhost", "host",
        "server", "node", "none", "unknown", "default", "cpu", "gpu", "npu",
    ]
)  # fmt: skip
# Options whose values are names of npubench's own, or numbers; every other value of the command may be somebody's.
_OPEN = frozenset(
    [
        "-m", "--model", "-b", "--backend", "-p", "--precision", "-s", "--scenario", "--scope", "--mix", "--suite",
        "--profile", "--ruleset", "--launches", "--budget", "--seed", "--variant", "--pin", "--priority",
        "--stall-timeout", "--wait", "--shape", "--ep-device",
    ]
)  # fmt: skip


@cache
def _kind(key: str) -> str | None:
    """What the values under a key name, where they name one thing in the world."""
    kinds = (("serial", _SERIAL_KEY), ("host", _HOST_KEY), ("user", _USER_KEY))
    return next((kind for kind, pattern in kinds if pattern.search(key)), None)


@cache
def _vocabulary() -> frozenset[str]:
    """Words that the documents' own forms use: a machine that is called `valid` must not make a verdict unreadable."""
    words = set(METRICS)

    def gather(schema: Any) -> None:
        if isinstance(schema, dict):
            for key, value in schema.items():
                if key == "properties":
                    words.update(value)
                elif key in ("enum", "const"):
                    words.update(str(item) for item in (value if isinstance(value, list) else [value]))
                gather(value)
        elif isinstance(schema, list):
            for item in schema:
                gather(item)

    gather(msgspec.json.schema(Run))
    gather(msgspec.json.schema(Launch))
    return frozenset(word.lower() for word in words)


class Redactor:
    """What was replaced by what. Lives for one page, whose runs must all be `learn`ed before the first is rewritten."""

    def __init__(self) -> None:
        self._placeholders: dict[tuple[str, str], str] = {}
        self._aliases: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._known: dict[str, str] = {}
        self._reserved: set[str] = set()
        self._seen: set[tuple[str, str]] = set()
        self._pattern: re.Pattern[str] | None = None
        self._done: dict[tuple[str, bool], str] = {}

    def learn(self, files: RunFiles) -> None:
        """Takes in what a run's documents name by field, and what their texts name by form."""
        run = files.run
        self._reserved |= {str(name).lower() for part in (run.models, run.backends) for name in part}
        # Machines are numbered in the page's order.
        self.host(run.machine.name)
        self._host(run.machine.name)
        self._name("user", run.measured_by.partition(":")[2])
        for document in (run, *files.launches.values(), files.changes, files.history):
            for key, text in _texts(msgspec.to_builtins(document)):
                if (key, text) not in self._seen:
                    self._seen.add((key, text))
                    self._look(key, text)

    def _look(self, key: str, text: str) -> None:
        """Names in one text, and what its key says that it is."""
        if (kind := _kind(key)) is not None:
            if kind == "host":
                self._host(text)
            else:
                self._name(kind, text)
        if "/" in text or "\\" in text:
            for found in _HOME.finditer(text):
                self._name("user", found[1])
            for found in _HOST_OF.finditer(text):
                self._name("host", found[1])
        if "erial" in text or "SERIAL" in text or "/n" in text.lower():
            for found in _SERIAL.finditer(text):
                self._name("serial", found[1])

    def _host(self, text: str) -> None:
        """A machine's name, its folder's, and what stands before the domain: all are the same machine."""
        name = text.strip()
        domain = _DOMAIN.fullmatch(name)
        for other in (slug(name), *([domain[1]] if domain else [])):
            self._aliases.setdefault(other.lower(), name.lower())
            self._name("host", other)
        self._name("host", name)

    def _name(self, kind: str, text: str) -> None:
        name = text.strip()
        if len(name) < 2 or name.lower() in _NOBODY or (name.isdigit() and (kind != "serial" or len(name) < 6)):
            return
        self._known.setdefault(name.lower(), kind)
        self._pattern, self._done = None, {}

    def _placeholder(self, kind: str, value: str) -> str:
        at = (kind, value.strip().lower() if kind in ("host", "user") else value)
        if at not in self._placeholders and kind == "host":
            at = (kind, self._aliases.get(at[1], at[1]))
        return self._numbered(at)

    def _numbered(self, at: tuple[str, str]) -> str:
        """The placeholder of a (kind, value), the next one of its kind where it is new."""
        kind, _ = at
        if at not in self._placeholders:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            self._placeholders[at] = f"{kind}-{self._counts[kind]}"
        return self._placeholders[at]

    def host(self, name: str) -> str:
        """The placeholder of a machine's name, whatever it is called; of two machines no two are the same."""
        return self._numbered(("host", name.strip().lower()))

    def _names(self) -> re.Pattern[str]:
        if self._pattern is None:
            able = [name for name in self._known if name not in self._reserved and name not in _vocabulary()]
            listed = "|".join(re.escape(name) for name in sorted(able, key=lambda name: (-len(name), name)))
            # A host's name may go on with its domain.
            self._pattern = re.compile(
                rf"(?<![A-Za-z0-9_])({listed})(?![A-Za-z0-9_])(?:(?<=\w)(?:\.[a-z][a-z0-9-]*)+(?![\w(]))?"
                if listed
                else r"(?!)",
                re.IGNORECASE,
            )
        return self._pattern

    def text(self, text: str, *, version: bool = False) -> str:
        """`text` with placeholders. `version`: four numbers with dots between them are no address there."""
        at = (text, version)
        if at not in self._done:
            self._done[at] = self._rewritten(text, version)
        return self._done[at]

    def _rewritten(self, text: str, version: bool) -> str:
        def put(kind: str) -> Any:
            return lambda found: (
                found[0] if kind == "path" and _KERNEL.match(found[0]) else self._placeholder(kind, found[0])
            )

        if ":" in text or "@" in text:
            text = _MAIL.sub(put("user"), _URL.sub(put("address"), text))
        if "/" in text or "\\" in text:
            text = _RELATIVE.sub(put("path"), _PATH.sub(put("path"), _QUOTED.sub(put("path"), text)))
        text = self._names().sub(lambda found: self._placeholder(self._known[found[1].lower()], found[1]), text)
        if "-" in text:
            text = _UUID.sub(put("serial"), text)
        if ":" in text or "-" in text:
            text = _IPV6.sub(put("address"), _MAC.sub(put("address"), text))
        return text if version or "." not in text else _IPV4.sub(put("address"), text)

    def of(self, value: T, *, version: bool = False) -> T:
        """Any document or part of one, with every text rewritten, keys of mappings as well."""
        return self._of(value, version)  # type: ignore[no-any-return]

    def _of(self, value: Any, version: bool) -> Any:
        if isinstance(value, str):
            # Members of an enumeration are words of ours.
            return self.text(value, version=version) if type(value) is str else value
        if isinstance(value, msgspec.Struct):
            changed = {}
            for name in value.__struct_fields__:
                before = getattr(value, name)
                after = self._of(before, version or name in _VERSION_KEYS)
                if after is not before:
                    changed[name] = after
            found = msgspec.structs.replace(value, **changed) if changed else value
            return msgspec.structs.replace(found, name=self.host(value.name)) if isinstance(value, Machine) else found
        if isinstance(value, Mapping):
            return {
                self._of(key, version): self._of(item, version or key in _VERSION_KEYS) for key, item in value.items()
            }
        if isinstance(value, tuple | list):
            return type(value)(self._of(item, version) for item in value)
        return value

    def card(self, card: Any) -> Any:
        """A card; one that had to be changed keeps the hash that it had."""
        after = self.of(card)
        return after if after == card else {**after, REDACTED_FROM: digest(card)}

    def command(self, words: Sequence[str]) -> tuple[str, ...]:
        """A command line: options, and values that are names of npubench's own or numbers."""
        found: list[str] = []
        before = ""
        for number, word in enumerate(words):
            option, sign, value = word.partition("=")
            if word.startswith("-"):
                keep = not sign or option in _OPEN or value.isdigit()
                found.append(self.text(word) if keep else f"{option}={self._placeholder('path', value)}")
            elif before in _OPEN or (not before.startswith("-") and number < 2) or word.isdigit():
                found.append(self.text(word))
            else:
                found.append(self._placeholder("path", word))
            before = word
        return tuple(found)

    def run(self, run: Run) -> Run:
        """A run document."""
        after = self.of(msgspec.structs.replace(run, models={}, backends={}, command=()))
        kind, sign, name = run.measured_by.partition(":")
        return msgspec.structs.replace(
            after,
            models={self.text(key): self.card(card) for key, card in run.models.items()},
            backends={self.text(key): self.card(card) for key, card in run.backends.items()},
            command=self.command(run.command),
            measured_by=f"{kind}:{self._placeholder('user', name)}" if sign and name else after.measured_by,
        )

    def exhibits(self, found: Exhibits) -> Exhibits:
        """What was found; of npubench's own pictures only what says who found it, the rest is known to everybody."""
        if found.private:
            return self.of(found)
        return msgspec.structs.replace(
            found,
            model=self.text(found.model),
            precision=self.text(found.precision),
            variant=self.text(found.variant),
            backend=self.text(found.backend),
            reference=self.text(found.reference),
        )

    def files(self, files: RunFiles) -> RunFiles:
        """A run with what lies beside it. Of pictures only npubench's own stay."""
        readings = files.readings

        def read(launch: str) -> Readings | None:
            found = readings(launch)
            return None if found is None else msgspec.structs.replace(found, channels=self.of(found.channels))

        return msgspec.structs.replace(
            files,
            run=self.run(files.run),
            launches={name: self.of(launch) for name, launch in files.launches.items()},
            readings=read,
            changes=self.of(files.changes),
            history=self.of(files.history),
            exhibits=tuple(map(self.exhibits, files.exhibits)),
            media=lambda exhibits, exhibit: (nothing if exhibits.private else files.media)(exhibits, exhibit),
            redacted=True,
        )


def redacted(files: Iterable[RunFiles], also: Iterable[RunFiles] = ()) -> list[RunFiles]:
    """The runs of one page, in its order. `also`: other runs whose names are to go as well (a baseline, a history)."""
    given = list(files)
    redactor = Redactor()
    for item in (*given, *also):
        redactor.learn(item)
    return [redactor.files(item) for item in given]


def _texts(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Every text of plain JSON data with the nearest key above it."""
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield "", str(name)
            yield from _texts(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, key)
