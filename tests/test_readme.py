"""What README prints is what the demo runs; what docs show works."""

import re
from pathlib import Path

import pytest

from orbiq.settings import load_experiment

ROOT = Path(__file__).parents[1]


def test_readme_prints_the_demos_experiment():
    assert (ROOT / "src/orbiq/demo/experiment.yaml").read_text().strip() in (ROOT / "README.md").read_text()


def test_readme_and_docs_link_to_what_is_there():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_documented_experiment_file_loads(tmp_path):
    text = re.search(r"```yaml\n(.*?)```", (ROOT / "docs/experiment.md").read_text(), re.DOTALL).group(1)
    (tmp_path / "experiment.yaml").write_text(text)
    loaded = load_experiment(tmp_path / "experiment.yaml")
    assert len(loaded.variants()) == 6  # sigma 1 then quality 70 stands twice


@pytest.mark.parametrize("study", ["mnist_noise", "airports_jpeg"])
def test_the_studies_experiments_load(study):
    load_experiment(ROOT / "studies" / study / "experiment.yaml")
