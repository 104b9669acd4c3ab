"""A YAML file checked against a model; what is wrong is said with its line and its neighbours."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from orbiq.errors import SettingError, did_you_mean

Model = TypeVar("Model", bound=BaseModel)
Loc = Sequence[int | str]


def read_checked(path: Path, model: type[Model]) -> Model:
    """The file as `model`; SettingError names file, line, setting, what came and what was expected."""
    text = _text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
        _refuse_twice(node, path)
    except yaml.YAMLError as error:
        raise SettingError(f"{path.name}: no valid YAML: {_yaml_words(error)}") from None
    except RecursionError:
        raise SettingError(f"{path.name}: an alias (*name) contains itself, or brackets are nested too deep") from None
    if not isinstance(data, dict):
        raise SettingError(f"{path.name}: holds no settings; expected name, datasets, modifiers, task, …")
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise SettingError(explain(error, model, name=path.name, node=node)) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingError(
            f"no experiment file {str(path)!r}. Name a YAML file; `orbiq run --help` shows one."
        ) from None
    except IsADirectoryError:
        raise SettingError(f"{str(path)!r} is a folder; name the experiment's YAML file") from None
    except UnicodeDecodeError:
        raise SettingError(f"{str(path)!r} is no text; name the experiment's YAML file") from None
    except OSError as error:
        raise SettingError(f"{str(path)!r} cannot be read: {error.strerror}") from None


def _yaml_words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else problem


def _refuse_twice(node: Any, path: Path) -> None:
    """A key that stands twice: YAML would take the last one silently."""
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_twice(child, path)
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise SettingError(f"{path.name}, line {line}: {key.value!r} stands already in line {seen[key.value]}")
            seen[key.value] = line
            _refuse_twice(value, path)


def explain(error: ValidationError, model: type[BaseModel], *, name: str, node: Any = None) -> str:
    """Every mistake of a settings file, a line each: where, what came, what was meant."""
    lines: dict[tuple[int | str, ...], str] = {}
    for mistake in error.errors():
        loc = (*(part for part in mistake["loc"] if not _is_branch(part)), *(_stated_place(mistake) or ()))
        where = f"{name}, line {_line(node, loc)}" if node is not None else name
        if loc not in lines or mistake["type"] == "extra_forbidden":
            lines[loc] = f"{where}: {_words(mistake, loc, model)}"
        else:  # another branch of a union that did not fit either
            setting = ".".join(map(str, loc))
            lines[loc] = f"{where}: {setting} is {mistake['input']!r}; expected a number, a word, or a list of these"
    return "\n".join(lines.values())


def _stated_place(mistake: Any) -> tuple[int | str, ...] | None:
    """The place, below the setting that was checked, that a mistake states itself (settings_parts.Misplaced)."""
    return getattr(mistake.get("ctx", {}).get("error"), "at", None)


def _is_branch(part: int | str) -> bool:
    """Whether a part of the location is a branch of a union that pydantic tried, no key of the file."""
    return isinstance(part, str) and (part in {"bool", "int", "float", "str"} or part.startswith(("list[", "literal[")))


def _words(mistake: Any, loc: Loc, model: type[BaseModel]) -> str:
    setting = ".".join(map(str, loc))
    kind = mistake["type"]
    if kind == "extra_forbidden":
        known = _fields(model, loc[:-1])
        return f"{setting} is no setting. {did_you_mean(str(loc[-1]), known)}"
    if kind == "missing":
        return f"{setting} is missing"
    if kind == "value_error":
        names_itself = not setting or _stated_place(mistake) is not None
        return f"{'' if names_itself else setting + ': '}{mistake['ctx']['error']}"
    if kind == "model_type":
        return f"{setting} is {mistake['input']!r}; expected its settings, as in {setting}: {{setting: value}}"
    return f"{setting} is {mistake['input']!r}; {mistake['msg'][:1].lower()}{mistake['msg'][1:]}"


def _fields(model: type[BaseModel], loc: Loc) -> list[str]:
    """The settings that `model` knows at a location."""
    for part in loc:
        field = model.model_fields.get(str(part))
        inner = _model_of(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_of(annotation: Any) -> type[BaseModel] | None:
    options = [annotation, *getattr(annotation, "__args__", ())]
    return next((o for o in options if isinstance(o, type) and issubclass(o, BaseModel)), None)


def _line(node: Any, loc: Loc) -> int:
    """The line of a setting, or of the nearest thing around it."""
    line: int = node.start_mark.line + 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
