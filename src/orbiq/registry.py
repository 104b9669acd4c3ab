"""Names to things, and settings as data.

A registry lists what exists as strings, so that nothing heavy is imported before it is used. Third parties join
through the entry point group `orbiq.<kind>s`; a user's own thing is named `mymodule:MyThing`.

One text form everywhere:

    jpeg:quality=70                           a step: name, then settings
    gaussian-blur:sigma_px=1>jpeg:quality=70  a chain
    jpeg:quality=[10,50,90]                   a sweep: one spec for each value
    ofdm:payload=(jpeg:quality=70),snr_db=10  a value that is itself a spec
    mymodule:MyModifier:strength=3            one's own
"""

import dataclasses
import hashlib
import inspect
import sys
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from itertools import accumulate, product
from pathlib import Path
from typing import Any

from orbiq.errors import MissingExtra, OrbiqError, SettingError, did_you_mean, unknown

Config = dict[str, Any]
"""A thing's settings as JSON: {"name": "jpeg", "quality": 70}."""


@dataclass(frozen=True)
class Entry:
    """Where a thing lives ("package.module:attribute"), which extra it needs, and one line about it."""

    target: str
    extra: str | None = None
    summary: str = ""


@dataclass(frozen=True)
class Registry(Mapping[str, Entry]):
    """Everything of one kind by name; entry points of the group `orbiq.<kind>s` join the built-in ones.

    `functions` is the class that makes a thing of this kind of a user's own plain function, if there is one:
    "package.module:Class" with `around(name, function, settings)`.
    """

    kind: str
    built_in: Mapping[str, Entry]
    functions: str = ""

    def _all(self) -> Mapping[str, Entry]:
        from importlib.metadata import entry_points

        found = {e.name: Entry(e.value) for e in entry_points(group=f"orbiq.{self.kind}s")}
        return {**found, **self.built_in}

    def __getitem__(self, name: str) -> Entry:
        if name in self.built_in:
            return self.built_in[name]
        entries = self._all()
        if name not in entries:
            raise unknown(self.kind, name, entries)
        return entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def load(self, name: str) -> Any:
        """The thing itself, imported now; `mymodule:MyThing` is imported from the user's own file."""
        first, _, rest = name.partition(":")
        if rest and first in self.built_in:
            raise SettingError(f"{self.kind} {name!r}: {rest!r} is not setting=value; write {first}:{rest}=…")
        entry = Entry(name) if is_own(name) else self[name]
        return load_target(entry.target, kind=self.kind, name=name, extra=entry.extra)


def is_own(name: str) -> bool:
    """Whether a name is a user's own `mymodule:MyThing`."""
    return ":" in name


def own_code(thing: Any) -> str:
    """SHA-256 (hex) of the file that a user's own function or class comes from: another code, another result."""
    inner = getattr(thing, "function", None)
    thing = inner if inspect.isfunction(inner) else thing  # a function made into a thing
    file = getattr(sys.modules.get(thing.__module__), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""


def load_target(target: str, *, kind: str, name: str, extra: str | None = None) -> Any:
    """Import "module:attribute"; an error names the thing that asked for it."""
    module_name, _, attribute = target.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), attribute]):
        raise SettingError(f"{kind} {name!r} names no module; write mymodule:MyThing, its file being mymodule.py")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if extra:
            message = f"{kind} {name!r} needs {error.name!r}: pip install 'orbiq[{extra}]'"
            raise MissingExtra(message) from error
        raise _no_module(kind, name, error) from error
    except OrbiqError:
        raise
    except Exception as error:
        raise SettingError(
            f"{kind} {name!r}: {module_name} fails on import: {type(error).__name__}: {error}"
        ) from error
    if not hasattr(module, attribute):
        own = [n for n, v in vars(module).items() if getattr(v, "__module__", "") == module_name and n[0] != "_"]
        raise unknown(kind, name, [f"{module_name}:{n}" for n in own])
    return getattr(module, attribute)


