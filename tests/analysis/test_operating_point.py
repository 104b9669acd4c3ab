"""The operating point: known answers, edges, laws, and whether its confidence holds."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest

from orbiq.analysis.operating_point import Level, operating_point
from orbiq.analysis.results import Components
from orbiq.analysis.thinness import images_factor_needed, repetitions_needed
from orbiq.errors import SettingError, UnknownName
from orbiq.metrics.base import MeanOutcomes

IMAGES = tuple(f"{k}.png" for k in range(40))


def level(name, cost, *repetitions, family="jpeg"):
    return Level(name, family, cost, {"name": name}, repetitions)


def reference(*repetitions, cost=16.0):
    return level("reference", cost, *repetitions, family="reference")


def outcomes(values, *, images=IMAGES, name="ap50"):
    return MeanOutcomes(images=tuple(images), values={name: np.asarray(values, float)})


def curve(*scores, costs=(1.0, 4.0, 8.0), n=2):
    """Levels q1, q2 … of bare numbers, each n times the same."""
    return [level(f"q{k}", c, *[s] * n) for k, (c, s) in enumerate(zip(costs, scores, strict=True), 1)]


# known answers


def test_r_star_lies_half_way_in_the_logarithm():
    point = operating_point(curve(0.9, 1.0, 1.0), reference=reference(1.0, 1.0), score="ap50", keep=0.95)
    (family,) = point.families
    assert family.family == "jpeg"
    assert [family.central, family.low, family.high, family.conservative] == pytest.approx([2.0] * 4)
    assert point.variant == point.central_variant == "q2"
    assert point.sentence == (
        "q2 needs 0.25 of the bits per pixel of the reference and keeps 95 % of ap50 "
        "(95 % confidence over repetitions; the noise of the test images is not in it)."
    )
    assert point.advice is None
    assert point.threshold == pytest.approx(0.95)
    assert [v.variant for v in point.levels] == ["reference", "q1", "q2", "q3"]
    assert point.levels[1].retention == pytest.approx(0.9)
    assert point.levels[1].cost_ratio == 1 / 16


def test_a_full_set_of_evidence_needs_no_proviso():
    rng = np.random.default_rng(0)
    base = rng.uniform(0.2, 1, 40)
    levels = [level("q1", 2.0, outcomes(base * 0.7), outcomes(base * 0.7)), level("q2", 4.0, *[outcomes(base)] * 2)]
    point = operating_point(levels, reference=reference(*[outcomes(base)] * 2), score="ap50")
    assert point.sentence == (
        "q2 needs 0.25 of the bits per pixel of the reference and keeps 98 % of ap50 (95 % confidence)."
    )
    assert (point.n_images, point.n_scenes, point.repetitions, point.replicates) == (40, 40, 2, 2000)
    assert "40 test images resampled, the same draw for all variants, and widened as Student's t" in point.method
    assert "the reference at its dear end; straight" in point.method


def test_lower_is_better_and_more_of_the_setting_is_cheaper():
    levels = [level(f"blur{s}", s, e, e, family="blur") for s, e in ((1.0, 2.0), (2.0, 2.02), (4.0, 3.0))]
    point = operating_point(
        levels,
        reference=reference(2.0, 2.0, cost=0.0),
        score="mse",
        higher_is_better=False,
        cost_name="sigma_px",
        lower_cost_is_better=False,
    )
    assert point.variant == "blur2.0"
    assert point.threshold == pytest.approx(2 / 0.98)
    # on a linear axis, because the reference has sigma 0: 2 + 2·(2.0408 − 2.02)/(3 − 2.02)
    assert point.families[0].central == pytest.approx(2 + 2 * (2 / 0.98 - 2.02) / 0.98)
    assert point.sentence.startswith(
        "blur2.0 needs sigma px 2 and keeps mse at no more than 1.02 times the reference's (95 % confidence"
    )
    assert point.levels[3].retention == pytest.approx(2 / 3)


def test_an_absolute_margin_goes_before_keep():
    point = operating_point(curve(-0.2, -0.05, 0.0), reference=reference(0.0, 0.0), score="r2", margin=0.1)
    assert point.variant == "q2"
    assert point.keep is None
    assert point.families[0].central == pytest.approx(4 ** (2 / 3))
    assert "keeps r2 within 0.1 of the reference" in point.sentence


def test_each_family_has_its_own_curve_and_the_cheapest_variant_wins():
    levels = [*curve(0.9, 1.0, 1.0), level("n1", 2.0, 1.0, 1.0, family="neural")]
    point = operating_point(levels, reference=reference(1.0, 1.0), score="ap50", keep=0.95)
    assert point.variant == "n1"
    assert [(f.family, round(f.central, 9)) for f in point.families] == [("jpeg", 2.0), ("neural", 2.0)]
    assert point.families[1].reason == "the cheapest variant that was tested keeps enough already"


def test_noise_that_all_variants_share_cancels():
    rng = np.random.default_rng(1)
    hard = rng.normal(0, 0.3, 40)
    levels = [level("q1", 2.0, outcomes(0.693 + hard * 0.99))]
    point = operating_point(levels, reference=reference(outcomes(0.7 + hard)), score="ap50")
    tested = point.levels[1]
    assert tested.high - tested.low > 0.15
    assert point.variant == "q1"
    assert "one repetition, so training noise is not in it" in point.sentence
    assert "One repetition each: training noise is not in any interval." in point.method


def test_images_of_one_scene_are_one_witness():
    rng = np.random.default_rng(2)
    values = np.repeat(rng.normal(0.5, 0.1, 8), 5)
    levels = [level("q1", 2.0, outcomes(values))]
    scenes = {name: f"scene {k // 5}" for k, name in enumerate(IMAGES)}
    alone = operating_point(levels, reference=reference(outcomes(values)), score="ap50")
    grouped = operating_point(levels, reference=reference(outcomes(values)), score="ap50", scenes=scenes)
    assert (alone.n_scenes, grouped.n_scenes) == (40, 8)
    assert grouped.levels[1].high - grouped.levels[1].low > 1.6 * (alone.levels[1].high - alone.levels[1].low)
    assert "40 test images by 8 scenes resampled" in grouped.method


def test_one_model_judged_on_all_variants_moves_them_together():
    models = [0.66, 0.70, 0.74, 0.69, 0.71]
    levels = [level("q1", 2.0, *[0.995 * m for m in models])]
    apart = operating_point(levels, reference=reference(*models), score="ap50")
    shared = operating_point(levels, reference=reference(*models), score="ap50", shared_training=True)
    assert apart.variant is None
    assert shared.variant == "q1"
    assert shared.levels[1].retention_low == pytest.approx(0.995)


def test_variants_may_store_their_images_with_another_suffix():
    values = np.linspace(0.4, 0.9, 40)
    jpegs = outcomes(values[::-1], images=[f"{k}.jpg" for k in reversed(range(40))])
    point = operating_point([level("q1", 2.0, jpegs)], reference=reference(outcomes(values)), score="ap50")
    assert point.levels[1].retention_low == pytest.approx(1.0)


# what would end the doubt


def test_repetitions_needed_satisfy_the_inequality_just_so():
    from scipy.special import ndtri, stdtrit

    parts = Components(variant="q", measured=0.99, gap=0.01, images=1e-5, training=1e-4, repetitions=3, training_dof=8)
    n = repetitions_needed(parts, confidence=0.95)
    room = parts.gap**2 - ndtri(0.95) ** 2 * parts.images

    def width(k):
        return stdtrit(4 * (k - 1), 0.95) ** 2 * parts.training / k

    assert width(n) <= room < width(n - 1)
    hopeless = Components(
        variant="q", measured=0.99, gap=0.01, images=1e-4, training=1e-4, repetitions=3, training_dof=8
    )
    assert repetitions_needed(hopeless, confidence=0.95) == math.inf
    factor, k = images_factor_needed(hopeless, confidence=0.95)
    assert factor == pytest.approx(2 * ndtri(0.95) ** 2)
    assert k == math.ceil(2 * ndtri(0.95) ** 2)


def test_thin_evidence_says_how_many_repetitions_would_do():
    rng = np.random.default_rng(3)

    def trained(mean, n):
        return (mean + 0.01 * (rng.permutation(n) - (n - 1) / 2) / np.std(np.arange(n), ddof=1)).tolist()

    def asked(n):
        levels = [level("q1", 2.0, *trained(0.6, n)), level("q2", 4.0, *trained(0.994, n))]
        return operating_point(levels, reference=reference(*trained(1.0, n)), score="ap50")

    thin = asked(2)
    assert thin.variant is None
    assert thin.central_variant == "q2"
    assert thin.sentence.startswith("No tested variant is shown to keep 98 % of ap50 (95 % confidence")
    assert "q2, does so in the middle, at 0.25 of the bits per pixel of the reference." in thin.sentence
    assert thin.components.training == pytest.approx(2e-4, rel=0.1)
    needed = int(thin.advice.split()[1])
    assert thin.advice == (
        f"About {needed} repetitions of it and of the reference would do to show that q2 keeps enough, "
        "if it is as good as it seems."
    )
    assert asked(needed).variant == "q2"
    assert asked(needed - 1).variant is None


def test_too_few_images_say_that_no_repetition_helps():
    rng = np.random.default_rng(4)
    base = rng.normal(0.7, 0.05, 40)
    noise = rng.normal(0, 0.05, 40)
    noise -= noise.mean() + 0.002
    levels = [level("q1", 2.0, *[outcomes(base + noise + d) for d in (-0.001, 0.001)])]
    point = operating_point(levels, reference=reference(*[outcomes(base + d) for d in (-0.001, 0.001)]), score="ap50")
    assert point.variant is None
    assert point.advice.startswith("No number of repetitions would do")
    assert "the doubt is in the test images, of which about" in point.advice
    single = operating_point(
        [level("q1", 2.0, outcomes(base + noise))], reference=reference(outcomes(base)), score="ap50"
    )
    assert "as many test images would do" in single.advice
    assert "repeat every variant and the reference at least 3 times" in single.advice


# edges


def test_equal_variants_give_the_cheapest():
    point = operating_point(curve(0.7, 0.7, 0.7), reference=reference(0.7, 0.7), score="ap50", keep=1.0)
    assert point.variant == "q1"
    assert [v.chance_kept for v in point.levels] == [1.0] * 4


def test_a_dip_is_averaged_with_its_neighbours():
    point = operating_point(curve(0.995, 0.975, 0.999), reference=reference(1.0, 1.0), score="ap50")
    assert point.levels[2].retention == pytest.approx(0.975)
    assert point.levels[2].retention_fit == pytest.approx((0.995 + 0.975) / 2)
    assert point.central_variant == "q1"
    assert point.levels[2].chance_kept == 0.0


def test_none_passes():
    point = operating_point(curve(0.1, 0.2, 0.5), reference=reference(1.0, 1.0), score="ap50")
    assert point.variant is point.central_variant is None
    assert point.sentence == "No tested variant keeps 98 % of ap50; the best, q3, keeps 50 %."
    assert point.advice == "Test variants that are milder than q3, or ask for less."
    assert 8 < point.families[0].central < 16
    alone = operating_point(curve(0.1, 0.2, 0.5), reference=reference(1.0, 1.0, cost=math.nan), score="ap50")
    assert math.isnan(alone.families[0].central)
    assert alone.families[0].reason == "no cost that was tested keeps enough"
    assert math.isnan(alone.levels[1].cost_ratio)


@pytest.mark.parametrize(("score", "came"), [(0.0, "0"), (math.nan, "nan"), (-1.0, "-1")])
def test_a_reference_without_a_usable_score_says_so(score, came):
    point = operating_point(curve(0.1, 0.2, 0.5), reference=reference(score, score), score="ap50")
    assert point.variant is None
    assert point.sentence == f"The reference has no ap50 to keep (it is {came}), so there is no operating point."
    assert ("margin" in point.advice) == math.isfinite(score)
    json.dumps(point.as_dict(), allow_nan=False)


def test_nothing_tested_and_nothing_scored():
    for levels in ([], [level("q1", 2.0, math.nan)], [level("q1", math.nan, 0.7)], [level("q1", 2.0)]):
        point = operating_point(levels, reference=reference(0.7), score="ap50")
        assert point.sentence.startswith("No variant besides the reference has both ap50 and a cost")
        json.dumps(point.as_dict(), allow_nan=False)
    assert point.levels[1].reason == "no repetition has a score"


def test_a_nan_repetition_is_dropped_and_counted():
    point = operating_point([level("q1", 2.0, 0.7, math.nan, 0.7)], reference=reference(0.7, 0.7), score="ap50")
    assert (point.levels[1].n_runs, point.levels[1].n_dropped) == (2, 1)
    assert point.levels[1].score == 0.7
    assert point.variant == "q1"


def test_one_image_and_one_number_know_nothing_of_chance():
    one = [outcomes([0.7], images=["a.png"])]
    for items in (one, [0.7]):
        point = operating_point([level("q1", 2.0, *items)], reference=reference(*items), score="ap50")
        assert point.variant is None
        assert point.central_variant == "q1"
        assert "in the one measurement there is, which says nothing about chance" in point.sentence
        assert point.advice.startswith("Repeat every variant and the reference at least 3 times")


def test_outcomes_and_bare_numbers_mix():
    values = np.linspace(0.6, 0.8, 40)
    levels = [level("q1", 2.0, 0.71), level("q2", 4.0, outcomes(values), 0.7)]
    point = operating_point(levels, reference=reference(outcomes(values)), score="ap50")
    assert point.levels[2].score == pytest.approx(0.7)
    assert point.levels[1].low == pytest.approx(point.levels[1].high, abs=0.02)
    assert "(levels known by their number alone, without image noise: 1)" in point.method


def test_replicates_without_anything_to_score_are_left_out():
    values = np.full(4, np.nan)
    values[:2] = 0.7
    few = outcomes(values, images=IMAGES[:4])
    point = operating_point([level("q1", 2.0, few)], reference=reference(few), score="ap50")
    assert point.n_unusable > 50
    assert point.replicates + point.n_unusable == 2000
    assert point.variant == "q1"


def test_an_interval_has_no_dear_end_where_some_replicates_keep_nowhere():
    """With a setting as its cost, the reference is not on the curve to catch those replicates."""
    scores = {1.0: (0.685, 0.705, 0.70), 2.0: (0.68, 0.67, 0.69), 4.0: (0.59, 0.60, 0.61)}
    levels = [level(f"blur{s}", s, *given) for s, given in scores.items()]
    point = operating_point(
        levels,
        reference=reference(0.70, 0.71, 0.69, cost=math.nan),
        score="ap50",
        cost_name="sigma_px",
        lower_cost_is_better=False,
    )
    (family,) = point.families
    assert 1 < family.central < family.high < 4
    assert math.isnan(family.low)
    assert math.isnan(family.conservative)
    assert family.reason.endswith("of the replicates no cost that was tested keeps enough")
    assert "the reference not on it for want of a cost" in point.method


def test_variants_of_one_cost_are_not_held_against_each_other():
    def asked(*scores):
        levels = [level(name, 2.0, s, s) for name, s in zip("ab", scores, strict=True)]
        return operating_point(levels, reference=reference(1.0, 1.0), score="ap50")

    first, second = asked(0.99, 0.9), asked(0.9, 0.99)
    assert (first.variant, second.variant) == ("a", "b")
    assert first.families[0].central == second.families[0].central == 2.0


def test_what_costs_more_than_the_reference_is_on_no_curve():
    levels = [level("noise1", 17.0, 0.69, 0.69), level("noise2", 20.0, 0.3, 0.3)]
    point = operating_point(levels, reference=reference(0.7, 0.7), score="ap50")
    assert point.variant is None
    assert "a cost that is not above the reference's" in point.sentence
    assert [v.reason for v in point.levels] == ["", *["it costs more than the reference"] * 2]
    mixed = operating_point([level("q1", 4.0, 0.7, 0.7), *levels], reference=reference(0.7, 0.7), score="ap50")
    assert mixed.variant == "q1"


def test_a_line_to_the_reference_is_called_so():
    point = operating_point(curve(0.5, 0.6, 0.9), reference=reference(1.0, 1.0), score="ap50")
    assert "no variant that was tested keeps enough; read off the line" in point.families[0].reason
    ends = curve(0.5, 0.6, 0.982)
    ends[2] = level("q3", 8.0, 0.977, 0.987)
    point = operating_point(ends, reference=reference(1.0, 1.0), score="ap50")
    assert point.families[0].central < 8 < point.families[0].high
    assert point.families[0].reason.startswith("the dear end lies on the line from the dearest variant")


def test_the_best_of_a_pool_is_the_best_by_itself():
    point = operating_point(curve(0.5, 0.4, costs=(1.0, 2.0)), reference=reference(1.0, 1.0), score="ap50")
    assert "the best, q1, keeps 50 %." in point.sentence
    point = operating_point(curve(1.0, 0.4, costs=(1.0, 2.0)), reference=reference(1.0, 1.0), score="ap50")
    assert "q1, keeps 100 % by itself, but not averaged with its neighbours on the curve." in point.sentence


def test_errors_that_chance_takes_below_zero_count_as_kept():
    """Student's t of two repetitions reaches below 0; those replicates decide, and none is thrown away."""
    point = operating_point(
        [level("q1", 2.0, 0.05, 0.15)], reference=reference(1.0, 1.2), score="mse", higher_is_better=False
    )
    assert point.n_unusable == 0
    assert (point.levels[1].chance_kept >= 0.95) == (point.levels[1].retention_low >= 0.98)
    assert point.variant == "q1"
    perfect = operating_point(
        [level("q1", 2.0, 0.0, 0.0)], reference=reference(1.0, 1.0), score="mse", higher_is_better=False
    )
    assert perfect.variant == "q1"
    assert perfect.levels[1].retention == math.inf
    json.dumps(perfect.as_dict(), allow_nan=False)


