"""The report as a file, and as a browser shows it."""

import getpass
import html
import json
import re
import shutil
import socket
from html.parser import HTMLParser

import pytest
from browser import Browser, chromium
from experiments import HOSTILE, Fake, make_experiment

from orbiq.errors import DatasetError
from orbiq.reports.pages import write_diff, write_report


@pytest.fixture(scope="session")
def report(experiment, tmp_path_factory):
    return write_report(experiment, out=tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture(scope="session")
def browser():
    if chromium() is None:
        pytest.skip("no Chromium here: install chromium to see pages as a browser does")
    with Browser() as opened:
        yield opened


class _Tags(HTMLParser):
    """Every tag with its attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_the_answer_comes_first_and_everything_is_there(report):
    text = report.read_text()
    sentence = "jpeg:quality=50 needs 0.087 of the bits per pixel of the reference and keeps 98 % of ap50"
    order = [
        "<h1>",
        sentence,
        "Score against cost",
        "What each variant costs",
        "Which image score tells",
        "A look at the variants",
        "By class",
    ]
    order += ['<h2 id="runs">Runs', "Failures", "Where this comes from", "How the answer was found", "Settings of the"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_image_scores_are_set_against_the_task(report):
    text = report.read_text()
    section = text[text.index('id="agreement"') : text.index('id="look"')]
    assert "psnr foretells ap50 best" in section
    assert "known for 2 variants; at least 5 are needed" in section
    assert "ssim (ssim:variant=skimage)" in html.unescape(section.replace("<wbr>", ""))
    assert "Infinite scores (of the reference) have no mark" in section
    assert HOSTILE not in section


def test_without_image_scores_there_is_no_such_section(tmp_path):
    folder = make_experiment(tmp_path / "plain", Fake(image_scores=False, images=False))
    assert 'id="agreement"' not in write_report(folder).read_text()


def test_one_file_without_outside(report):
    text = report.read_text()
    tags = _Tags(text).found
    sources = [a[k] for _, a in tags for k in ("src", "href", "data", "action", "srcset") if a.get(k)]
    assert all(s.startswith(("data:", "#")) for s in sources)
    assert not re.search(r"@import|@font-face|url\((?!#)", text)
    assert len(text) < 2.5e6
    assert sum(tag == "script" for tag, _ in tags) == 1
    assert not [a for _, a in tags for key in a if key.startswith("on")]


def test_names_are_text(report):
    text = report.read_text()
    assert HOSTILE not in text
    assert html.escape(HOSTILE) in text


def test_nothing_tells_where_or_who(report, experiment):
    text = report.read_text()
    visible = re.sub(r"data:image/png;base64,[\w+/=]+", "", text)
    assert str(experiment) not in visible
    assert str(experiment.parent.parent) not in visible
    assert "/tmp" not in visible
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", visible)
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", visible)
    assert "…/train.py" in visible
    assert "\x1b" not in visible


def test_it_can_be_read_by_those_who_do_not_see(report):
    tags = _Tags(report.read_text()).found
    assert ("html", {"lang": "en"}) in tags
    assert all(a.get("alt") is not None for tag, a in tags if tag == "img")
    assert all(a.get("alt") for tag, a in tags if tag == "img" and a.get("src"))
    assert all(a.get("aria-label") for tag, a in tags if tag == "svg")
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_unknown_is_a_dash_with_its_reason(report):
    assert 'title="no helicopter in the ground truth"' in report.read_text()


def test_the_same_experiment_gives_the_same_page(report, experiment, tmp_path):
    assert write_report(experiment, out=tmp_path / "again.html").read_bytes() == report.read_bytes()


def test_without_an_answer_the_page_says_why(tmp_path):
    folder = make_experiment(tmp_path / "e", Fake(repetitions=1, images=False))
    said = {"schema": 1, "operating_point": None, "reason": "the reference has no finished run"}
    (folder / "analysis.json").write_text(json.dumps(said))
    text = write_report(folder).read_text()
    assert "No operating point: the reference has no finished run." in text
    assert "cleaned away" in text
    (folder / "analysis.json").unlink()
    shutil.rmtree(folder / "runs")
    assert "the runs have not been analysed yet" in write_report(folder).read_text()


def test_no_experiment_no_page(tmp_path):
    with pytest.raises(DatasetError, match=r"holds no experiment.json"):
        write_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_browser_opens_it_in_peace(report, browser):
    browser.open(report)
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [report.resolve().as_uri()]
    assert HOSTILE in browser.value("document.querySelector('#classes').parentElement.innerText")
    box = browser.value(
        "(() => { const r = document.querySelector('.answer').getBoundingClientRect();"
        " return [r.top, r.bottom, r.width] })()"
    )
    assert 0 <= box[0] < box[1] < 400
    assert "jpeg:quality=50" in browser.value("document.querySelector('.answer').innerText")


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_its_window(report, browser, width):
    browser.open(report, width=width)
    assert browser.value("document.documentElement.scrollWidth") <= width
    shown = browser.value("[...document.querySelectorAll('.curve > div')].map(d => getComputedStyle(d).display)")
    assert sorted(shown) == ["block", "block", "none", "none"]  # the curve, and image scores against the task
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def crowded(experiment, tmp_path_factory):
    """A report whose operating point has a long name and lies at the left, all scores close above the threshold."""
    folder = tmp_path_factory.mktemp("crowded") / "experiment"
    shutil.copytree(experiment, folder)
    text = (folder / "analysis.json").read_text()
    said = json.loads(text.replace("jpeg:quality=50", "sensor:gsd_m=2,mtf_nyquist=0.15,snr=60,bits=11"))
    for level in said["operating_point"]["levels"]:
        level["score"] = max(level["score"], 0.662)
        level |= {"low": level["score"] - 0.004, "high": level["score"] + 0.004}
        if level["variant"].startswith("sensor"):
            level |= {"cost": 0.235, "cost_ratio": 0.024}
    (folder / "analysis.json").write_text(json.dumps(said))
    return write_report(folder)


@pytest.mark.parametrize("width", [390, 1200])
def test_labels_of_the_figure_do_not_overlap(crowded, browser, width):
    browser.open(crowded, width=width)
    boxes = browser.value(
        "[...document.querySelectorAll('.curve svg')].filter(s => s.getBoundingClientRect().width).slice(0, 1)"
        ".flatMap(s => [...s.querySelectorAll('text')]).map(t => [t.textContent, t.getBoundingClientRect()])"
        ".map(([t, r]) => [t, r.left, r.top + r.height / 5, r.right, r.bottom - r.height / 5])"
    )
    assert any("of the reference's" in box[0] for box in boxes)
    assert any("98 % kept" in box[0] for box in boxes)
    for k, (one, a, b, c, d) in enumerate(boxes):
        for other, e, f, g, h in boxes[:k]:
            assert not (a < g and e < c and b < h and f < d), (one, other)


def test_long_names_wrap_before_a_table_is_cut(crowded, browser):
    browser.open(crowded, width=1200)
    widths = browser.value("[...document.querySelectorAll('.scroll')].map(d => [d.scrollWidth, d.clientWidth])")
    assert widths[1][0] <= widths[1][1]
    assert "chance it keeps" in browser.value("document.querySelectorAll('.scroll')[1].innerText").replace("\n", " ")


def test_a_click_zooms_and_compares(report, browser):
    browser.open(report)
    browser.click(".look:nth-child(3) .zoom")
    assert browser.value("document.querySelector('dialog').open")
    assert browser.value("document.querySelector('dialog .left').textContent") == "reference"
    before = browser.value("document.querySelector('dialog .below').src")
    browser.click("dialog .next")
    assert browser.value("document.querySelector('dialog .below').src") != before
    browser.click("dialog .close")
    assert not browser.value("document.querySelector('dialog').open")
    assert browser.complaints() == []


def test_a_click_sorts_runs_by_number_unknown_last(report, browser):
    browser.open(report)
    column = (
        "(() => { const t = document.querySelector('table.sortable'); const k = [...t.tHead.rows[0].cells]"
        ".findIndex(c => c.innerText.startsWith('ap50')); window.k = k;"
        " return [...t.tBodies[0].rows].map(r => r.cells[k].dataset.sort) })()"
    )
    browser.value(column)
    for sign in (1, -1):
        browser.value("document.querySelectorAll('table.sortable th button')[window.k].click()")
        values = browser.value(column)
        assert values[-1] == ""
        numbers = [sign * float(v) for v in values[:-1]]
        assert numbers == sorted(numbers)


def test_it_works_without_scripts(report, browser):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(report)
        visible = browser.value(
            "[...document.querySelectorAll('.enlarged')].every(i => i.getBoundingClientRect().width > 100)"
        )
        assert visible
        assert browser.value("document.querySelectorAll('button.zoom, th button').length") == 0
        assert browser.value("getComputedStyle(document.querySelector('dialog')).display") == "none"
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


def test_a_browser_opens_a_diff_in_peace(experiment, browser, tmp_path):
    diff = write_diff(experiment, experiment, out=tmp_path / "diff.html")
    browser.open(diff.path, width=390)
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not url.startswith("data:")] == [diff.path.resolve().as_uri()]
    assert browser.value("document.documentElement.scrollWidth") <= 390
    assert "Passed." in browser.value("document.querySelector('.answer').innerText")
    assert "jpeg:quality=90" in browser.value("document.querySelector('.curve').innerText")


def test_it_prints_light_and_without_controls(report, browser, tmp_path):
    browser.open(report, dark=True)
    browser.call("Emulation.setEmulatedMedia", media="print")
    ink = browser.value("getComputedStyle(document.body).color")
    assert max(map(int, re.findall(r"\d+", ink)[:3])) < 80
    browser.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
