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


def _predicted(target: str, summary: str) -> Entry:
    return Entry(f"orbiq.predictors.{target}", extra="learned", summary=summary)


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
        "ssim": _entry("structural_similarity:ssim", "structural similarity; variants by name"),
        "ms_ssim": _entry("multiscale_similarity:ms_ssim", "structural similarity at five scales"),
        "iw_ssim": _entry("weighted_similarity:iw_ssim", "structural similarity weighted by information content"),
        "vif": _entry("information_fidelity:vif", "visual information fidelity, pixel domain"),
        "fsim": _entry("feature_similarity:fsim", "feature similarity: phase congruency and gradient"),
        "fsimc": _entry("feature_similarity:fsimc", "feature similarity with colour"),
        "gmsd": _entry("gradient_similarity:gmsd", "gradient magnitude similarity deviation"),
        "haarpsi": _entry("haar_similarity:haarpsi", "Haar wavelet perceptual similarity"),
        "mdsi": _entry("deviation_similarity:mdsi", "mean deviation similarity of gradient and chroma"),
        "nlpd": _entry("laplacian_distance:nlpd", "normalised Laplacian pyramid distance"),
        # spectra and earth observation
        "sam": _entry("spectral:sam", "spectral angle"),
        "ergas": _entry("spectral:ergas", "relative global error of synthesis"),
        "rase": _entry("spectral:rase", "relative average spectral error"),
        "spectral_correlation": _entry("spectral:spectral_correlation", "correlation of the spectra"),
        "relative_bias": _entry("spectral:relative_bias", "mean difference over mean"),
        "uqi": _entry("universal_quality:uqi", "universal quality index in blocks"),
        "q2n": _entry("hypercomplex_quality:q2n", "universal quality index of all bands together"),
        "scc": _entry("spatial_correlation:scc", "spatial correlation coefficient"),
        "band_index": _entry("band_formula:band_index", "error of NDVI or any formula of the bands"),
        "radiometric_error": _entry("radiometric:radiometric_error", "error of radiance or reflectance"),
        # one image
        "snr": _entry("noise:snr", "signal over noise, three methods"),
        "edges": _entry("natural_edges:edges", "RER, FWHM and MTF of the natural edges"),
        "rer": _entry("natural_edges:edges", "relative edge response"),
        "fwhm": _entry("natural_edges:edges", "full width at half maximum of the line spread"),
        "mtf": _entry("natural_edges:edges", "modulation transfer at Nyquist and half of it"),
        "niirs": _entry("interpretability:niirs", "image interpretability by the general image quality equation"),
        "aliasing": _entry("folding:aliasing", "share of power that folding may have moved"),
        "piqe": _entry("perceived_distortion:piqe", "perception-based quality evaluator"),
        "niqe": _entry("natural_quality:niqe", "distance from the statistics of undegraded images"),
        "qf": _predicted("quality_factor:qf", "JPEG quality factor by a network, without reference"),
        "qf_map": _predicted("quality_factor:qf", "how the quality factor spreads over the image"),
        "degradations": _predicted("degradations:degradations", "blur, RER, SNR … by regressors, and a score of all"),
        "score": _predicted("degradations:degradations", "weighted score of the predicted degradations"),
        "blur": _predicted("degradations:degradations", "sigma of the point spread function by a regressor"),
        "rer_predicted": _predicted("degradations:degradations", "relative edge response by a regressor"),
        "snr_predicted": _predicted("degradations:degradations", "signal over noise by a regressor"),
        "sharpening": _predicted("degradations:degradations", "amount of an unsharp mask by a regressor"),
        "gsd_scale": _predicted("degradations:degradations", "how much coarser than its grid, by a regressor"),
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