def _no_module(kind: str, name: str, error: ModuleNotFoundError) -> SettingError:
    return SettingError(
        f"{kind} {name!r}: no module named {error.name!r}. Your own module is looked for beside the experiment "
        f"file, in the current folder, and among installed packages."
    )


def look_in(folder: Path) -> None:
    """Let users' own modules be found in `folder` too."""
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.append(place)


def config(thing: Any) -> Config:
    """A frozen dataclass as JSON: {"name": …, every field}, or what its `settings()` says.

    `build(registry, config(thing)) == thing`.
    """
    if hasattr(thing, "settings"):
        return {"name": name_of(thing), **_plain_items(thing.settings())}
    fields = {f.name: _plain(getattr(thing, f.name)) for f in dataclasses.fields(thing)}
    return {"name": name_of(thing), **fields}


def name_of(thing: Any) -> str:
    """The registry name of a thing; `module:Class` or `module:function` for a user's own."""
    cls = thing if isinstance(thing, type) else type(thing)
    own_name = getattr(thing, "own_name", None)  # of a function made into a thing
    return str(getattr(cls, "name", None) or own_name or f"{cls.__module__}:{cls.__name__}")


def _plain_items(values: Mapping[str, Any]) -> Config:
    return {key: _plain(value) for key, value in values.items()}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return config(value)
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def build(registry: Registry, settings: Config | str) -> Any:
    """The thing that a config, or a step in text form, describes; the settings are checked by name and type.

    A class whose settings are not its fields has `from_settings(values)`, and `settings()` for the way back.
    """
    if isinstance(settings, str):
        (settings,) = parse_spec(settings)
    values = dict(settings)
    name = str(values.pop("name"))
    cls = registry.load(name)
    if registry.functions and inspect.isfunction(cls):
        wrapper = load_target(registry.functions, kind=registry.kind, name=name)
        return wrapper.around(name, cls, values)
    if not dataclasses.is_dataclass(cls):
        raise SettingError(f"{registry.kind} {name!r} is not a frozen dataclass, so it cannot be built from settings")
    if hasattr(cls, "from_settings"):
        return cls.from_settings(values)
    return _construct(registry, cls, name=name, values=values)


def _construct(registry: Registry, cls: Any, *, name: str, values: Mapping[str, Any]) -> Any:
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in values:
        if key not in fields:
            raise SettingError(f"{registry.kind} {name!r} has no setting {key!r}. {did_you_mean(key, fields)}")
    missing = [n for n, f in fields.items() if n not in values and _required(f)]
    if missing:
        example = ",".join(f"{m}=…" for m in missing)
        raise SettingError(f"{registry.kind} {name!r} needs {', '.join(missing)}: write {name}:{example}")
    hints = typing.get_type_hints(cls)
    fitted = {k: fitting(v, hints.get(k), f"{name}:{k}") for k, v in values.items()}
    try:
        return cls(**fitted)
    except OrbiqError:
        raise
    except Exception as error:  # a user's own may refuse in its own way
        raise SettingError(f"{registry.kind} {name!r} refuses its settings: {type(error).__name__}: {error}") from error


