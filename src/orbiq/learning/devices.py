"""Where networks run, and whether they can at all."""

from orbiq.errors import MissingExtra, SettingError


def check_learned(what: str) -> None:
    """MissingExtra where torch or safetensors are not installed."""
    for module in ("torch", "safetensors"):
        try:
            __import__(module)
        except ModuleNotFoundError as error:
            raise MissingExtra(f"{what} needs {error.name!r}: pip install 'orbiq[learned]'") from error


def device_of(name: str) -> str:
    """The device to train on; "auto" is a GPU where there is one. SettingError where it is not there."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"device {name!r} cannot be used: {str(error).splitlines()[0]}; try cpu") from None
    return name
