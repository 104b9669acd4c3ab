"""The demo's data: small, hazy airports, in which airplanes are 10 to 20 pixels long.

Haze and size are chosen so that compression matters: at strong compression the small airplanes dissolve
into blocks before the large ones do.
"""

from dataclasses import replace

from orbiq.datasets.scenes import AirportScenes

_TRAIN = AirportScenes(
    n_images=24,
    rows=256,
    cols=256,
    gsd_m=2.0,
    mtf_nyquist=0.15,
    snr=40.0,
    haze=0.3,
    n_airplanes=(6, 12),
    wingspan_m=(20.0, 42.0),
    seed=1,
)

SPLITS = {"train": _TRAIN, "test": replace(_TRAIN, n_images=40, seed=2)}
"""Settings by name of the split; the two share no scene, because their seeds differ."""
