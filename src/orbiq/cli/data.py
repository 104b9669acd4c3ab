"""orbiq modify, list, clean: datasets and variants."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orbiq.cli.show import guarded, print_json, progress, size_text
from orbiq.progress import Progress

if TYPE_CHECKING:
    from orbiq.modifiers.variants import Variant


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command(
        name="modify",
        help="Make a modified copy of a dataset and weigh it.\n\n"
        "\b\nExamples:\n  orbiq modify data/airports --with jpeg:quality=50\n"
        "  orbiq modify data/airports --with 'gaussian-blur:sigma_px=1>jpeg:quality=70'\n"
        "  orbiq modify data/airports --with 'jpeg:quality=[10,30,50]' --store encoded\n"
        "  orbiq modify data/airports --with jpeg2000:rate_bpp=0.5      at a rate; jpegxl:psnr_db=45 at a quality\n"
        "  orbiq modify data/airports --with 'sensor:gsd_m=2,mtf_nyquist=0.15,snr=60,bits=8'\n"
        "  orbiq modify data/airports --with 'mtf:nyquist=[[0.20,0.18,0.15]]'      one value for each band\n"
        "  orbiq modify data/airports --with mymodule:my_function:strength=2",
    )(guarded(modify))
    app.command(
        name="list",
        help="List modifiers, metrics, codecs, experiments.\n\n"
        "\b\nExamples:\n  orbiq list\n  orbiq list modifiers\n  orbiq list experiments --workspace studies/orbiq-runs",
    )(guarded(list_))
    app.command(
        name="clean",
        help="Delete variants that can be made again.\n\nRecords, scores and reports stay.\n\n"
        "\b\nExamples:\n  orbiq clean data/airports            those of an older state of the dataset\n"
        "  orbiq clean data/airports --all      all variants of the dataset\n"
        "  orbiq clean data/airports --dry-run  only say which",
    )(guarded(clean))


def modify(
    dataset: Annotated[Path, typer.Argument(help="The dataset's folder.")],
    with_: Annotated[list[str], typer.Option("--with", metavar="MODIFIER", help="In text form; may be repeated.")],
    seed: Annotated[int, typer.Option(help="Seed of whatever is random.")] = 0,
    store: Annotated[str, typer.Option(help="source: the source's format; encoded: the codec's own files.")] = "source",
    min_visible: Annotated[
        float, typer.Option(metavar="SHARE", help="Drop objects of which less than this share is still in the image.")
    ] = 0.0,
    out: Annotated[Path | None, typer.Option(help="Folder for the variants, instead of beside the dataset.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Images at a time; all cores unless stated.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """One variant for each combination."""
    from orbiq.errors import SettingError
    from orbiq.modifiers.base import build_chain
    from orbiq.modifiers.variants import modify as make
    from orbiq.registry import expand, look_in, parse_spec

    look_in(Path.cwd())
    if store not in {"source", "encoded"}:
        raise SettingError(f"--store is {store!r}; expected source or encoded")
    chains = [chain for text in with_ for chain in expand(parse_spec(text))]
    for chain in chains:
        build_chain(chain)  # a mistake in the last one should show before the first is made
    made = []
    for chain in chains:
        with progress(quiet=as_json) as show:
            variant = make(
                dataset,
                chain,
                seed=seed,
                store="encoded" if store == "encoded" else "source",
                min_visible=min_visible,
                variants_dir=out,
                jobs=jobs,
                tick=_ticker(show),
            )
        made.append(variant)
        if not as_json:
            _print_variant(variant, min_visible)
    if as_json:
        print_json([{**asdict(v), "path": str(v.path)} for v in made])


def _print_variant(variant: "Variant", min_visible: float) -> None:
    rate = variant.rate
    coding = f"{rate.coding}, lossless" if rate.lossless else rate.coding
    print(
        f"{variant.path}{'  (was there)' if variant.reused else ''}\n"
        f"  {rate.n_images} images, {size_text(rate.bytes_per_image)} each, "
        f"{rate.bits_per_pixel:.3f} bits per pixel, {rate.bits_per_sample:.3f} per sample ({coding})"
    )
    for remark in variant.remarks(min_visible):
        print(f"  {remark}")


def _ticker(show: Progress) -> Callable[[int, int], None]:
    state = {"total": -1}

    def tick(done: int, total: int) -> None:
        if state["total"] != total:
            state["total"] = total
            show.stage("images", total)
        show.tick(done)

    return tick


def list_(
    what: Annotated[str | None, typer.Argument(help="modifiers, metrics, codecs or experiments; else all.")] = None,
    workspace: Annotated[Path, typer.Option(help="Where experiments are looked for.")] = Path("orbiq-runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """What there is."""
    from orbiq.codecs.base import CODECS
    from orbiq.errors import unknown
    from orbiq.metrics.catalogue import METRICS
    from orbiq.modifiers.base import MODIFIERS

    registries = {"modifiers": MODIFIERS, "metrics": METRICS, "codecs": CODECS}
    rooms = {name: {key: room[key].summary for key in sorted(room)} for name, room in registries.items()}
    rooms["experiments"] = _experiments(workspace)
    if what is not None and what not in rooms:
        raise unknown("list", what, rooms)
    chosen = {name: entries for name, entries in rooms.items() if what in {None, name}}
    if as_json:
        print_json(chosen)
        return
    for name, entries in chosen.items():
        print(f"{name}{f' in {workspace}' if name == 'experiments' else ''}{'' if entries else ': none'}")
        for key, summary in entries.items():
            print(f"  {key:<18} {summary}")


def _experiments(workspace: Path) -> dict[str, str]:
    """Experiment → its answer, or how far it is."""
    from orbiq.cache import read_json_or

    found = {}
    for path in sorted(workspace.glob("*/experiment.json")):
        point = read_json_or(path.parent / "analysis.json", {}).get("operating_point")
        n_runs = len(list((path.parent / "runs").glob("[!.]*/record.json")))
        sentence = point.get("sentence") if isinstance(point, dict) else None
        found[path.parent.name] = str(sentence or f"{n_runs} runs")
    return found


def clean(
    dataset: Annotated[Path, typer.Argument(help="The dataset whose variants are meant.")],
    all_: Annotated[bool, typer.Option("--all", help="Also the variants of the dataset as it is now.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    variants_dir: Annotated[Path | None, typer.Option(help="Where the variants are, if not beside it.")] = None,
) -> None:
    """Delete variants that can be made again."""
    from orbiq.cache import tree_bytes
    from orbiq.modifiers.pruning import prunable, prune

    found = prunable(dataset, everything=all_, variants_dir=variants_dir)
    total = sum(tree_bytes(folder) for folder in found)
    if not dry_run:
        prune(found)
    for folder in found:
        print(folder)
    print(f"{'would delete' if dry_run else 'deleted'} {len(found)} variants, {size_text(total)}")
