"""Text from outside (names, documents, messages) without control characters."""

from typing import Any, TextIO, cast


def printable(text: str, keep: str = "\t") -> str:
    """Escape everything that a terminal would act on instead of printing it, except `keep`."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in keep
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


class PrintableStream:
    """A terminal's stream that only prints; it lets through line breaks and the given sequences."""

    def __init__(self, stream: TextIO, sequences: tuple[str, ...] = ()) -> None:
        self._stream = stream
        self._sequences = sequences

    def write(self, text: str) -> int:
        """Write text, its control characters escaped."""
        if not text.isprintable():
            text = self._escaped(text, self._sequences)
        return self._stream.write(text)

    def _escaped(self, text: str, sequences: tuple[str, ...]) -> str:
        if not sequences or "\x1b" not in text:
            # Line by line: most lines need no check of each character.
            return "\n".join(map(printable, text.split("\n")))
        first, *others = sequences
        return first.join(self._escaped(part, tuple(others)) for part in text.split(first))

    def __getattr__(self, name: str) -> Any:
        """Pass everything else on to the stream."""
        return getattr(self._stream, name)

    @classmethod
    def of(cls, stream: TextIO, sequences: tuple[str, ...] = ()) -> TextIO:
        """Return a stream that writes printable text to another one."""
        return cast(TextIO, cls(stream, sequences))
