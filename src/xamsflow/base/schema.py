"""Check plain data against a JSON schema and report each mistake in one readable line."""

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xamsflow.base import yaml_file
from xamsflow.base.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    import jsonschema

TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a section of keys and values",
    "string": "text",
}
"""The JSON types in the words of a person who writes YAML."""


@dataclass(frozen=True)
class Mistake:
    """A mistake: the key in dotted form, and what is wrong with it and what is allowed."""

    key: str
    text: str

    def __str__(self) -> str:
        return self.text


def check(data: Any, schema_file: Path, what: str) -> None:
    """Raise ConfigurationError naming the key, the value found and the allowed values.

    `what` names the checked data in the message, for example the file.
    """
    found = mistake(data, schema_file)
    if found is not None:
        raise ConfigurationError(f"{what}: {found}")


def mistake(data: Any, schema_file: Path) -> Mistake | None:
    """Return the most important mistake, or None if the data are valid."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415 - as in _validator

    found = best_match(_validator(schema_file).iter_errors(data))
    return None if found is None else _explain(found)


@cache
def _validator(schema_file: Path) -> "jsonschema.Draft202012Validator":
    import jsonschema  # noqa: PLC0415 - most jobs check nothing, and start faster without

    return jsonschema.Draft202012Validator(yaml_file.read(schema_file))


def _explain(mistake: "jsonschema.ValidationError") -> Mistake:
    key = ".".join(str(part) for part in mistake.absolute_path)
    schema = mistake.schema if isinstance(mistake.schema, dict) else {}
    instance: Any = mistake.instance
    wanted: Any = mistake.validator_value
    if mistake.validator == "additionalProperties":
        known = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        unknown = next(
            name
            for name in instance
            if name not in known and not any(re.search(p, str(name)) for p in patterns)
        )
        prefix = f"{key}." if key else ""
        allowed = ", ".join(sorted(known)) or f"names like {' or '.join(patterns)}"
        name = f"{prefix}{unknown}"
        meant = did_you_mean(str(unknown), known)
        return Mistake(name, f"unknown key {name}{meant}, allowed: {allowed}")
    if mistake.validator == "required":
        missing = next(name for name in wanted if name not in instance)
        return Mistake(key, f"missing key {f'{key}.' if key else ''}{missing}")
    found = json.dumps(instance, default=str)
    if "@" in found:
        found = "(not shown: it may contain a password)"
    allowed = _allowed(mistake, wanted, schema)
    return Mistake(key, f"{key or 'the whole file'} is {found}, allowed: {allowed}")


def _allowed(mistake: "jsonschema.ValidationError", value: Any, schema: dict[str, Any]) -> str:
    match mistake.validator:
        case "type":
            names = value if isinstance(value, list) else [value]
            text = " or ".join(TYPES[name] for name in names)
        case "enum":
            text = "one of " + ", ".join(json.dumps(item) for item in value)
        case "minimum":
            text = f"{value} or more"
        case "maximum":
            text = f"{value} or less"
        case "pattern":
            text = f"text that matches {value}"
        case "minLength" | "minItems" | "minProperties":
            text = f"{value} entries or more" if value > 1 else "anything that is not empty"
        case "maxItems":
            text = f"{value} entries or fewer"
        case "uniqueItems":
            text = "each entry once"
        case _:
            text = mistake.message
    description = schema.get("description")
    return f"{text} ({description})" if description else text
