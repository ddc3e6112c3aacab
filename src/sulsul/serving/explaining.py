"""Explanations on request: one at a time, beside the micro-batches, and few may wait."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sulsul.explanation import Explanation, explain
from sulsul.predictor import Predictor
from sulsul.serving.gate import Refusal
from sulsul.serving.settings import ServingSettings


class Explainer:
    """Explains texts by occlusion in a thread of its own.

    An explanation of n tokens costs n + 1 predictions. Predictions of other requests are computed between its batches,
    so that it slows them down but does not stop them.

    Parameters
    ----------
    predictor
        The trained classifier.
    settings
        How long a text may be, and how many may wait.
    """

    def __init__(self, predictor: Predictor, settings: ServingSettings) -> None:
        self._predictor = predictor
        self._settings = settings
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="explanations")
        self._n_taken = 0

    async def explain(self, text: str, label: str | None) -> Explanation:
        """Return the influence of each token on a class, the predicted one if ``label`` is None.

        Raises
        ------
        Refusal
            422 for an unknown class or too many tokens, 429 if as many explanations wait as may.
        """
        if label is not None and label not in self._predictor.classes:
            raise Refusal(422, "label: there is no such class; GET /model lists them")
        if self._n_taken >= self._settings.max_queued_explanations:
            raise Refusal(429, "too many explanations are waiting; try again in 1 s", {"Retry-After": "1"})
        self._n_taken += 1
        work = asyncio.get_running_loop().run_in_executor(self._executor, self._explain, text, label)
        # Counted until the thread is done with it, even if the client has long been told that it took too long.
        work.add_done_callback(self._finish)
        return await asyncio.shield(work)

    def close(self) -> None:
        """Finish what was taken and end the thread."""
        self._executor.shutdown()

    def _finish(self, work: "asyncio.Future[Explanation]") -> None:
        self._n_taken -= 1
        if not work.cancelled():
            work.exception()  # marks it as seen where the request is gone

    def _explain(self, text: str, label: str | None) -> Explanation:
        n_tokens = int(self._predictor.encode([text]).lengths[0])
        if n_tokens > self._settings.max_explained_tokens:
            most = self._settings.max_explained_tokens
            raise Refusal(422, f"text: {n_tokens:,} tokens, but at most {most:,} are explained")
        return explain(self._predictor, text, label, "occlusion", faithfulness=False)