def test_a_single_measurement_has_no_interval_even_beside_others():
    values = np.random.default_rng(8).uniform(0.5, 0.9, 40)
    levels = [level("q1", 2.0, 0.7), level("q2", 4.0, outcomes(values - values.mean() + 0.7))]
    point = operating_point(levels, reference=reference(0.7), score="ap50")
    assert point.variant is None
    single = point.levels[1]
    assert all(math.isnan(v) for v in (single.low, single.high, single.retention_low, single.chance_kept))
    assert single.reason == "one measurement, which says nothing about chance"
    assert point.advice.startswith("Repeat every variant and the reference at least 3 times")
    assert math.isfinite(point.levels[2].chance_kept)


def test_a_model_that_is_missing_somewhere_moves_nothing_together():
    """Of two shared models, the reference has one and q1 the other: what they have in common does not cancel."""
    levels = [level("q1", 2.0, math.nan, 0.75), level("q2", 4.0, 0.70, 0.76)]
    point = operating_point(levels, reference=reference(0.70, math.nan), score="ap50", shared_training=True)
    assert point.variant is None
    assert point.levels[1].low < 0.75 < point.levels[1].high
    assert "its spread shared by the levels that score alike" in point.method


def test_few_scenes_are_trusted_as_student_would():
    """Three scenes, a variant just below the threshold: 5 of 100 may pass, 13 would with the plain bootstrap."""
    rng = np.random.default_rng(9)
    n, passed = 300, 0
    for seed in range(n):
        base, change = rng.normal(0.7, 0.01, 3), rng.normal(-0.01, 0.01, 3)
        names = ["a", "b", "c"]
        point = operating_point(
            [level("q1", 2.0, outcomes(base + change, images=names))],
            reference=reference(outcomes(base, images=names)),
            score="ap50",
            margin=0.01 - 1e-6,
            replicates=200,
            seed=seed,
        )
        passed += point.variant is not None
    assert passed / n <= 0.08  # 5 %, and two standard errors of 300 experiments


