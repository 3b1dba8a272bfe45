"""Load on a server: what is sent, when, and what becomes of it in the sample table. A server that is a coroutine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from npubench.engine import streaming
from npubench.engine.course import Limit
from npubench.engine.schedule import Arrivals, poisson
from npubench.engine.streaming import arriving, conversing, warmed
from npubench.engine.table import SampleTable
from npubench.scenarios import NO_LIMIT
from npubench.schema import Window
from npubench.spi import Awaits, RequestError, ServerTally
from npubench.stats.early_stopping import needed
from npubench.stats.samples import Samples
from npubench.stats.tokens import token_times
from npubench.stats.trials import Limits, trial

MS = 1_000_000


class Server:
    """Answers each request after `ms` with two tokens; `fails` are the requests that do not get that far."""

    def __init__(self, ms: float = 1.0, fails: Callable[[int], Exception | None] = lambda number: None) -> None:
        self.loop = asyncio.new_event_loop()
        self.ms, self.fails = ms, fails
        self.running = self.most = self.asked = self.connections = 0
        self.readied: list[int] = []

    async def connect(self, count: int) -> None:
        self.readied.append(count)
        self.connections = max(self.connections, count)

    async def ask(self, index: int, note: Callable[[int], None]) -> tuple[int, int]:
        self.asked += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if (error := self.fails(index)) is not None:
                raise error
            await asyncio.sleep(self.ms / 2e3)
            note(time.perf_counter_ns())
            await asyncio.sleep(self.ms / 2e3)
            note(time.perf_counter_ns())
            return 2, time.perf_counter_ns()
        finally:
            self.running -= 1

    def tally(self) -> ServerTally | None:
        return None


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.loop.close()


def table(folder: Path, rows: int = 1000) -> SampleTable:
    return SampleTable(folder, rows, 4 * rows)


def at(*moments_ms: float) -> Arrivals:
    due = np.array([round(one * MS) for one in moments_ms], np.int64)
    return Arrivals(due, np.zeros_like(due), np.arange(len(due)), max(1, int(due.max()) + MS))


def read(made: SampleTable, rows: int) -> Samples:
    return Samples(*made.between(0, rows))


def test_a_server_is_recognised_by_what_it_has(server: Server) -> None:
    assert isinstance(server, Awaits)


def test_arrivals_are_sent_when_due_whatever_is_unanswered(server: Server, tmp_path: Path) -> None:
    server.ms = 40
    made = table(tmp_path)
    driven = arriving(server, made, at(0, 1, 2, 3, 30), 0, connections=7)
    assert (driven.ended, driven.next_row, driven.left) == ("planned", 5, 0)
    assert (server.most, server.connections) == (5, 7)
    found = read(made, 5)
    assert found.column("scheduled_ns").tolist() == [driven.start_ns + moment * MS for moment in (0, 1, 2, 3, 30)]
    assert (found.waiting_ns >= 0).all()
    assert (found.column("first_ns") > found.column("issued_ns")).all()
    assert (found.column("completed_ns") >= found.column("first_ns")).all()
    assert found.column("units").tolist() == [2] * 5
    assert len(found.tokens) == 10
    assert token_times(found).merged == 0
    assert (found.lag_ns(NO_LIMIT) == found.waiting_ns).all()


def test_a_limit_of_requests_in_flight_is_kept(server: Server, tmp_path: Path) -> None:
    server.ms = 4
    driven = arriving(server, table(tmp_path), at(*range(12)), 0, in_flight=2)
    assert (server.most, driven.next_row) == (2, 12)


def test_rows_follow_those_of_the_run_before(server: Server, tmp_path: Path) -> None:
    made = table(tmp_path)
    first = arriving(server, made, poisson(400, 40 * MS, 1), 0)
    second = conversing(server, made, first.next_row, users=3, window_ns=20 * MS, least=1, last_ns=60 * MS)
    found = read(made, second.next_row)
    assert len(found.table) == second.next_row
    assert sorted(set(found.column("stream")[first.next_row :].tolist())) == [0, 1, 2]


def test_users_wait_for_their_answer_and_think(server: Server, tmp_path: Path) -> None:
    made = table(tmp_path)
    driven = conversing(
        server, made, 0, users=4, window_ns=80 * MS, least=1, last_ns=300 * MS, think_ns=5 * MS, stagger_ns=20 * MS
    )
    found = read(made, driven.next_row)
    assert server.most <= 4
    for user in range(4):
        mine = found.table[found.column("stream") == user]
        scheduled, completed = mine[:, 0], mine[:, 3]
        assert scheduled[0] == driven.start_ns + 5 * user * MS
        assert (scheduled[1:] == completed[:-1] + 5 * MS).all()


def test_users_who_think_find_a_connection_ready(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server closes what is idle for long; those who wake together need one each, and wait for none."""
    monkeypatch.setattr(streaming, "_LEAD_NS", 100 * MS)
    made = table(tmp_path)
    driven = conversing(server, made, 0, users=3, window_ns=MS, least=6, last_ns=10**9, think_ns=200 * MS)
    found = read(made, driven.next_row)
    assert len(found.table) >= 6
    # All at the start, then those of each round.
    assert server.readied[:4] == [3, 1, 2, 3]
    server.readied.clear()
    conversing(server, table(tmp_path), 0, users=3, window_ns=MS, least=6, last_ns=10**9, think_ns=MS)
    assert server.readied == [3]


