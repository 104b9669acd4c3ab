"""Which edges of an image lie on one straight boundary of the ground.

What is wrong with such edges is alike, a painted line or a kerb along all of them, so that they are no independent
witnesses of the imager.
"""

import numpy as np

from orbiq.arrays import Array

_REACH = 256.0  # pixels from one edge to the next on the same boundary
_OFF_PX, _OFF_SHARE = 2.0, 0.02  # how far an edge may lie from another's line, and more with their distance
_TURN = np.deg2rad(5)


def boundaries(fits: Array) -> Array:
    """The number, from 0, of the boundary that each fit (`edge_kernel.EDGE`) lies on.

    Two edges lie on one if both are bright on the same side, and the middle of either is on the other's line; so do
    edges that are linked by others.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    if fits.size == 0:
        return np.zeros(0, int)
    at, angle = np.stack([fits["row"], fits["col"]], axis=1), np.deg2rad(fits["normal_deg"])
    i, j = cKDTree(at).query_pairs(_REACH, output_type="ndarray").T
    apart, normal = at[j] - at[i], np.stack([np.sin(angle), np.cos(angle)], axis=1)
    off = np.minimum(np.abs((apart * normal[i]).sum(axis=1)), np.abs((apart * normal[j]).sum(axis=1)))
    turn = np.abs((angle[i] - angle[j] + np.pi) % (2 * np.pi) - np.pi)
    same = (off < _OFF_PX + _OFF_SHARE * np.hypot(*apart.T)) & (turn < _TURN)
    links = coo_array((same[same], (i[same], j[same])), shape=(fits.size, fits.size))
    return np.asarray(connected_components(links, directed=False)[1])