def test_wrong_questions_are_named():
    good = reference(outcomes(np.ones(40)))
    with pytest.raises(UnknownName, match=r"no score named 'ap_50'. Did you mean 'ap50'"):
        operating_point([], reference=good, score="ap_50")
    other = level("q1", 2.0, outcomes(np.ones(39), images=IMAGES[:39]))
    with pytest.raises(SettingError, match=r"'q1' was judged on 39 images and 'reference' on 40.* example in '39'"):
        operating_point([other], reference=good, score="ap50")
    with pytest.raises(SettingError, match="keep is 98; expected a share"):
        operating_point([], reference=good, score="ap50", keep=98)
    with pytest.raises(SettingError, match="keep is None"):
        operating_point([], reference=good, score="ap50", keep=None)
    with pytest.raises(SettingError, match=r"margin is -0.1; expected a number ≥ 0"):
        operating_point([], reference=good, score="ap50", margin=-0.1)
    with pytest.raises(SettingError, match="confidence is 95 and replicates 2000"):
        operating_point([], reference=good, score="ap50", confidence=95)


# laws


def noisy(rng, *, truths=(0.60, 0.685, 0.69, 0.699), top=0.70, n_images=20, n=2, noise=0.006):
    """Levels and reference with hard and easy images, differences per image, and training noise."""
    names = [f"{k}.png" for k in range(n_images)]
    hard = rng.normal(0, 0.15, n_images)

    def trained(mean):
        own = rng.normal(0, 0.01, n_images)
        return tuple(outcomes(mean + hard + own + rng.normal(0, noise), images=names) for _ in range(n))

    levels = [level(f"q{k}", 0.5 * 2**k, *trained(m)) for k, m in enumerate(truths)]
    return levels, Level("reference", "reference", 16.0, {}, trained(top))


