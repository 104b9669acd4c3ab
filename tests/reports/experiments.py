"""A small complete experiment on disk: records, scores, analysis, variants with real images. Nothing is run."""

import json
from dataclasses import dataclass, field, replace
from math import nan
from pathlib import Path

import cv2
import numpy as np

from orbiq.analysis.agreement import agreements, best_sentence
from orbiq.analysis.levels import Level
from orbiq.analysis.operating_point import operating_point
from orbiq.cache import without_nan, write_json
from orbiq.metrics.base import MeanOutcomes
from orbiq.metrics.outcomes import write_outcomes
from orbiq.records import REFERENCE, GivenScores, Rate, Record, Split, family_of, write_record, write_scores
from orbiq.registry import parse_spec

HOSTILE = "<script>alert(1)</script>"
N_IMAGES = 24
SPECS = [f"jpeg:quality={q}" for q in (10, 30, 50, 70, 90)] + [
    f"gaussian-blur:sigma_px=1>jpeg:quality={q}" for q in (30, 70, 90)
]
BITS = {10: 0.42, 30: 0.83, 50: 1.19, 70: 1.71, 90: 3.3}
SCORES = {10: 0.51, 30: 0.62, 50: 0.667, 70: 0.672, 90: 0.671}


@dataclass(frozen=True)
class Fake:
    """What to build: the score's name and how much is taken from all scores of the variants."""

    name: str = "airports JPEG"
    score: str = "ap50"
    loss: float = 0.0
    repetitions: int = 3
    images: bool = True
    bit_depth: int = 8
    outcomes: bool = False
    analysed: bool = True
    image_scores: bool = True
    seed: int = 7
    params: dict = field(default_factory=lambda: {"lr": 0.001})


def make_experiment(folder: Path, fake: Fake = Fake()) -> Path:
    """Fill a folder as an experiment leaves it; returns the folder."""
    rng = np.random.default_rng(fake.seed)
    levels = []
    for spec in [REFERENCE, *SPECS]:
        steps = [] if spec == REFERENCE else parse_spec(spec)
        quality = steps[-1]["quality"] if steps else None
        bits = (BITS[quality] * (0.82 if len(steps) > 1 else 1)) if steps else 13.6
        mean = (SCORES[quality] - (0.03 if len(steps) > 1 else 0) if steps else 0.674) - fake.loss
        hits = [_values(mean, rng) for _ in range(fake.repetitions)]
        for k, values in enumerate(hits):
            _write_run(folder, fake, _record(spec, steps, bits, k, fake), values)
        outcomes = tuple(MeanOutcomes(images=_names(), values={fake.score: v}) for v in hits)
        levels.append(Level(spec, family_of(steps), bits, {}, outcomes))
    _write_failure(folder, fake)
    if fake.analysed:
        point = operating_point(levels[1:], reference=levels[0], score=fake.score, replicates=400).as_dict()
        said = {"schema": 1, "operating_point": point, "reason": "", "params": fake.params, "others": []}
        if fake.image_scores:
            said["agreement"] = _agreement(point)
        write_json(folder / "analysis.json", without_nan(said))
    write_json(
        folder / "experiment.json",
        {"schema": 1, "name": fake.name, "folder": "..", "settings": _settings(folder, fake)},
    )
    if fake.images:
        write_variants(folder, bit_depth=fake.bit_depth)
    return folder


def _agreement(point: dict) -> dict:
    """Three image scores: one that goes with the task, one that hardly does, one that is known for two variants."""
    task = {level["variant"]: level["score"] for level in point["levels"]}
    families = {level["variant"]: level["family"] for level in point["levels"]}
    bits = {level["variant"]: level["cost"] for level in point["levels"]}
    images = {
        ("psnr", "psnr"): {v: np.inf if v == REFERENCE else 30 + 25 * (s - 0.6) for v, s in task.items()},
        ("ssim:variant=skimage", "ssim"): {v: 1 - 0.1 / bits[v] for v in task},
        ("snr", HOSTILE): {v: 20 + np.sin(37 * bits[v]) for v in task},
        ("niqe", "niqe"): dict.fromkeys(list(task)[:2], 4.0),
    }
    found = agreements(task, images, families=families)
    scores = [a.as_dict() for a in found]
    return {"sentence": best_sentence(found, score=point["score"]), "score": point["score"], "scores": scores}


def _names() -> tuple[str, ...]:
    return tuple(f"tile_{k:02}.png" for k in range(N_IMAGES))


def _values(mean: float, rng: np.random.Generator) -> np.ndarray:
    """Per-image values with the same difficulty of an image in all variants, and a little of a run's own luck."""
    difficulty = np.random.default_rng(1).normal(0, 0.05, N_IMAGES)
    values = difficulty - difficulty.mean() + rng.normal(0, 0.006, N_IMAGES)
    return mean + values + rng.normal(0, 0.0012)


def _rate(bits: float) -> Rate:
    n_bytes = bits * 256 * 256 / 8
    coding = "png" if bits > 10 else "jpeg"
    return Rate(
        bytes_per_image=n_bytes,
        bits_per_pixel=bits,
        bits_per_sample=bits / 3,
        total_bytes=int(n_bytes * N_IMAGES),
        n_images=N_IMAGES,
        coding=coding,
        lossless=bits > 10,
    )


