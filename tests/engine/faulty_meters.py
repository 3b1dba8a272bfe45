"""Meters that misbehave, each in its own way; samplers import this file by its folder on PYTHONPATH."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npubench.spi import Availability, Channel, Reading

CHANNEL = Channel(name="bad", unit="W", scope="card", kind="instant", source="test")


class Steady:
    """5 W, without a fault; base of all others."""

    def __init__(self) -> None:
        self.n = 0

    def probe(self) -> Availability:
        return Availability(available=True)

    def channels(self) -> Sequence[Channel]:
        return (CHANNEL,)

    def read(self) -> Any:
        self.n += 1
        return self.values(5.0)

    def values(self, *values: Any) -> Any:
        now = time.perf_counter_ns()
        return tuple(Reading(channel="bad", value=value, before_ns=now, after_ns=now) for value in values)

    def close(self) -> None:
        """Nothing is held."""


class Raises(Steady):
    """Every second read fails, the others print to stdout; closing fails, too."""

    def read(self) -> Any:
        self.n += 1
        if self.n % 2:
            raise SystemExit("vendor library gave up")
        os.write(1, b"noise on stdout\n")
        return self.values(5.0)

    def close(self) -> None:
        raise RuntimeError("not even that")


class Silent(Steady):
    def read(self) -> Any:
        return ()


class Wrong(Steady):
    def read(self) -> Any:
        return ({"not": "a reading"},)


class Odd(Steady):
    """What vendors print where there is no number, and numbers of all kinds."""

    VALUES: tuple[Any, ...] = ("N/A", math.nan, math.inf, None, -1.0, 7, np.float32(2.5), np.float64(3.5), "12")

    def read(self) -> Any:
        return self.values(*self.VALUES)


class Hangs(Steady):
    """For ever, from the second read on."""

    def read(self) -> Any:
        self.n += 1
        if self.n > 1:
            with open(os.environ["BAD_MARK"], "w"):
                pass
            time.sleep(600)
        return ()


class Blocks(Steady):
    """Each read takes 5 s, from the third on."""

    def read(self) -> Any:
        self.n += 1
        if self.n > 2:
            time.sleep(5)
        return self.values(5.0)


class Vanishes(Steady):
    """Its library takes the process with it a second after the first read."""

    def read(self) -> Any:
        self.n += 1
        if self.n == 1:
            self.until = time.monotonic() + 1
        if time.monotonic() > self.until:
            os._exit(3)
        return self.values(5.0)


class Late(Steady):
    """It takes its time to be asked."""

    def probe(self) -> Availability:
        time.sleep(float(os.environ.get("LATE_S", "1")))
        return Availability(available=True)


class Dies(Steady):
    def __init__(self) -> None:
        raise RuntimeError("no driver here")


class Exits(Steady):
    def __init__(self) -> None:
        os._exit(7)


class Told(Steady):
    """Has to be told an address; tells what of the environment reached it."""

    address = ""

    def configure(self, options: Mapping[str, Any]) -> None:
        if not str(options.get("address", "")).startswith("https://"):
            raise ValueError(
                f"address: found {options.get('address')!r}; expected an address that begins with https://"
            )
        self.address = options["address"]

    def channels(self) -> Sequence[Channel]:
        said = os.environ.get("NPUBENCH_REDFISH_PASSWORD")
        source = f"{self.address}, {'with' if said else 'without'} credentials"
        return (Channel(name="bad", unit="W", scope="node", kind="instant", source=source),)


class Paced(Steady):
    interval_ns = 200_000_000


class Eight(Steady):
    """Eight channels, as a machine with two cards has."""

    NAMES = tuple(f"eight.{number}" for number in range(8))

    def channels(self) -> Sequence[Channel]:
        return tuple(
            Channel(name=name, unit="W", scope="card", kind="instant", source="a test function") for name in self.NAMES
        )

    def read(self) -> Any:
        found = []
        for name in self.NAMES:
            before = time.perf_counter_ns()
            found.append(Reading(channel=name, value=25.0, before_ns=before, after_ns=time.perf_counter_ns()))
        return found
