"""Which variants can go: they can always be made again from their source."""

from pathlib import Path

from orbiq.cache import fingerprint, read_json_or, replaced_folder, sweep
from orbiq.datasets.folder import open_dataset
from orbiq.modifiers.variants import VARIANT_FILE


def prunable(dataset: str | Path, *, everything: bool = False, variants_dir: Path | None = None) -> list[Path]:
    """The variants of a dataset that were made from an older state of it; `everything` = all of them.

    Only folders named `<dataset>#…` that hold a variant.json count.
    """
    source = open_dataset(dataset)
    parent = variants_dir if variants_dir is not None else source.path.parent
    sweep(parent)
    now = fingerprint(source.path)
    found = []
    for folder in sorted(parent.iterdir()):
        about = read_json_or(folder / VARIANT_FILE, None)
        if not folder.name.startswith(f"{source.path.name}#") or not isinstance(about, dict):
            continue
        if everything or about.get("source", {}).get("fingerprint") != now:
            found.append(folder)
    return found


def prune(folders: list[Path]) -> None:
    """Delete these variants."""
    for folder in folders:
        replaced_folder(folder)
