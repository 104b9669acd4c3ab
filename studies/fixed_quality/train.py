"""How the shipped model was trained: on images that lie in one file, so that it can be done where orbiq is not installed.

    ORBIQ_TEST_DATA=… python train.py prepare                    # work/training.npz
    PYTHONPATH=../../src python train.py run work/run --steps 40000 --decay 8000 [--device cuda --half] [--minutes 9]
    ORBIQ_TEST_DATA=… python train.py finish work/run            # ../../src/orbiq/codecs/models/aerial.safetensors

`run` needs numpy, torch and safetensors alone, and goes on from its checkpoint; `--start` begins with another's weights.
`orbiq train codec` does the same on folders of images.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
IMAGES = HERE / "work" / "training.npz"
LATENTS, MOST_LMBDA = 256, 2.0
"""As many latents as pixels, so that nothing caps the quality but λ."""
MODEL = HERE.parent.parent / "src" / "orbiq" / "codecs" / "models" / "aerial.safetensors"


def prepare() -> None:
    """All images that weights which ship may be trained on, with their masks and bits, in one file."""
    import sets

    from orbiq.imageio import read_image

    folder, arrays = HERE / "work" / "training", {}
    for name in sets.write_training_images(folder):
        for number, path in enumerate(sorted((folder / name).iterdir())):
            picture = read_image(path)
            arrays[f"{name}/{number}/array"] = picture.array
            if picture.mask is not None and not picture.mask.all():
                arrays[f"{name}/{number}/mask"] = picture.mask
    np.savez_compressed(IMAGES, **arrays)
    print(IMAGES, len({key.rsplit("/", 1)[0] for key in arrays}), "images")


def images() -> tuple[list[str], list[tuple]]:
    """Names, and (array, mask, bits) of each."""
    with np.load(IMAGES) as stored:
        names = sorted({key.rsplit("/", 1)[0] for key in stored})
        found = []
        for name in names:
            array = stored[f"{name}/array"]
            mask = stored.get(f"{name}/mask")
            found.append((array, mask, 8 * array.itemsize))
    return names, found


def run(options: argparse.Namespace) -> None:
    """Train, with a checkpoint in the folder."""
    import torch

    from orbiq.codecs.neural_training import Batches, CodecTraining, Shape, in_memory
    from orbiq.learning.checkpoints import averaged
    from orbiq.learning.loop import Plan, fit

    torch.set_num_threads(options.threads)
    names, found = images()
    batches = Batches(images=options.batch, patch_px=options.patch_px)
    shape = Shape(latents=LATENTS, most_lmbda=MOST_LMBDA)
    work = CodecTraining(shape, batches, in_memory(found), len(found), device=options.device)
    if options.compiled:
        work.module.compile()
    plan = Plan(
        steps=options.steps,
        rate=options.rate,
        decay=options.decay,
        half_precision=options.half,
        most_s=60 * options.minutes,
        log_every=200,
        judge_every=2000 if not options.compiled else options.steps,
    )
    begun = time.monotonic()

    def log(step: int, values: dict) -> None:
        figures = " ".join(f"{name} {value:.4g}" for name, value in values.items())
        print(f"{time.monotonic() - begun:.0f} s, step {step}: {figures}", flush=True)

    options.folder.mkdir(parents=True, exist_ok=True)
    fit(
        work,
        plan,
        folder=options.folder,
        settings=work.settings() | {"images": names},
        log=log,
        start=options.start and averaged(options.start),
    )


def finish(folder: Path) -> None:
    """The model with its card, calibrated on training images."""
    import sets
    import torch
    from safetensors import safe_open

    from orbiq.codec_training import fitted_model
    from orbiq.codecs.neural_model import KIND, N_LEVELS, kept_arrays
    from orbiq.codecs.neural_training import Shape
    from orbiq.learning.card import Card, card_text
    from orbiq.measuring import Stated, subjects_of

    with safe_open(folder / "checkpoint.safetensors", framework="pt") as stored:
        said = json.loads(stored.metadata()["orbiq"])
        mean = {key.removeprefix("mean/"): stored.get_tensor(key) for key in stored.keys() if key.startswith("mean/")}  # noqa: SIM118
    shape = Shape(**said["settings"]["shape"])
    networks = shape.networks()
    networks.load_state_dict({name: value.to(torch.float32) for name, value in mean.items()})
    sources: dict[str, int] = {}
    for name in said["settings"]["images"]:
        sources[name.split("/")[0]] = sources.get(name.split("/")[0], 0) + 1
    card = Card(
        name="aerial",
        purpose=sets.PURPOSE,
        data=tuple({"name": name, "images": count} for name, count in sources.items()),
        steps=said["step"],
        settings={"shape": said["settings"]["shape"], "batches": said["settings"]["batches"], "plan": said["plan"]},
        holds=sets.HOLDS,
        fails=sets.FAILS,
    )
    ratio = shape.most_lmbda / shape.least_lmbda
    arrays = kept_arrays(networks, shape.least_lmbda * ratio ** (np.arange(N_LEVELS) / (N_LEVELS - 1)))
    description = {"kind": KIND, "schema": 1, "shape": said["settings"]["shape"], "card": card.description()}
    MODEL.parent.mkdir(exist_ok=True)
    subjects = [
        s
        for name in sources
        for s in subjects_of(
            HERE / "work" / "training" / name, stated=Stated(peak=65535 if name == "landsat8-left" else None)
        )
    ]
    fitted, digest = fitted_model(MODEL, arrays, description, subjects)
    MODEL.with_suffix(".md").write_text(card_text(card, digest=digest))
    print(fitted.description(), MODEL.stat().st_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("deed", choices=["prepare", "run", "finish"])
    parser.add_argument("folder", type=Path, nargs="?", default=HERE / "work" / "run")
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--decay", type=int, default=8_000)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--patch-px", type=int, default=192)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--start", type=Path)
    options = parser.parse_args()
    sys.path.insert(0, str(HERE))
    if options.deed == "prepare":
        prepare()
    elif options.deed == "run":
        run(options)
    else:
        finish(options.folder)


if __name__ == "__main__":
    main()
