"""Make the stored fixed-quality streams, their models, and what they decode to.

    python -m tests.codecs.golden.make_neural plain     # neural.*: two bands, one by one, with a mask
    python -m tests.codecs.golden.make_neural fitted    # neural_fitted.*: three bands jointly, colours turned, a model
                                                        # with tables and neighbours of its own

The streams of version 1 must decode for ever, so this runs again only when a new version of the format gets streams of
its own, under other names. Run with torch 2.13.0 and numpy 2 on x86-64, from the folder that holds `tests`.
"""

import json
import lzma
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from orbiq.arrays import Array, BoolArray, Scene
from orbiq.codecs.neural import FixedQuality
from orbiq.codecs.neural_container import Head, packed, unpacked
from orbiq.codecs.neural_decoding import Decoder
from orbiq.codecs.neural_encoding import Encoder
from orbiq.codecs.neural_levels import Quality
from orbiq.codecs.neural_model import KIND, Model, load_model
from orbiq.codecs.neural_passes import areas, tiles
from orbiq.codecs.neural_planes import scaling_of
from orbiq.codecs.neural_tables import fitted_neighbours, fitted_tables
from orbiq.learning.weights import read_weights, write_weights
from tests.codecs.pictures import picture
from tests.codecs.toy_model import toy_model

HERE = Path(__file__).parent
TILE_PX = 64


def plain() -> None:
    """neural.*"""
    with tempfile.TemporaryDirectory() as folder:
        model = kept("neural", Path(toy_model(Path(folder) / "neural.safetensors", seed=2024)))
    array = picture((75, 140, 4), "uint16", seed=11)[:, :, :2]
    mask = np.ones((75, 140), bool)
    mask[:, :9] = False
    notes = {"epsg": 32631, "transform": [0.5, 0.0, 430000.0, 0.0, -0.5, 4580000.0]}
    head = Head(
        model=model.digest,
        dtype="uint16",
        bits=12,
        shape=array.shape,
        tile_px=TILE_PX,
        block=(16, 32),
        joint=False,
        residual=False,
        scalings=tuple(scaling_of(array[:, :, [k]], mask, bits=12) for k in range(2)),
    )
    quality = Quality(targets=(60_000.0, 90_000.0), residual=True)
    write("neural", model, array, head, quality, mask=mask, notes=notes)


def fitted() -> None:
    """neural_fitted.*"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(toy_model(Path(folder) / "neural.safetensors", seed=2025))
        codec, weights = FixedQuality(model=str(path)), read_weights(path, kind=KIND)
        images = [Scene(array=smooth((512, 512, 3), seed)) for seed in (1, 2)]
        arrays = dict(weights.arrays)
        for fit in (fitted_neighbours, fitted_tables):
            model = codec.loaded()
            arrays |= fit(model, [(image, codec.head(image, model)) for image in images])
            write_weights(path, arrays, weights.description)
        model = kept("neural_fitted", path)
    array = smooth((90, 150, 3), 3)
    head = Head(
        model=model.digest,
        dtype="uint8",
        bits=8,
        shape=array.shape,
        tile_px=TILE_PX,
        block=(32, 32),
        joint=True,
        residual=False,
        scalings=(scaling_of(array, bits=8),),
    )
    write("neural_fitted", model, array, head, Quality(targets=(60.0,)), notes={"of": "three bands"})


def smooth(shape: tuple[int, int, int], seed: int) -> Array:
    """A picture whose means vary slowly, and whose colours have to do with one another."""
    slow = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=shape).astype(np.float32), (0, 0), 20)
    mixed = slow / slow.std() @ np.array([[40, 30, 20], [0, 12, -6], [2, 0, 8]], np.float32) + 100
    mixed += picture(shape, seed=seed + 100) / 5
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def kept(name: str, path: Path) -> Model:
    """The model of a file that is stored with the stream."""
    (HERE / f"{name}.safetensors.xz").write_bytes(lzma.compress(path.read_bytes(), preset=9))
    return load_model(str(path))


def write(
    name: str,
    model: Model,
    array: Array,
    head: Head,
    quality: Quality,
    *,
    mask: BoolArray | None = None,
    notes: Mapping[str, object] | None = None,
) -> None:
    """The stream, and what it decodes to."""
    encoder = Encoder(model, Scene(array=array, mask=mask), head, model.calibration)
    container, _ = encoder.encoded(quality, mask=mask, notes=notes)
    stream = packed(container)
    (HERE / f"{name}.obq").write_bytes(stream)
    decoder = Decoder(model, unpacked(stream))
    places = [tile for area in areas(head.shape, TILE_PX) for tile in tiles(area, TILE_PX)]
    coded = [decoder.tile(tile, group) for tile in places for group in range(len(head.groups))]
    arrays = {f"symbols{k}": tile.symbols for k, tile in enumerate(coded)}
    arrays |= {f"latents{k}": tile.latents.numpy() for k, tile in enumerate(coded)}
    arrays |= {f"levels{k}": tile.levels for k, tile in enumerate(coded)}
    known = {} if mask is None else {"mask": mask}
    np.savez_compressed(HERE / f"{name}.npz", pixels=decoder.image(), **known, **arrays)
    (HERE / f"{name}.json").write_text(json.dumps({"schema": 1, "notes": notes}, indent=1) + "\n")


if __name__ == "__main__":
    {"plain": plain, "fitted": fitted}[sys.argv[1]]()
