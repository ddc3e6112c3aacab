"""``tokenizer.json``: the vocabulary as a file that Hugging Face's ``tokenizers`` reads too."""

import json
from typing import TYPE_CHECKING, Any

from sulsul.errors import TokenizerError
from sulsul.text.settings import TextSettings
from sulsul.text.splitting import DELETED_MARKS, KERAS_FILTER, LONGEST_WORD, WHITE_SPACE, punctuation_class
from sulsul.text.vocabulary import RESERVED_NAMES, Vocabulary

if TYPE_CHECKING:
    import tokenizers

DROPPED_NAME = "[DROPPED]"
"""Unknown tokens in a file without OOV: the format wants an id for them, one past the last real id."""


def write_vocabulary(vocabulary: Vocabulary, settings: TextSettings) -> str:
    """Return a ``tokenizer.json`` for a vocabulary of whole tokens.

    Parameters
    ----------
    vocabulary
        Reserved and learned tokens.
    settings
        Decide how the file's reader normalises and cuts texts.
    """
    from tokenizers import Tokenizer, models

    ids, unknown = ids_with_unknown(vocabulary)
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=unknown))
    add_pipeline(tokenizer, settings)
    return tokenizer.to_str(pretty=True)


def ids_with_unknown(vocabulary: Vocabulary) -> tuple[dict[str, int], str]:
    """Return the id of every name, and the name that stands for unknown tokens, which is always among them."""
    ids = {name: index for index, name in enumerate(vocabulary.names())}
    unknown = RESERVED_NAMES["oov"] if "oov" in vocabulary.reserved else DROPPED_NAME
    ids.setdefault(unknown, len(ids))
    return ids, unknown


def read_vocabulary(text: str, settings: TextSettings) -> Vocabulary:
    """Return the vocabulary of a ``tokenizer.json`` of whole tokens.

    Raises
    ------
    TokenizerError
        If the text is not such a file, its ids have gaps, or its reserved tokens are not those of the settings.
    """
    model = read_model(text, "WordLevel")
    return vocabulary_of(model, settings)


def read_model(text: str, kind: str) -> dict[str, Any]:
    """Return the ``model`` part of a ``tokenizer.json`` after checking its type.

    Raises
    ------
    TokenizerError
        If the text is not JSON, has no model with a vocabulary, or the model is of another type.
    """
    try:
        model = json.loads(text)["model"]
        found, vocabulary = model["type"], model["vocab"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TokenizerError(
            f"tokenizer.json is not a tokenizer file ({error!r}). Restore it or train again."
        ) from error
    if found != kind:
        raise TokenizerError(
            f"tokenizer.json holds a model of type {found!r} where the settings need {kind!r}. "
            "It belongs to another run; restore the right file or train again."
        )
    if not isinstance(vocabulary, dict):
        raise TokenizerError("tokenizer.json: model.vocab is not a mapping from token to id. Restore the file.")
    return dict(model)


def vocabulary_of(model: dict[str, Any], settings: TextSettings) -> Vocabulary:
    """Return the vocabulary of a model read by :func:`read_model`.

    Raises
    ------
    TokenizerError
        If the ids have gaps, or the reserved tokens are not those of the settings.
    """
    ids = dict(model["vocab"])
    if "oov" not in settings.reserved:
        ids.pop(DROPPED_NAME, None)
    by_id = {index: name for name, index in ids.items() if type(index) is int}
    if sorted(by_id) != list(range(len(ids))):
        raise TokenizerError("tokenizer.json: the ids of model.vocab are not 0, 1, 2, ... Restore the file.")
    names = [by_id[index] for index in range(len(ids))]
    reserved = [RESERVED_NAMES[token] for token in settings.reserved]
    if names[: len(reserved)] != reserved:
        raise TokenizerError(
            f"tokenizer.json begins with {names[: len(reserved)]} where the settings reserve {reserved}. "
            "It belongs to another run; restore the right file or train again."
        )
    return Vocabulary(settings.reserved, names[len(reserved) :])


def add_pipeline(tokenizer: "tokenizers.Tokenizer", settings: TextSettings) -> None:
    """Give a Hugging Face tokenizer the same normalisation, cutting and START token as ours."""
    from tokenizers import Regex, normalizers, pre_tokenizers, processors

    steps: list[Any] = [normalizers.NFC()]
    if settings.lowercase:
        steps.append(normalizers.Lowercase())
    white_space = Regex(f"[{_oniguruma(WHITE_SPACE)}]+")
    words: Any = pre_tokenizers.Split(white_space, "removed")
    words_and_marks = [words, pre_tokenizers.Split(Regex(f"[{punctuation_class()}]"), "isolated")]
    if settings.tokenizer == "char":
        steps += [normalizers.Replace(white_space, " "), normalizers.Strip()]
        words = pre_tokenizers.Split(Regex("."), "isolated")
    elif settings.tokenizer == "subword":
        words = pre_tokenizers.Sequence(
            [
                *words_and_marks,
                pre_tokenizers.Split(Regex(f".{{1,{LONGEST_WORD}}}"), "isolated"),
                pre_tokenizers.Metaspace(prepend_scheme="always"),
            ]
        )
    elif settings.tokenizer == "word" and settings.filter_punctuation:
        words = pre_tokenizers.Split(Regex(f"[{_oniguruma(KERAS_FILTER)} ]+"), "removed")
    elif settings.delete_punctuation:
        steps.append(normalizers.Replace(Regex(f"[{_oniguruma(DELETED_MARKS)}]"), ""))
    elif settings.tokenizer == "word":
        words = pre_tokenizers.Sequence(words_and_marks)
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = words
    if "start" in settings.reserved:
        name = RESERVED_NAMES["start"]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{name} $A",
            pair=f"{name} $A $B",
            special_tokens=[(name, settings.reserved.index("start"))],
        )


def _oniguruma(characters: str) -> str:
    """Spell characters as code points, which no dialect of regular expressions reads differently."""
    return "".join(f"\\x{{{ord(character):x}}}" for character in characters)
