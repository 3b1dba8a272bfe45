"""The words of conformance: what is asked of a backend, what came out, and the document that keeps it.

Two kinds of questions: the *contract* of `spi.py`, a check at a time, and the ONNX standard's own node tests, a case at
a time. Questions go to the backend's worker and answers come back from it as these structs, so the module runs on
Python 3.10 with msgspec alone. Not aware of: runtimes, processes, how a table is drawn.
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from npubench.lang import Text
from npubench.spi import EnvironmentFacts

SCHEMA = "npubench.conformance/1"

Verdict = Literal["kept", "violated", "not offered", "crashed", "hung"]
"""Of one check. `not offered`: the contract leaves it open and the backend says no, politely."""

Outcome = Literal[
    "passed", "wrong", "raised", "fell back", "unsupported", "crashed", "hung", "not applicable", "not run"
]
"""Of one node test. `unsupported`: the session is refused; `raised`: it opens and then fails to answer;
`fell back`: the answer is right, but another provider gave (part of) it; `not applicable`: see `Case.skip`;
`not run`: too many tests in a row ended the process."""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
BROKEN: tuple[str, ...] = ("violated", "crashed", "hung")
"""What a backend must not do (exit code 4)."""


class _Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable; unknown keys are ignored when reading."""


class Check(_Fact, frozen=True, kw_only=True):
    """One check of the contract: its id in `CHECKS`, what came out and what was seen."""

    id: str
    verdict: Verdict
    seen: Text
    figures: dict[str, float] = {}


class Case(_Fact, frozen=True, kw_only=True):
    """One of the standard's node tests, materialised as `<file>.onnx` and `<file>.npz` (`input:0` …, `output:0` …).

    `inputs` and `outputs` are the graph's names in the order of the arrays. An `expanded` case is the same test with
    the operator written out as the function that the standard defines it to be. `older`: the opset of the same test in
    `<file>.older.onnx` for a runtime that does not know `opset`; 0 without one. `skip`: why it cannot be asked.
    """

    name: str
    operator: str
    domain: str = ""
    expanded: bool = False
    opset: int = 0
    older: int = 0
    file: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    rtol: float = 1e-3
    atol: float = 1e-7
    skip: Text | None = None


class Tried(_Fact, frozen=True, kw_only=True):
    """What came of one case.

    `error` is the largest difference from the expected output as a share of that output's largest value, where both
    are numbers of the same shape. `placed`: whether the runtime said who took the nodes; False: nobody can tell, or
    nothing was left to place. `older`: the opset of the older form, where the answer is to that one; else 0.
    """

    name: str
    operator: str
    outcome: Outcome
    expanded: bool = False
    reason: str = ""
    error: float | None = None
    placed: bool = False
    older: int = 0


class Conformance(_Fact, frozen=True, kw_only=True):
    """Everything that one invocation found out about one backend.

    `exits`: how processes ended that had answered all they were asked and then did not end well.
    """

    schema: str = SCHEMA
    backend: str
    title: Text
    provider: str | None
    device_type: str
    verified: str = ""
    date: str
    npubench: str
    onnx: str
    versions: dict[str, str] = {}
    python: str = ""
    cpu: str | None = None
    cores: int | None = None
    devices: tuple[str, ...] = ()
    environment: EnvironmentFacts | None = None
    form: str = ""
    checks: tuple[Check, ...] = ()
    operators: tuple[Tried, ...] = ()
    exits: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether the backend did what no backend may do."""
        verdicts = {check.verdict for check in self.checks} | {tried.outcome for tried in self.operators}
        return bool(verdicts & set(BROKEN)) or bool(self.exits)


CHECKS: dict[str, Text] = {
    "probe": Text(en="probe and describe never raise", ko="probe·describe가 예외를 내지 않음"),
    "answers": Text(en="right answers to distinct inputs", ko="서로 다른 입력에 대한 올바른 답"),
    "declared": Text(en="inputs and outputs as declared", ko="입출력이 선언과 일치"),
    "shapes": Text(en="ranks 0 to 5, any memory layout", ko="0~5차원, 임의의 메모리 배치"),
    "dtypes": Text(en="numeric types", ko="숫자 자료형"),
    "zero-size": Text(en="a dimension of size 0", ko="크기가 0인 차원"),
    "batch": Text(en="a batch that varies", ko="가변 배치"),
    "repeat": Text(en="same input, same output", ko="같은 입력에 같은 출력"),
    "buffers": Text(en="outputs stay, inputs are left alone", ko="출력은 유지되고 입력은 그대로"),
    "prepare": Text(en="prepared calls and their buffers", ko="prepare 호출과 버퍼"),
    "unknown-name": Text(en="an input of a wrong name raises", ko="잘못된 입력 이름은 예외"),
    "missing-input": Text(en="a missing input raises", ko="빠진 입력은 예외"),
    "wrong-shape": Text(en="a wrong shape raises", ko="잘못된 모양은 예외"),
    "wrong-rank": Text(en="a wrong rank raises", ko="잘못된 차원 수는 예외"),
    "wrong-dtype": Text(en="a wrong type raises", ko="잘못된 자료형은 예외"),
    "bad-file": Text(en="a missing or broken file raises", ko="없거나 깨진 파일은 예외"),
    "sessions": Text(en="several sessions at once", ko="동시에 여러 세션"),
    "threads": Text(en="one session, four threads", ko="세션 하나, 스레드 4개"),
    "own-sessions": Text(en="four threads, a session each", ko="스레드 4개, 각자의 세션"),
    "submit": Text(en="requests in flight (submit)", ko="비동기 요청(submit)"),
    "reopen": Text(en="closed and reopened 20 times", ko="닫고 다시 열기 20회"),
    "memory": Text(en="memory over 1,000 inferences", ko="추론 1,000회 동안의 메모리"),
    "placement": Text(en="the graph runs where asked", ko="요청한 곳에서 그래프 실행"),
}
"""Every check of the contract, in the order in which it is made."""
