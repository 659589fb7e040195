"""Write the trends page into the working directory."""

from pathlib import Path

import markupsafe

from xamsflow.analysis.trends import contents
from xamsflow.settings.config import Config
from xamsflow.state import layout
from xamsflow.views import html_page

HERE = Path(__file__).parent


def has_any() -> bool:
    """Return whether any run in the working directory has quantities."""
    return any(Path().glob(layout.QUANTITIES.format(run_id="[0-9]" * layout.RUN_DIGITS)))


def make(config: Config) -> Path:
    """Write the page atomically and return its path.

    Raises ConfigurationError or ResourcesError if it cannot be written.
    """
    data = contents.collect(config)
    library = HERE / "uplot"
    text = html_page.render(
        HERE / "trends.html.j2",
        data=html_page.embedded(data),
        detector=config.detector,
        made=data["made"],
        license=(library / "LICENSE").read_text(encoding="utf-8"),
        uplot=(library / "uPlot.iife.min.js").read_text(encoding="utf-8"),
        uplot_style=markupsafe.Markup((library / "uPlot.min.css").read_text(encoding="utf-8")),
        own_script=(HERE / "trends.js").read_text(encoding="utf-8"),
    )
    return html_page.write(layout.TRENDS, text)
