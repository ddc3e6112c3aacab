import asyncio

import pytest

from sulsul.serving.batcher import ClosedError, MicroBatcher, QueueFullError
from sulsul.serving.settings import ServingSettings


class Watched(MicroBatcher):
    """Writes down the lengths of every batch's texts."""

    def __init__(self, predictor, **settings):
        self.reports = []
        super().__init__(predictor, ServingSettings(**settings), self.reports.append)


def run(predictor, scenario, **settings):
    async def whole():
        batcher = Watched(predictor, **settings)
        batcher.start()
        try:
            return await asyncio.wait_for(scenario(batcher), 10)
        finally:
            await batcher.close()

    return asyncio.run(whole())


def test_texts_that_arrive_together_are_computed_together(predictor):
    async def scenario(batcher):
        await asyncio.gather(*(batcher.predict([f"good {k}"]) for k in range(50)))
        return [report.n_texts for report in batcher.reports]

    assert run(predictor, scenario) == [50]


def test_every_request_gets_its_own_answers(predictor):
    requests = [[f"{word} " * (1 + k % 7) for k in range(n)] for n, word in enumerate(["kind", "rude", "좋고", "slow"])]

    async def scenario(batcher):
        return await asyncio.gather(*(batcher.predict(texts) for texts in requests))

    answers = run(predictor, scenario, max_batch_texts=3, max_batch_tokens=6)
    for texts, given in zip(requests, answers, strict=True):
        expected = predictor.predict(texts) if texts else []
        assert [answer.prediction.labels for answer in given] == [prediction.labels for prediction in expected]
        for answer, prediction in zip(given, expected, strict=True):
            assert answer.prediction.probabilities == pytest.approx(prediction.probabilities, abs=1e-6)


def test_batches_are_bounded_and_the_short_ones_come_first(predictor):
    async def scenario(batcher):
        await batcher.predict(["kind " * n for n in (9, 1, 5, 2, 9, 1)])
        return batcher.reports

    reports = run(predictor, scenario, max_batch_tokens=20)
    mean_lengths = [report.n_tokens / report.n_texts for report in reports]
    assert mean_lengths == sorted(mean_lengths)
    assert sum(report.n_tokens for report in reports) == 27
    assert max(report.n_tokens for report in reports) <= 20


def test_a_single_text_does_not_wait_behind_a_large_request(predictor):
    async def scenario(batcher):
        large = asyncio.create_task(batcher.predict(["good"] * 400))
        await asyncio.sleep(0)
        await batcher.predict(["bad"])
        assert not large.done()
        return sum(report.n_texts for report in batcher.reports)

    assert run(predictor, scenario, max_batch_texts=10) <= 30


def test_the_queue_is_bounded_in_texts_and_in_characters(predictor):
    async def scenario(batcher):
        first = asyncio.create_task(batcher.predict(["aa", "bb"]))
        await asyncio.sleep(0)
        assert not batcher.accepts
        with pytest.raises(QueueFullError):
            await batcher.predict(["c"])
        await first
        with pytest.raises(QueueFullError):
            await batcher.predict(["c" * 11])
        await batcher.predict(["c" * 10])

    run(predictor, scenario, max_queued_texts=2, max_queued_characters=10)


def test_a_cancelled_request_leaves_the_queue(predictor):
    async def scenario(batcher):
        first = asyncio.create_task(batcher.predict(["good"] * 20))
        second = asyncio.create_task(batcher.predict(["bad"] * 20))
        await asyncio.sleep(0)
        second.cancel()
        await first
        assert batcher.n_queued_texts == batcher.n_queued_characters == 0
        return sum(report.n_texts for report in batcher.reports)

    assert run(predictor, scenario, max_batch_texts=2) < 40


def test_closing_finishes_what_was_taken_and_takes_no_more(predictor):
    async def scenario(batcher):
        accepted = asyncio.create_task(batcher.predict(["good"] * 100))
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(ClosedError):
            await batcher.predict(["late"])
        assert len(await accepted) == 100
        await closing

    run(predictor, scenario, max_batch_texts=5)


def test_a_delay_gathers_company_and_is_bounded(predictor):
    async def scenario(batcher):
        loop = asyncio.get_running_loop()
        start = loop.time()
        first = asyncio.create_task(batcher.predict(["good"]))
        await asyncio.sleep(0.02)
        await asyncio.gather(first, batcher.predict(["bad"]))
        assert loop.time() - start < 1
        return [report.n_texts for report in batcher.reports]

    assert run(predictor, scenario, batch_delay_s=0.2) == [2]