def test_the_same_seed_gives_the_same_answer():
    levels, top = noisy(np.random.default_rng(5))
    first, again, other = (operating_point(levels, reference=top, score="ap50", seed=s).as_dict() for s in (0, 0, 1))
    assert first == again
    assert first["levels"][1]["low"] != other["levels"][1]["low"]


def test_the_unit_of_the_score_does_not_matter():
    levels, top = noisy(np.random.default_rng(6))

    def percent(v):
        return Level(
            v.variant,
            v.family,
            v.cost,
            {},
            tuple(outcomes(o.values["ap50"] * 100, images=o.images) for o in v.repetitions),
        )

    plain = operating_point(levels, reference=top, score="ap50")
    scaled = operating_point([percent(v) for v in levels], reference=percent(top), score="ap50")
    for a, b in zip(plain.levels, scaled.levels, strict=True):
        assert b.score == pytest.approx(100 * a.score)
        assert b.retention_low == pytest.approx(a.retention_low)
        assert b.chance_kept == a.chance_kept
    assert scaled.families[0].central == pytest.approx(plain.families[0].central)


def test_asking_for_more_never_costs_less():
    levels, top = noisy(np.random.default_rng(7))
    points = [operating_point(levels, reference=top, score="ap50", keep=k) for k in (0.8, 0.9, 0.95, 0.98, 1.0)]
    central = [p.families[0].central for p in points]
    assert central == sorted(central)
    for before, after in pairwise(points):
        chances = zip(before.levels[1:], after.levels[1:], strict=True)
        assert all(a.chance_kept >= b.chance_kept for a, b in chances)


