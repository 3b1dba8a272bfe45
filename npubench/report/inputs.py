"""What the models of a run were fed with: npubench's drawn data or the user's own files, and how many of them.

A number on one's own frames and a number on drawn frames look alike; these sentences keep them apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from npubench.lang import Text
from npubench.report.foreign import clean
from npubench.report.numbers import count
from npubench.report.words import joined, same
from npubench.schema import InputFacts, Run

OWN = "own"
"""`InputFacts.source` of a user's folder; every other source is a data set of npubench."""


def _files(run: Run, model: str, facts: InputFacts) -> Text:
    """`32 files`, or `the first 32 of 312 files, in turn` where the model takes fewer than there are."""
    card = run.models.get(model)
    params = card.get("params") if isinstance(card, Mapping) else None
    most = params.get("inputs") if isinstance(params, Mapping) else None
    n = count(facts.files)
    if isinstance(most, int) and 0 < most < facts.files:
        first = count(most)
        return Text(en=f"the first {first} of {n} files, in turn", ko=f"파일 {n}개 중 앞의 {first}개를 차례로 되풀이")
    return Text(en=f"{n} {'file' if facts.files == 1 else 'files'}", ko=f"파일 {n}개")


def of_model(run: Run, model: str) -> Text:
    """What one model read."""
    facts = run.inputs.get(model)
    if facts is None:
        card = run.models.get(model)
        if isinstance(card, Mapping) and card.get("workload") == "tensor":
            return Text(
                en="seeded tensors made from the graph's own signature", ko="그래프의 입력 정보로 만든 난수 텐서"
            )
        return Text(en="– (the result file names none)", ko="– (결과 파일에 적혀 있지 않습니다)")
    files = _files(run, model, facts)
    if facts.source == OWN:
        return Text(en=f"the user's own data ({files.en})", ko=f"사용자 자료({files.ko})")
    name = clean(facts.source)
    return Text(en=f"npubench's drawn set {name} ({files.en})", ko=f"npubench가 그린 자료 {name}({files.ko})")


def sentence(run: Run) -> Text | None:
    """Which models read whose data; None where no model read any."""
    measured = dict.fromkeys(cell.model for cell in run.cells if cell.purpose == "measure")
    fed = {model: run.inputs[model] for model in measured if model in run.inputs}
    if not fed:
        return None
    own = [
        Text(en=f"{clean(model)} ({files.en})", ko=f"{clean(model)}({files.ko})")
        for model, facts in fed.items()
        if facts.source == OWN
        for files in (_files(run, model, facts),)
    ]
    drawn = [same(source) for source in dict.fromkeys(facts.source for facts in fed.values() if facts.source != OWN)]
    if not own:
        sets = joined(drawn)
        return Text(
            en=f"Input: npubench's own drawn data ({sets.en}); no model read the user's data.",
            ko=f"입력: npubench가 그린 자료({sets.ko}). 사용자 자료를 읽은 모델은 없습니다.",
        )
    mine = joined(own)
    english, korean = f"The user's own data was read by {mine.en}", f"사용자 자료를 읽은 모델: {mine.ko}"
    if drawn:
        sets = joined(drawn)
        others = joined([same(model) for model, facts in fed.items() if facts.source != OWN])
        english += f"; npubench's own drawn data ({sets.en}) by {others.en}"
        korean += f". npubench가 그린 자료({sets.ko})를 읽은 모델: {others.ko}"
    return Text(en=f"{english}.", ko=f"{korean}.")
