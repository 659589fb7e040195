import io

import pytest

from xamsflow.base.errors import BadDataError
from xamsflow.base.printable import PrintableStream, printable

TITLE = "\x1b]0;owned\x07"


def test_control_characters_are_escaped():
    assert printable(f"run\t{TITLE}\x9b2J\u202e") == ("run\t\\x1b]0;owned\\x07\\x9b2J\\u202e")
    assert printable("größer, 10 µs\n") == "größer, 10 µs\\n"
    assert TITLE not in str(BadDataError(f"{TITLE} is no run"))


@pytest.mark.parametrize("sequences", [(), ("\x1b[31m", "\x1b[0m")])
def test_a_stream_lets_only_known_sequences_through(sequences):
    said = io.StringIO()
    stream = PrintableStream.of(said, sequences)
    print(f"\x1b[31mred\x1b[0m {TITLE}", file=stream, flush=True)
    red = "\x1b[31mred\x1b[0m" if sequences else "\\x1b[31mred\\x1b[0m"
    assert said.getvalue() == f"{red} \\x1b]0;owned\\x07\n"
    assert stream.isatty() is False
