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