def test_at_once_everything_is_due_from_the_start(server: Server, tmp_path: Path) -> None:
    made = table(tmp_path)
    driven = conversing(server, made, 0, users=2, window_ns=10 * MS, least=1, last_ns=30 * MS, at_once=True)
    assert set(read(made, driven.next_row).column("scheduled_ns").tolist()) == {driven.start_ns}


def test_the_least_number_is_waited_for_and_the_end_is_kept(server: Server, tmp_path: Path) -> None:
    server.ms = 20
    driven = conversing(server, table(tmp_path), 0, users=1, window_ns=MS, least=3, last_ns=10**9)
    assert driven.next_row == 3


def test_a_request_that_fails_is_a_sample_and_the_others_go_on(server: Server, tmp_path: Path) -> None:
    server.fails = lambda number: RequestError("no", 429) if number % 2 else None
    made = table(tmp_path)
    driven = arriving(server, made, at(*range(10)), 0)
    found = read(made, driven.next_row)
    assert found.column("status").tolist() == [0, 429] * 5
    assert found.column("units").tolist() == [2, 0] * 5


def test_what_is_no_request_error_ends_the_run_and_is_raised(server: Server, tmp_path: Path) -> None:
    server.fails = lambda number: ZeroDivisionError("a mistake of ours") if number == 2 else None
    with pytest.raises(ZeroDivisionError):
        arriving(server, table(tmp_path), at(*range(50)), 0)
    assert server.asked < 50
    with pytest.raises(ZeroDivisionError):
        conversing(server, table(tmp_path), 0, users=1, window_ns=10**9, least=1, last_ns=10**9)


def test_what_is_unanswered_when_the_time_is_over_is_counted(server: Server, tmp_path: Path) -> None:
    server.ms = 600_000
    made = table(tmp_path)
    driven = arriving(server, made, at(0, 1, 2), 0, grace_ns=20 * MS)
    assert (driven.ended, driven.next_row, driven.left) == ("planned", 0, 3)
    assert server.running == 0
    assert len(read(made, 3).table) == 0


def test_users_who_get_no_answer_are_counted(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or so many users that none of them is answered would not have failed."""
    monkeypatch.setattr(streaming, "_ANSWER_NS", 20 * MS)
    server.ms = 600_000
    made = table(tmp_path)
    driven = conversing(server, made, 0, users=3, window_ns=10 * MS, least=1, last_ns=30 * MS)
    assert (driven.ended, driven.next_row, driven.left) == ("planned", 0, 3)
    assert server.running == 0
    found = trial(
        read(made, driven.next_row),
        Window(start_ns=driven.start_ns, end_ns=driven.end_ns),
        load=3.0,
        purpose="search",
        limits=Limits(ttft_ns=2_000 * MS),
        needed=((99.0, needed(99, 20)),),
        left=driven.left,
    )
    assert (found.passed, found.failed_by, found.queries, found.over) == (False, "queue", 3, 3)


def test_a_hopeless_load_is_given_up(server: Server, tmp_path: Path) -> None:
    made = table(tmp_path)
    driven = arriving(server, made, at(*range(300)), 0, limit=Limit(None, 0, None, 2))
    assert driven.ended == "hopeless"
    assert server.asked < 300


def test_a_full_table_ends_the_run(server: Server, tmp_path: Path) -> None:
    driven = conversing(server, table(tmp_path, 5), 0, users=2, window_ns=10**9, least=1, last_ns=10**9)
    assert (driven.ended, driven.next_row) == ("full", 5)


def test_warming_up_outlasts_failures(server: Server) -> None:
    server.fails = lambda number: RequestError("no") if number == 1 else None
    warmed(server, 4)
    assert (server.asked, server.most, server.connections) == (4, 3, 4)


def test_token_times_beyond_the_room_are_counted(tmp_path: Path) -> None:
    made = SampleTable(tmp_path, 4, 3)
    made.tokens.extend(1, [10, 11])
    made.tokens.extend(2, [12, 13])
    assert made.tokens_dropped == 1
    assert made.tokens.used == 3