def test_the_chance_and_the_lower_bound_say_the_same():
    for seed in range(8, 14):
        levels, top = noisy(np.random.default_rng(seed))
        point = operating_point(levels, reference=top, score="ap50", replicates=500)
        for v in point.levels[1:]:
            assert (v.chance_kept >= 0.95) == (v.retention_low >= 0.98)


def test_the_confidence_holds():
    """With q1 just below the threshold (97.9 % kept) and q2 above, q1 may pass in 5 of 100 experiments."""
    rng = np.random.default_rng(2026)
    n, wrong, right, covered = 200, 0, 0, 0
    # true R*, between q1 (cost 1, retention .685/.70) and q2 (cost 2, .69/.70), on the logarithmic axis
    truth = 2 ** ((0.98 * 0.70 - 0.685) / 0.005)
    for seed in range(n):
        levels, top = noisy(rng)
        point = operating_point(levels, reference=top, score="ap50", replicates=200, seed=seed)
        wrong += point.variant in {"q0", "q1"}
        right += point.variant is not None and point.variant not in {"q0", "q1"}
        (family,) = point.families
        low, high = (v if math.isfinite(v) else math.inf for v in (family.low, family.high))
        covered += low <= truth <= high
    assert wrong / n <= 0.08  # 5 %, and two standard errors of 200 experiments
    assert right / n >= 0.1
    assert covered / n >= 0.92


def test_intervals_stay_in_the_possible_range():
    levels = [Level("a", "f", 1.0, {}, (0.99, 0.9, 0.999)), Level("b", "f", 2.0, {}, (0.02, 0.3, 0.001))]
    reference = Level("reference", "reference", 4.0, {}, (0.98, 1.0, 0.9))
    point = operating_point(levels, reference=reference, score="ap50", possible=(0.0, 1.0), replicates=200)
    known = [level for level in point.levels if not math.isnan(level.low)]
    assert len(known) == 3
    assert all(0 <= level.low <= level.high <= 1 for level in known)
    free = operating_point(levels, reference=reference, score="ap50", replicates=200)
    assert any(level.low < 0 or level.high > 1 for level in free.levels)
