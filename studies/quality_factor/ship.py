"""Puts a trained predictor among those that come with orbiq, with its card and its digest.

python ship.py work/rgb quality-factor rgb
"""

import json
import sys
from pathlib import Path

from orbiq.learning.card import Card, card_text
from orbiq.learning.weights import read_weights, write_weights
from orbiq.predictors.shipped import MODELS

TEXTS = {
    "quality-factor": {
        "purpose": (
            "Predicts the JPEG quality of an image from the image alone, after H. Cui (UCB/EECS-2023-130): "
            "`orbiq measure --metrics qf`. Trained by `orbiq train quality-factor` on the images of "
            "studies/quality_factor/sets.py."
        ),
        "holds": (
            "Aerial and satellite images of 0.1 to 30 m and photographs that no coder has touched before, of 8 bits or "
            "seen in 8 bits, coded once or twice by JPEG; blur, noise and lost pixels by their error. What it was judged "
            "on, and how it did, is in studies/quality_factor."
        ),
        "fails": (
            "A grainy scan reads as noisy, a soft one as blurred: it knows no pristine copy. Flat colour tells nothing and "
            "has no value. Damage of kinds that it has not seen lowers it by no stated scale. It has seen no radar, no "
            "thermal images and no drawings."
        ),
    },
    "degradations": {
        "purpose": (
            "Tells blur (σ of the whole Gaussian point spread function, px), RER, noise and with it SNR, sharpening "
            "(amount of `sharpen`) and GSD scale (factor of `gsd:back=True`) of an image from its pixels, after QMRNet "
            "(doi:10.3390/rs15092451): `orbiq measure --metrics degradations`. Trained by `orbiq train degradations` on "
            "satellogic-airports/train, nine pictures of kodak and generated airports. Score: the mean of five parts, "
            "1 − |objective − value| / range, not below 0: blur 0.3 px, range 3.7; RER 0.9, range 0.9; SNR 200, by its "
            "logarithm, range ln 100; sharpening 0, range 2; GSD scale 1, range 1."
        ),
        "holds": (
            "Optical images from above of any number of bands, looked at band by band, 0 … peak seen as 0 … 255: blur of "
            "0.3 to 4 px before sharpening, noise of 0.3 to 25 parts of 255, one degradation or several in the order blur, "
            "noise, coarser grid, sharpening, noise. 20 × 20 pixels that are not clipped are the least; from some 100 × "
            "100 pixels on the intervals were calibrated. What it was judged on, and how it did, is in "
            "studies/quality_factor/results/degradations_measures.csv."
        ),
        "fails": (
            "Noise below a third of a level is lost in the rounding of 8 bits. Blur that is not the same in all "
            "directions, defocus and motion are told as some Gaussian. Ground without edges hides blur, strong texture "
            "hides weak noise, and noise of a tenth of the level hides blur below a pixel. Compression is none of the "
            "five and disturbs them. It has seen no radar, no thermal images and no drawings."
        ),
    },
}


def main(folder: Path, kind: str, name: str) -> None:
    weights = read_weights(folder / "model.safetensors", kind=kind)
    card = Card(**weights.description["card"] | TEXTS[kind] | {"name": f"{kind}-{name}"})
    path = MODELS / f"{kind}-{name}.safetensors"
    digest = write_weights(path, weights.arrays, weights.description | {"card": card.description()})
    path.with_suffix(".md").write_text(card_text(card, digest=digest))
    known = MODELS / "digests.json"
    digests = json.loads(known.read_text()) if known.exists() else {}
    known.write_text(json.dumps(dict(sorted((digests | {path.name: digest}).items())), indent=1) + "\n")
    print(path.name, path.stat().st_size, "bytes", digest)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
