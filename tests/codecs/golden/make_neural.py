"""Make the stored fixed-quality stream, its model, and what it decodes to.

    python -m tests.codecs.golden.make_neural

The stream of version 1 must decode for ever, so this runs again only when a new version of the format gets a stream of
its own, under another name. Run with torch 2.13.0 and numpy 2 on x86-64, from the folder that holds `tests`.
"""

import json
import lzma
import tempfile
from pathlib import Path

import numpy as np

from orbiq.arrays import Scene
from orbiq.codecs.neural_container import Head, packed, unpacked
from orbiq.codecs.neural_decoding import Decoder
from orbiq.codecs.neural_encoding import Encoder
from orbiq.codecs.neural_levels import Quality
from orbiq.codecs.neural_model import load_model
from orbiq.codecs.neural_passes import areas, tiles
from orbiq.codecs.neural_planes import scaling_of
from tests.codecs.pictures import picture
from tests.codecs.toy_model import toy_model

HERE = Path(__file__).parent


def main() -> None:
    """Write neural.safetensors.xz, neural.obq, neural.npz and neural.json."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(toy_model(Path(folder) / "neural.safetensors", seed=2024))
        (HERE / "neural.safetensors.xz").write_bytes(lzma.compress(path.read_bytes(), preset=9))
        model = load_model(str(path))
    array = picture((75, 140, 4), "uint16", seed=11)[:, :, :2]
    mask = np.ones((75, 140), bool)
    mask[:, :9] = False
    notes = {"epsg": 32631, "transform": [0.5, 0.0, 430000.0, 0.0, -0.5, 4580000.0]}
    head = Head(
        model=model.digest,
        dtype="uint16",
        bits=12,
        shape=array.shape,
        tile_px=64,
        block=(16, 32),
        joint=False,
        residual=False,
        scalings=tuple(scaling_of(array[:, :, [k]], mask, bits=12) for k in range(2)),
    )
    encoder = Encoder(model, Scene(array=array, mask=mask), head, model.calibration)
    container, _ = encoder.encoded(Quality(targets=(60_000.0, 90_000.0), residual=True), mask=mask)
    container = type(container)(head=container.head, tiles=container.tiles, mask=mask, notes=notes)
    stream = packed(container)
    (HERE / "neural.obq").write_bytes(stream)
    decoder = Decoder(model, unpacked(stream))
    places = [tile for area in areas(head.shape, 64) for tile in tiles(area, 64)]
    coded = [decoder.tile(tile, group) for tile in places for group in range(2)]
    arrays = {f"symbols{k}": tile.symbols for k, tile in enumerate(coded)}
    arrays |= {f"latents{k}": tile.latents.numpy() for k, tile in enumerate(coded)}
    arrays |= {f"levels{k}": tile.levels for k, tile in enumerate(coded)}
    np.savez_compressed(HERE / "neural.npz", pixels=decoder.image(), mask=mask, **arrays)
    (HERE / "neural.json").write_text(json.dumps({"schema": 1, "notes": notes}, indent=1) + "\n")


if __name__ == "__main__":
    main()
