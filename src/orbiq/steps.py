"""The ground an experiment stands on: nothing left over from a crash, settings remembered, variants made."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orbiq.cache import content_key, sweep, write_json
from orbiq.modifiers.variants import Variant, make_variant, reference_variant
from orbiq.plan import Plan, RunStep, VariantStep
from orbiq.progress import Progress
from orbiq.settings_parts import Role
from orbiq.tasks.processes import end_marked


def clear_the_ground(folder: Path, show: Progress) -> None:
    """End what a crashed orbiq left running for this experiment, and sweep away what it left half done."""
    left = end_marked(mark_of(folder))
    if left:
        show.say(f"ended {len(left)} processes that an earlier orbiq had left running")
    runs = [run for run in (folder / "runs").glob("[!.]*") if run.is_dir()]
    places = [folder, folder / "runs", folder / "trainings", *runs, *(run / "scores" for run in runs)]
    for place in [*places, *(folder / "image-scores").glob("*/scores"), *folder.parent.glob("[!.]*")]:
        sweep(place)


def mark_of(folder: Path) -> str:
    """The mark in the environment of every process of an experiment."""
    return f"{content_key(str(folder.resolve()))[:16]}:"


def remember_experiment(plan: Plan) -> None:
    """Write experiment.json (settings, relative folder, runs) and variants.json (where each variant is)."""
    experiment, folder = plan.experiment, plan.folder
    settings = experiment.model_dump(mode="json", by_alias=True, exclude_unset=True)
    base = os.path.relpath(experiment.folder, folder)
    write_json(
        folder / "experiment.json",
        {
            "schema": 1,
            "name": experiment.name,
            "folder": base,
            "settings": settings,
            "judged": experiment.judged,
            "runs": [step.run for step in plan.runs],
            "scenes": dict(plan.sources[experiment.judged].dataset.scene_ids),
            "gsd_m": plan.sources[experiment.judged].dataset.gsd_m,
        },
    )
    rows = [_variant_row(plan, step, role) for step in _first_of_each(plan) for role in step.variants]
    write_json(folder / "variants.json", {"schema": 1, "variants": rows})


def _first_of_each(plan: Plan) -> list[RunStep]:
    return list({step.variant: step for step in reversed(plan.runs)}.values())[::-1]


def _variant_row(plan: Plan, step: RunStep, role: Role) -> dict[str, Any]:
    variant = plan.variants[step.variants[role]]
    images_dir = variant.path / variant.source.dataset.images_dir.name
    return {
        "variant": step.variant,
        "split": role,
        "images_dir": os.path.relpath(images_dir, plan.folder),
        "modifier": step.modifier,
        "store": plan.experiment.store,
    }


def make_variants(plan: Plan, show: Progress) -> None:
    """Make every variant that is not there yet, and weigh the reference."""
    steps = list(plan.variants.values())
    for parent in {step.path.parent for step in steps if step.chain is not None}:
        sweep(parent)
    show.stage("variants", sum(len(step.source.dataset.images) for step in steps))
    done = 0
    for step in steps:
        n_images = len(step.source.dataset.images)
        made = variant_of(plan, step, tick=lambda k, _, before=done: show.tick(before + k))  # type: ignore[misc]
        for remark in () if made.reused else made.remarks(plan.experiment.min_visible):
            show.say(f"{made.name} of {made.source}: {remark}")
        done += n_images
        show.tick(done)


def variant_of(plan: Plan, step: VariantStep, *, tick: Callable[[int, int], None] | None = None) -> Variant:
    """The variant of a step, made now if need be."""
    experiment, dataset = plan.experiment, step.source.dataset
    if step.chain is None:
        rates = experiment.path(experiment.workspace) / "rates"
        return reference_variant(dataset, source_key=step.source.key, rates_dir=rates, tick=tick)
    return make_variant(
        dataset,
        step.chain,
        source_key=step.source.key,
        seed=experiment.seed,
        store=experiment.store,
        min_visible=experiment.min_visible,
        variants_dir=step.path.parent,
        tick=tick,
    )
