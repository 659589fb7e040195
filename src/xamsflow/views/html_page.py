"""Pages as single files: text stays text, only known scripts run, and readers see whole files."""

import base64
import hashlib
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import markupsafe

from xamsflow.base import amounts, system_errors
from xamsflow.base.durable import replacing
from xamsflow.state import run_numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST = 500
"""Maximum number of characters shown of a value."""


def render(template: Path, **content: Any) -> str:
    """Return the page of a template, which finds `page.css` next to this module.

    Text from run documents is never interpreted as markup.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, Path(__file__).parent]),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, markupsafe.Markup) else shown(value),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "duration": amounts.duration,
        "time": amounts.time,
        "runs": lambda numbers: " ".join(run_numbers.words(numbers)),
    }
    environment.globals["script"] = markupsafe.Markup
    environment.globals["hash"] = _hash
    return environment.get_template(template.name).render(**content)


def picture(figure: "Figure", dpi: float) -> markupsafe.Markup:
    """Return a figure as the address of an image, which holds the picture itself."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    encoded = base64.b64encode(file.getvalue()).decode()
    return markupsafe.Markup(f"data:image/png;base64,{encoded}")


def write(page: Path, text: str) -> Path:
    """Write a page atomically and return its path.

    Raises ConfigurationError or ResourcesError if it cannot be written.
    """
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise system_errors.cannot("write", page, error) from error
    with replacing(page) as partial:
        # File names in messages may contain bytes that are not valid text.
        partial.write_text(text, encoding="utf-8", errors="replace")
        os.chmod(partial, 0o644)  # noqa: PTH101
    return page


def write_script(path: Path, receiver: str, data: object) -> Path:
    """Write atomically a script that hands data to a function of the page; return its path.

    A page opened from a disk may load scripts, but no other files. The data are JSON in a JSON
    text: nothing in them is part of the program. Raises as :func:`write`.
    """
    return write(path, f"{receiver}({json.dumps(_json(data))});\n")


def embedded(data: object) -> markupsafe.Markup:
    """Return JSON in which no text can end the element that holds it."""
    text = _json(data)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return markupsafe.Markup(text)


def shown(value: Any) -> Any:
    """Return printable text, truncated to LONGEST; other values are returned unchanged."""
    if not isinstance(value, str) or (len(value) <= LONGEST and value.isprintable()):
        return value
    text = "".join(letter if letter.isprintable() else " " for letter in value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _json(data: object) -> str:
    return json.dumps(data, separators=(",", ":"), allow_nan=False)


def _hash(script: str) -> str:
    """Return what a page's policy needs to allow a script."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
