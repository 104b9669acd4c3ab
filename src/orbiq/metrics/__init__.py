"""What is measured: predictions against ground truth, images against a reference, images by themselves.

The public names are listed here and loaded on first use.
"""

from orbiq.lazy import lazily

_PUBLIC = {
    "MeanOutcomes": "orbiq.metrics.base",
    "MetricSpec": "orbiq.metrics.base",
    "Outcomes": "orbiq.metrics.base",
    "ScoreSpec": "orbiq.metrics.base",
    "Scored": "orbiq.metrics.base",
    "Estimate": "orbiq.metrics.base",
    "METRICS": "orbiq.metrics.catalogue",
    "metric_spec": "orbiq.metrics.catalogue",
    "coco_detection": "orbiq.metrics.detection",
    "read_outcomes": "orbiq.metrics.outcomes",
    # against a reference
    "mse": "orbiq.metrics.pointwise",
    "rmse": "orbiq.metrics.pointwise",
    "mae": "orbiq.metrics.pointwise",
    "max_error": "orbiq.metrics.pointwise",
    "psnr": "orbiq.metrics.pointwise",
    "error_map": "orbiq.metrics.pointwise",
    "ssim": "orbiq.metrics.structural_similarity",
    "ssim_map": "orbiq.metrics.structural_similarity",
    "ms_ssim": "orbiq.metrics.multiscale_similarity",
    "iw_ssim": "orbiq.metrics.weighted_similarity",
    "vif": "orbiq.metrics.information_fidelity",
    "fsim": "orbiq.metrics.feature_similarity",
    "fsimc": "orbiq.metrics.feature_similarity",
    "gmsd": "orbiq.metrics.gradient_similarity",
    "gmsd_map": "orbiq.metrics.gradient_similarity",
    "haarpsi": "orbiq.metrics.haar_similarity",
    "haarpsi_map": "orbiq.metrics.haar_similarity",
    "mdsi": "orbiq.metrics.deviation_similarity",
    "nlpd": "orbiq.metrics.laplacian_distance",
    # spectra and earth observation
    "sam": "orbiq.metrics.spectral",
    "sam_map": "orbiq.metrics.spectral",
    "band_index": "orbiq.metrics.band_formula",
    "radiometric_error": "orbiq.metrics.radiometric",
    "block_psnr": "orbiq.metrics.block_quality",
    "ergas": "orbiq.metrics.spectral",
    "rase": "orbiq.metrics.spectral",
    "spectral_correlation": "orbiq.metrics.spectral",
    "relative_bias": "orbiq.metrics.spectral",
    "uqi": "orbiq.metrics.universal_quality",
    "uqi_map": "orbiq.metrics.universal_quality",
    "q2n": "orbiq.metrics.hypercomplex_quality",
    "scc": "orbiq.metrics.spatial_correlation",
    "d_lambda": "orbiq.metrics.pansharpening",
    "d_s": "orbiq.metrics.pansharpening",
    "qnr": "orbiq.metrics.pansharpening",
    # one image
    "snr": "orbiq.metrics.noise",
    "edges": "orbiq.metrics.natural_edges",
    "slanted_edge": "orbiq.metrics.single_edge",
    "giqe": "orbiq.metrics.interpretability",
    "niirs": "orbiq.metrics.interpretability",
    "aliasing": "orbiq.metrics.folding",
    "piqe": "orbiq.metrics.perceived_distortion",
    "piqe_band": "orbiq.metrics.perceived_distortion",
    "piqe_map": "orbiq.metrics.perceived_distortion",
    "niqe": "orbiq.metrics.natural_quality",
    "fit_niqe": "orbiq.metrics.natural_model",
    "entropy": "orbiq.metrics.artefacts",
    "blockiness": "orbiq.metrics.artefacts",
    "ringing": "orbiq.metrics.artefacts",
}

__all__ = list(_PUBLIC)
__getattr__, __dir__ = lazily(__name__, _PUBLIC)