def _record(spec: str, steps: list, bits: float, repetition: int, fake: Fake) -> Record:
    slug = f"{spec.replace(':', '-').replace('>', '+').replace('=', '')}-r{repetition}"
    splits = {
        "train": Split(dataset="airports", variant=spec, fingerprint="ab" * 32, n_images=120, rate=_rate(bits)),
        "test": Split(
            dataset="airports-test", variant=spec, fingerprint="cd" * 32, n_images=N_IMAGES, rate=_rate(bits)
        ),
    }
    return Record(
        run=slug,
        key="0" * 64,
        experiment=fake.name,
        variant=spec,
        modifier=steps,
        params=dict(fake.params),
        repetition=repetition,
        seed=1234 + repetition,
        splits=splits,
        judged="test",
        status="finished",
        started=f"2026-03-{repetition + 1:02}T08:15:00Z",
        duration_s=61.5 + repetition,
        command=["python", "train.py", "--trainds", "variants/airports", "--outputpath", f"runs/{slug}/output"],
        versions={"orbiq": "0.1.0", "python": "3.11.9", "numpy": "2.2.0"},
        dataset_params={"sensor": "Aleph-1"},
    )


def _write_run(folder: Path, fake: Fake, record: Record, values: np.ndarray) -> None:
    run = folder / "runs" / record.run
    run.mkdir(parents=True)
    write_record(run, record)
    mean = float(values.mean())
    scores = {
        fake.score: mean,
        "ap": mean * 0.55,
        f"{fake.score}/airplane": mean + 0.05,
        f"{fake.score}/{HOSTILE}": mean - 0.05,
        f"{fake.score}/helicopter": nan,
    }
    reasons = {f"{fake.score}/helicopter": "no helicopter in the ground truth"}
    file = "coco-detection.parquet" if fake.outcomes else ""
    if file:
        (run / "scores").mkdir()
        write_outcomes(run / "scores" / file, MeanOutcomes(images=_names(), values={fake.score: values}))
    given = GivenScores(metric="coco-detection", scores=scores, reasons=reasons, outcomes=file)
    write_scores(run, given, slug="coco-detection")


def _write_failure(folder: Path, fake: Fake) -> None:
    record = _record("jpeg:quality=10", parse_spec("jpeg:quality=10"), BITS[10], 9, fake)
    log = f'Traceback\n  File "{folder}/train.py", line 3\n\x1b[31mRuntimeError: {HOSTILE}\x1b[0m\n'
    failed = replace(record, status="failed", reason="the task ended with exit code 3", log_tail=log, exit_code=3)
    run = folder / "runs" / failed.run
    run.mkdir(parents=True)
    write_record(run, failed)


def _settings(folder: Path, fake: Fake) -> dict:
    return {
        "name": fake.name,
        "train": str(folder / "data" / "airports"),
        "test": "data/airports-test",
        "modifiers": SPECS,
        "task": {"script": str(folder / "train.py"), "timeout_s": 600},
        "repetitions": fake.repetitions,
        "metrics": ["coco-detection", "regression"],
        "objective": {"score": fake.score, "keep": 0.98, "confidence": 0.95},
    }


def scene(index: int) -> tuple[np.ndarray, list[list[int]]]:
    """A small picture of ground, a runway and a few bright crosses, and their boxes."""
    rng = np.random.default_rng(index)
    ground = cv2.GaussianBlur(rng.normal(0, 30, (200, 240)).astype(np.float32), (0, 0), 2.5) * 4 + 95
    image = np.stack([ground * 1.02, ground * 1.0, ground * 0.86], axis=2)
    image[90:118] = 74 + rng.normal(0, 3, (28, 240, 1))
    image[103:105, ::12] = 190
    boxes = []
    for k in range(4):
        x, y = int(rng.integers(15, 205)), int((12, 46, 128, 168)[k])
        cv2.line(image, (x, y + 10), (x + 24, y + 10), (226, 228, 232), 4)
        cv2.line(image, (x + 10, y), (x + 14, y + 22), (205, 207, 214), 4)
        boxes.append([x - 2, y - 2, 30, 26])
    image = cv2.GaussianBlur(image, (0, 0), 0.8) + rng.normal(0, 2, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), boxes


def write_variants(folder: Path, *, bit_depth: int = 8, count: int = 3) -> None:
    """Write the reference's and all variants' images, with COCO truth, and variants.json."""
    listed = []
    for spec in [REFERENCE, *SPECS]:
        steps = [] if spec == REFERENCE else parse_spec(spec)
        home = folder / "variants" / (spec.replace(":", "-").replace(">", "+"))
        (home / "images").mkdir(parents=True)
        for k in range(count):
            image, _ = scene(k)
            if len(steps) > 1:
                image = cv2.GaussianBlur(image, (0, 0), 1.0)
            if steps:
                _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, steps[-1]["quality"]])
                image = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
            if bit_depth == 16:
                image = image.astype(np.uint16) * 12 + 200
            cv2.imwrite(str(home / "images" / f"tile_{k:02}.png"), image[..., ::-1])
        _write_truth(home, count)
        where = home.relative_to(folder) / "images"
        listed.append(
            {"variant": spec, "split": "test", "images_dir": str(where), "modifier": steps, "store": "source"}
        )
    write_json(folder / "variants.json", {"schema": 1, "variants": listed})


def _write_truth(home: Path, count: int) -> None:
    images = [{"id": k, "file_name": f"tile_{k:02}.png", "width": 240, "height": 200} for k in range(count)]
    annotations = [
        {"id": 10 * k + j, "image_id": k, "category_id": 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for k in range(count)
        for j, box in enumerate(scene(k)[1])
    ]
    truth = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": HOSTILE}]}
    (home / "annotations.json").write_text(json.dumps(truth))
