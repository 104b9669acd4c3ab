"""From data to one self-contained page: templates with escaping on, style and script inline, nothing loaded.

Every value that a template prints is cleaned of control characters, absolute paths, host and user names on the way,
then escaped; only figures and pictures that orbiq itself made go in as they are.
"""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from orbiq import __version__
from orbiq.cache import write_text
from orbiq.reports.wording import clean

if TYPE_CHECKING:
    from jinja2 import Environment


def write_page(path: Path, template: str, **content: Any) -> None:
    """Write a template of this folder, filled in; whole or not at all."""
    write_text(path, page_text(template, **content))


def page_text(template: str, **content: Any) -> str:
    """A template of this folder, filled in."""
    script = _resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(
            css=Markup(_resource("page.css")),  # noqa: S704  our own file
            script=Markup(script),  # noqa: S704  our own file
            script_hash=Markup(f"sha256-{digest}"),  # noqa: S704  base64
            orbiq_version=__version__,
            **content,
        )
    )


def picture_source(png: bytes) -> Markup:
    """A PNG as the source of an <img>."""
    return Markup(f"data:image/png;base64,{base64.b64encode(png).decode()}")  # noqa: S704  base64


def figure_markup(svg: str) -> Markup:
    """An SVG that orbiq drew, whose names were escaped when it was drawn."""
    return Markup(svg)  # noqa: S704  see score_curve


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_cleaned,
        trim_blocks=True,
    )
    environment.filters["breakable"] = _breakable
    return environment


def _breakable(name: str) -> Markup:
    """A name that may break across lines behind its separators."""
    escaped = str(escape(clean(name)))
    return Markup(re.sub(r"(&gt;|[:,/])", r"\1<wbr>", escaped))  # noqa: S704  escaped the line before


def _cleaned(value: Any) -> Any:
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _resource(name: str) -> str:
    return files("orbiq.reports").joinpath(name).read_text(encoding="utf-8")