def _required(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def fitting(value: Any, hint: Any, subject: str) -> Any:
    """`value` as the annotation says, where that is a plain type: for a float 1 is 1.0; for an int "3" is refused."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, _UNION) else (hint,)
    if value is None and type(None) in options:
        return None
    if float in options and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)  # subsampling=420 reads as a number
    plain = tuple(t for t in options if t in (int, float, str, bool))
    wrong_bool = isinstance(value, bool) and bool not in plain
    if len(plain) == len([t for t in options if t is not type(None)]) and (wrong_bool or not isinstance(value, plain)):
        expected = " or ".join(t.__name__ for t in plain)
        raise SettingError(f"{subject} is {value!r} ({type(value).__name__}); expected {expected}")
    return tuple(value) if isinstance(value, list) else value


_UNION = type(int | str)


def parse_spec(text: str) -> list[Config]:
    """The steps of one spec in text form, without sweeps.

    >>> parse_spec("gaussian-blur:sigma_px=1>jpeg:quality=70")
    [{'name': 'gaussian-blur', 'sigma_px': 1}, {'name': 'jpeg', 'quality': 70}]
    """
    return [_parse_step(step.strip(), text) for step in split_outside_brackets(text, ">")]


def _parse_step(step: str, text: str) -> Config:
    name, *rest = step.split(":", 1)
    if rest and rest[0].split(":")[0].split("(")[0].isidentifier() and "=" not in rest[0].split(":")[0]:
        own, *rest = rest[0].split(":", 1)
        name = f"{name}:{own}"
    if not name:
        raise SettingError(f"spec {text!r} has an empty step; expected name:setting=value,… joined by >")
    values: Config = {"name": name}
    for item in split_outside_brackets(rest[0], ",") if rest else []:
        key, equals, value = item.partition("=")
        if not equals or not key.strip().isidentifier():
            raise SettingError(f"spec {text!r}: {item!r} is not setting=value, as in jpeg:quality=70")
        if key.strip() in values:
            raise SettingError(f"spec {text!r} has {key.strip()} twice; give it once, or a sweep as {key.strip()}=[…]")
        values[key.strip()] = _parse_value(value.strip(), text)
    return values


def _parse_value(value: str, text: str) -> Any:
    if _is_bracketed(value):
        inner = parse_spec(value[1:-1])
        return inner[0] if len(inner) == 1 else inner
    if value.startswith("[") and value.endswith("]"):
        return [_parse_value(v.strip(), text) for v in split_outside_brackets(value[1:-1], ",")]
    words = {"true": True, "false": False, "none": None}
    if value.lower() in words:
        return words[value.lower()]
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _is_bracketed(value: str) -> bool:
    """Whether the bracket that opens at the beginning closes at the end, unlike those of (b4-b3)/(b4+b3)."""
    depths = accumulate((char == "(") - (char == ")") for char in value)
    return value.startswith("(") and all(depth > 0 for depth in list(depths)[:-1]) and value.endswith(")")


def split_outside_brackets(text: str, separator: str) -> list[str]:
    """Split at a separator outside brackets."""
    parts, depth, start = [], 0, 0
    for k, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char == separator and depth == 0:
            parts.append(text[start:k])
            start = k + 1
    if depth:
        raise SettingError(f"spec {text!r} has unbalanced brackets")
    return [*parts, text[start:]]


def expand(steps: list[Config]) -> list[list[Config]]:
    """Every combination of the settings that are lists: the sweep's single chains, the last setting fastest.

    >>> expand([{"name": "jpeg", "quality": [10, 50]}])
    [[{'name': 'jpeg', 'quality': 10}], [{'name': 'jpeg', 'quality': 50}]]
    """
    swept = [(k, key, v) for k, step in enumerate(steps) for key, v in step.items() if isinstance(v, list)]
    for k, key, given in swept:
        if not given:
            raise SettingError(f"{steps[k]['name']}:{key} is an empty list; give the values to sweep")
    chains = []
    for values in product(*(v for _, _, v in swept)):
        chain = [dict(step) for step in steps]
        for (k, key, _), value in zip(swept, values, strict=True):
            chain[k][key] = value
        chains.append(chain)
    return chains


def spec_text(steps: list[Config]) -> str:
    """The text form of a chain: the inverse of `parse_spec`.

    >>> spec_text([{"name": "jpeg", "quality": 70}])
    'jpeg:quality=70'
    """
    return ">".join(_step_text(step) for step in steps)


def _step_text(step: Config) -> str:
    settings = ",".join(f"{k}={_value_text(v)}" for k, v in step.items() if k != "name" and v is not None)
    return f"{step['name']}:{settings}" if settings else str(step["name"])


def _value_text(value: Any) -> str:
    if isinstance(value, dict):
        return f"({_step_text(value)})"
    if isinstance(value, list | tuple):
        return f"[{','.join(_value_text(v) for v in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
