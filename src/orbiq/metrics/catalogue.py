"""All metrics by name: where the function is, and what its scores mean.

The meaning lies beside the function: each module lists the `MetricSpec`s of its functions in `SPECS`.
"""

from functools import cache
from importlib import import_module

from orbiq.errors import unknown
from orbiq.metrics.base import MetricSpec, ScoreSpec
from orbiq.registry import Entry, Registry


def _entry(target: str, summary: str) -> Entry:
    return Entry(f"orbiq.metrics.{target}", summary=summary)


METRICS = Registry(
    "metric",
    {
        # of predictions
        "coco-detection": _entry("detection:coco_detection", "COCO's AP and AR of boxes"),
        "segmentation": _entry("segmentation:segmentation", "IoU, Dice and boundary F1 of class maps"),
        "classification": _entry("classification:classification", "accuracy, F1, calibration of a class per image"),
        "regression": _entry("regression:regression", "mse, mae, r2 … of a number for each image"),
        # against a reference
        "mse": _entry("pointwise:mse", "mean squared error"),
        "rmse": _entry("pointwise:rmse", "root mean squared error"),
        "mae": _entry("pointwise:mae", "mean absolute error"),
        "max_error": _entry("pointwise:max_error", "largest absolute error"),
        "psnr": _entry("pointwise:psnr", "peak signal-to-noise ratio"),
        "ssim": _entry("ssim:ssim", "structural similarity; variants by name"),
        "ms_ssim": _entry("ms_ssim:ms_ssim", "structural similarity at five scales"),
        "iw_ssim": _entry("iw_ssim:iw_ssim", "structural similarity weighted by information content"),
        "vif": _entry("vif:vif", "visual information fidelity, pixel domain"),
        "fsim": _entry("fsim:fsim", "feature similarity: phase congruency and gradient"),
        "fsimc": _entry("fsim:fsimc", "feature similarity with colour"),
        "gmsd": _entry("gmsd:gmsd", "gradient magnitude similarity deviation"),
        "haarpsi": _entry("haarpsi:haarpsi", "Haar wavelet perceptual similarity"),
        "mdsi": _entry("mdsi:mdsi", "mean deviation similarity of gradient and chroma"),
        "nlpd": _entry("nlpd:nlpd", "normalised Laplacian pyramid distance"),
        # spectra and earth observation
        "sam": _entry("spectral:sam", "spectral angle"),
        "ergas": _entry("spectral:ergas", "relative global error of synthesis"),
        "rase": _entry("spectral:rase", "relative average spectral error"),
        "spectral_correlation": _entry("spectral:spectral_correlation", "correlation of the spectra"),
        "relative_bias": _entry("spectral:relative_bias", "mean difference over mean"),
        "uqi": _entry("uqi:uqi", "universal quality index in blocks"),
        "q2n": _entry("q2n:q2n", "universal quality index of all bands together"),
        "scc": _entry("scc:scc", "spatial correlation coefficient"),
        # one image
        "snr": _entry("noise:snr", "signal over noise, three methods"),
        "edges": _entry("edges:edges", "RER, FWHM and MTF of the natural edges"),
        "rer": _entry("edges:edges", "relative edge response"),
        "fwhm": _entry("edges:edges", "full width at half maximum of the line spread"),
        "mtf": _entry("edges:edges", "modulation transfer at Nyquist and half of it"),
        "niirs": _entry("niirs:niirs", "image interpretability by the general image quality equation"),
        "aliasing": _entry("aliasing:aliasing", "share of power that folding may have moved"),
        "piqe": _entry("piqe:piqe", "perception-based quality evaluator"),
        "niqe": _entry("niqe:niqe", "distance from the statistics of undegraded images"),
        "entropy": _entry("artefacts:entropy", "bits that a pixel by itself holds"),
        "blockiness": _entry("artefacts:blockiness", "steps at the borders of coding blocks"),
        "ringing": _entry("artefacts:ringing", "ripples beside strong edges"),
    },
)


def metric_spec(name: str) -> MetricSpec:
    """What a metric's scores mean: names, units, ranges, directions."""
    if name not in METRICS:
        raise unknown("metric", name, METRICS)
    module = import_module(METRICS[name].target.partition(":")[0])
    spec: MetricSpec = module.SPECS[name]
    return spec


def score_spec(score: str) -> ScoreSpec | None:
    """The meaning of a score by its name ("ap/car" is an "ap"), from the first metric that gives it."""
    return _scores().get(score.split("/", 1)[0])


@cache
def _scores() -> dict[str, ScoreSpec]:
    specs = [spec for name in METRICS.built_in for spec in metric_spec(name).scores]
    return {spec.name: spec for spec in reversed(specs)}
