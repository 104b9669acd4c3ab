"""The page of orbiq codecs as a file, and as a browser shows it."""

import re

import numpy as np
import pytest
from browser import Browser, chromium

from orbiq.codec_blocks import BlockMap
from orbiq.codec_trials import BLOCKS_PX, Trial
from orbiq.metrics.block_quality import deviation
from orbiq.metrics.pointwise import SPECS
from orbiq.reports.codec_blocks import groups, histogram_figure, map_figure
from orbiq.reports.codec_curves import write_codec_page

HOSTILE = "<script>alert(1)</script>.tif"
CODECS, RATES, N_IMAGES, SIDE = ("jpeg", "jpeg2000", "jpegxl:bands=separate"), (0.25, 0.5, 1, 2), 12, 1024


def made_deviations(rng, rate):
    """Noise for blocks of an image of 1024 pixels a side: nothing that PNG could make small."""
    return {side: rng.normal(0.5, 3 / rate**0.5, (SIDE // side, SIDE // side)) for side in BLOCKS_PX}


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    several = []
    for image in range(N_IMAGES):
        for k, codec in enumerate(CODECS):
            for rate in RATES:
                blocks = {side: deviation(d, 0) for side, d in made_deviations(rng, rate).items()}
                several.append(
                    Trial(
                        group="set",
                        image=HOSTILE if image == 0 else f"{image}.tif",
                        scene="",
                        codec=codec,
                        point=f"{codec}{',' if ':' in codec else ':'}rate_bpp={rate}",
                        n_bytes=rate * 1e6,
                        bits_per_pixel=rate,
                        bits_per_sample=rate / 3,
                        scores={"psnr": 30 + 4 * np.log2(rate) + k},
                        encode_memory_mb=12.5 if image == 0 else np.nan,
                        target_db=30.0,
                        missed_db=0.0,
                        blocks=blocks,
                    )
                )
    return several


@pytest.fixture(scope="module")
def maps(found):
    rng = np.random.default_rng(1)
    points = dict.fromkeys(t.point for t in found)
    told = {point: made_deviations(rng, 1) for point in points}
    told["jpeg:rate_bpp=1"][16][:9] = np.nan
    told["jpeg:rate_bpp=1"][16][9:12] = np.inf
    return [BlockMap(point=point, image=HOSTILE, deviations=d) for point, d in told.items()]


@pytest.fixture(scope="module")
def page(found, maps, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "codecs.html"
    write_codec_page(path, found, [], {"psnr": SPECS["psnr"].scores[0]}, maps=maps)
    return path


@pytest.fixture(scope="module")
def browser():
    if chromium() is None:
        pytest.skip("no Chromium here: install chromium to see pages as a browser does")
    with Browser() as opened:
        yield opened


def test_it_is_one_file_of_sane_size(page):
    """12 images, 3 codecs, 4 rates: no more than 3 MB, whatever the images are."""
    text = page.read_text()
    assert len(text.encode()) < 3e6
    assert HOSTILE not in text
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert text.count("<summary>") == len(RATES)


def test_codecs_that_were_asked_the_same_stand_together(found, maps):
    assert {asked: list(of) for asked, of in groups(found).items()} == {f"rate_bpp={r}": list(CODECS) for r in RATES}
    figure = histogram_figure(found)
    assert [len(axes.get_lines()) for axes in figure.axes] == [len(CODECS) + 1] * (len(RATES) * len(BLOCKS_PX))
    figure = map_figure(maps[:2], reach=3.0)
    pictures = [axes.images[0] for axes in figure.axes if axes.images]
    assert {picture.get_clim() for picture in pictures} == {(-3.0, 3.0)}
    assert [picture.get_array().shape for picture in pictures[:3]] == [(16, 16), (32, 32), (64, 64)]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_in_peace(page, browser, width, dark):
    browser.open(page, width=width, dark=dark)
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [page.resolve().as_uri()]
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert "16 × 16 px" in browser.value("document.querySelector('#blocks').parentElement.innerText")
    drawn = browser.value("[...document.querySelectorAll('details[open] svg image')].length")
    assert drawn >= len(CODECS) * len(BLOCKS_PX)
