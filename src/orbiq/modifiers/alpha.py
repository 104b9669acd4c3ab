"""An alpha band is a mask and no light: modifiers do not see it, and it follows the pixels."""

from dataclasses import dataclass, replace

import numpy as np

from orbiq.arrays import Array, Scene
from orbiq.datasets.shapes import moved_pixels
from orbiq.datasets.visible import Move
from orbiq.pictures import Profile


@dataclass(frozen=True, eq=False, kw_only=True)
class Alpha:
    """The alpha band (rows, cols) of an image, and its place among the bands."""

    band: Array
    index: int


def parted(scene: Scene, profile: Profile) -> tuple[Scene, Alpha | None]:
    """The scene without its alpha band, and that band; the scene's mask says already where it is 0.

    >>> grey = Scene(array=np.zeros((2, 3, 2), np.uint8))
    >>> parted(grey, Profile(format="tiff", colorinterp=("gray", "alpha")))[0].shape
    (2, 3, 1)
    """
    named = profile.colorinterp.index("alpha") if "alpha" in profile.colorinterp else None
    index = 3 if named is None and profile.format == "png" and scene.shape[2] == 4 else named
    if index is None or scene.shape[2] == 1:
        return scene, None
    colours = np.ascontiguousarray(np.delete(scene.array, index, axis=2))
    return replace(scene, array=colours), Alpha(band=scene.array[..., index], index=index)


def joined(scene: Scene, alpha: Alpha | None, move: Move) -> Scene:
    """The scene with the alpha band moved as its pixels: the nearest one's, and 0 exactly where a pixel is masked."""
    if alpha is None:
        return scene
    band = moved_pixels(alpha.band, move.affine, size=move.after)
    band[band == 0] = alpha.band.max()
    if scene.mask is not None:
        band[~scene.mask] = 0
    return replace(scene, array=np.insert(scene.array, alpha.index, band, axis=2))
