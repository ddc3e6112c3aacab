"""What the workers of a Ray cluster and the process that asked for them tell each other."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sulsul.training.history import EpochRecord


@dataclass
class News:
    """What has happened since the last look; ``files`` None: the folder is as it was."""

    files: Mapping[str, bytes] | None = None
    epochs: list[EpochRecord] = field(default_factory=list)


class Keeper:
    """An actor that outlives the workers: it keeps the run's folder as it was after the last epoch.

    So the workers need no common disk, and those that replace lost ones go on from here.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._news = News()
        self._stop = False
        self._refusal: BaseException | None = None
        self._interrupted = False

    def keep(self, files: Mapping[str, bytes], record: EpochRecord | None) -> None:
        """Keep the folder, and the record of the epoch that ended."""
        self._files = self._news.files = files
        if record is not None:
            self._news.epochs.append(record)

    def files(self) -> Mapping[str, bytes]:
        """Return the folder to go on from."""
        return self._files

    def take_news(self) -> News:
        """Return what is new to the caller."""
        news, self._news = self._news, News()
        return news

    def ask_to_stop(self) -> None:
        """Let the workers save their state and end."""
        self._stop = True

    def stop_requested(self) -> bool:
        """Return whether they shall."""
        return self._stop

    def refuse(self, reason: BaseException) -> None:
        """Note why the run cannot be: trying once more would not help."""
        self._refusal = self._refusal or reason

    def refusal(self) -> BaseException | None:
        """Return why the run cannot be, if so."""
        return self._refusal
