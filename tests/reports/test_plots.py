"""Any column against any other."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from orbiq.errors import DatasetError, SettingError, UnknownName
from orbiq.reports.plots import _spread_of, plot

KINDS = ("line", "bars", "scatter", "box")


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {
            "variant": f"{family}:quality={q}",
            "family": family,
            "quality": q,
            "bits_per_pixel": q / 8,
            "run": f"{family}{q}{r}",
            "ap50": 0.6 + q / 1000 + rng.normal(0, 0.01),
        }
        for family in ("jpeg", "_odd $x^2$ <b>")
        for q in (2, 30, 90)
        for r in range(3)
    ]
    rows.append({"variant": "reference", "family": "reference", "run": "r", "bits_per_pixel": 14.0, "ap50": 0.7})
    return pd.DataFrame(rows)


def marks(figure) -> dict[str, np.ndarray]:
    """Label → (x, y) of what was drawn."""
    lines = figure.axes[0].get_lines()
    return {
        line.get_label(): np.column_stack(line.get_data()) for line in lines if not line.get_label().startswith("_")
    }


def test_a_line_goes_through_the_means(frame):
    drawn = marks(plot(frame, x="bits_per_pixel", y="ap50", legend="family"))
    expected = frame[frame.family == "jpeg"].groupby("bits_per_pixel").ap50.mean()
    np.testing.assert_allclose(drawn["jpeg"], np.column_stack([expected.index, expected]))


def test_the_reference_is_drawn_last_and_covered_by_nothing(frame):
    frame = frame.iloc[::-1]  # begins with the reference, as an experiment's table does
    assert list(marks(plot(frame, x="bits_per_pixel", y="ap50", legend="family")))[-1] == "reference"


def test_spread_is_range_or_t_interval():
    values = np.array([1.0, 2.0, 6.0])
    assert _spread_of(values, "range") == (3.0, 1.0, 6.0)
    low, high = stats.t.interval(0.95, 2, loc=3, scale=stats.sem(values))
    assert _spread_of(values, "t") == pytest.approx((3.0, low, high))
    assert np.isnan(_spread_of(values[:1], "t")[1])


def test_rates_over_a_decade_are_logarithmic(frame):
    assert plot(frame, x="bits_per_pixel", y="ap50").axes[0].get_xscale() == "log"
    assert plot(frame, x="quality", y="ap50").axes[0].get_xscale() == "linear"
    narrow = frame[frame.bits_per_pixel > 3]
    assert plot(narrow, x="bits_per_pixel", y="ap50").axes[0].get_xscale() == "linear"


@pytest.mark.parametrize("kind", KINDS)
def test_any_column_goes_on_any_axis(frame, kind):
    for x in ("variant", "quality", "bits_per_pixel"):
        figure = plot(frame, kind=kind, x=x, y="ap50", legend="family")
        assert figure.axes[0].get_xlabel()


@pytest.mark.parametrize("kind", ["bars", "box"])
def test_bars_and_boxes_stand_side_by_side_only_where_series_share_an_x(frame, kind):
    axes = plot(frame, kind=kind, x="variant", y="ap50", legend="family").axes[0]
    outlines = [patch.get_extents().transformed(axes.transData.inverted()) for patch in axes.patches]
    assert sorted((o.x0 + o.x1) / 2 for o in outlines) == pytest.approx(range(7))  # each over its label
    assert min(o.width for o in outlines) > 0.6
    shared = plot(frame, kind=kind, x="quality", y="ap50", legend="family").axes[0]
    outlines = [patch.get_extents().transformed(shared.transData.inverted()) for patch in shared.patches]
    assert sorted((o.x0 + o.x1) / 2 for o in outlines) == pytest.approx([-0.2, 0.2, 0.8, 1.2, 1.8, 2.2])


def test_a_legend_of_numbers_says_of_what(frame):
    figure = plot(frame, kind="scatter", x="bits_per_pixel", y="ap50", legend="quality")
    assert [t.get_text() for t in figure.legends[0].get_texts()][:2] == ["quality=2", "quality=30"]


def test_series_differ_in_more_than_colour(frame):
    lines = plot(frame, x="bits_per_pixel", y="ap50", legend="family").axes[0].get_lines()
    assert len({line.get_color() for line in lines}) == 3
    assert len({line.get_marker() for line in lines}) == 3
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 3


def test_hidden_looking_and_mathematical_names_are_shown_as_they_are(frame, tmp_path):
    figure = plot(frame, x="bits_per_pixel", y="ap50", legend="family", out=tmp_path / "a.svg")
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "\u200b_odd $x^2$ <b>" in shown
    assert (tmp_path / "a.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(("spread", "word"), [("range", "from least to greatest"), ("t", "95 % t-interval")])
def test_the_caption_says_what_the_band_is(frame, spread, word):
    figure = plot(frame, x="bits_per_pixel", y="ap50", spread=spread)
    assert word in figure.get_supxlabel()


def test_rows_without_a_value_are_counted(frame):
    assert "1 row without a value left out" in plot(frame, x="quality", y="ap50").get_supxlabel()


def test_a_reference_is_a_number_or_a_variant(frame):
    for reference in (0.7, "reference"):
        line = plot(frame, x="quality", y="ap50", reference=reference).axes[0].get_lines()[-1]
        assert line.get_ydata()[0] == pytest.approx(0.7)


def test_a_notebook_shows_it(frame):
    assert plot(frame, x="quality", y="ap50")._repr_png_().startswith(b"\x89PNG")


def test_saved_whole_and_alike(frame, tmp_path):
    for suffix in ("svg", "png"):
        one, two = tmp_path / f"1.{suffix}", tmp_path / f"2.{suffix}"
        for out in (one, two):
            plot(frame, x="bits_per_pixel", y="ap50", legend="family", out=out)
        assert one.read_bytes() == two.read_bytes()
    assert b"<dc:date>" not in (tmp_path / "1.svg").read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1.png", "1.svg", "2.png", "2.svg"]


def test_files_and_experiments_are_tables(frame, tmp_path, experiment):
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for table in (tmp_path / "t.csv", str(tmp_path / "t.parquet")):
        assert len(marks(plot(table, x="bits_per_pixel", y="ap50", legend="family"))) == 3
    assert len(marks(plot(experiment, x="bits_per_pixel", y="ap50", legend="family"))) == 3


def test_settings_of_matplotlib_stay_as_they_were(frame):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    plot(frame, x="quality", y="ap50")
    assert dict(mpl.rcParams) == before


def test_errors(frame, tmp_path):
    with pytest.raises(UnknownName, match=r"no column named 'ap5'. Did you mean 'ap50'"):
        plot(frame, x="quality", y="ap5")
    with pytest.raises(UnknownName, match=r"no kind of plot named 'lines'. Did you mean 'line'"):
        plot(frame, kind="lines", x="quality", y="ap50")
    with pytest.raises(UnknownName, match="no spread named 'sd'"):
        plot(frame, x="quality", y="ap50", spread="sd")
    with pytest.raises(UnknownName, match="no variant named 'ref'"):
        plot(frame, x="quality", y="ap50", reference="ref")
    with pytest.raises(SettingError, match="column 'family' holds 'jpeg'; y must be numbers"):
        plot(frame, x="quality", y="family")
    with pytest.raises(SettingError, match=r"ends in '.pdf'; expected .png or .svg"):
        plot(frame, x="quality", y="ap50", out=tmp_path / "x.pdf")
    with pytest.raises(SettingError, match="nothing to draw"):
        plot(frame.assign(ap50=np.nan), x="quality", y="ap50")
    with pytest.raises(SettingError, match=r"no folder and no .csv or .parquet file"):
        plot(tmp_path / "x.json", x="quality", y="ap50")
    with pytest.raises(DatasetError, match="cannot be read"):
        plot(tmp_path / "absent.csv", x="quality", y="ap50")
