"""dataset.json."""

import json

import pytest

from orbiq.datasets.description import Description, read_description
from orbiq.errors import DatasetError


def described(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return read_description(tmp_path)


def test_nothing_is_said_where_there_is_no_file(tmp_path):
    assert read_description(tmp_path) == Description()


def test_every_key(tmp_path):
    content = {
        "schema": 1,
        "name": "airports",
        "images": "tiles",
        "annotations": "truth.json",
        "peak": 4095,
        "gsd_m": 0.7,
        "nodata": -9999,
        "scenes": {"a.png": "north"},
        "params": {"sensor": "NewSat", "bands": [1, 2]},
    }
    assert described(tmp_path, content) == Description(**{k: v for k, v in content.items() if k != "schema"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"gsd": 1}, "unknown key 'gsd'. Did you mean 'gsd_m'.*Keys of your own go under \"params\""),
        ({"schema": 2}, "unknown schema; expected 1"),
        ({"peak": 0}, "peak = 0; expected a number above 0, such as 4095"),
        ({"peak": "4095"}, "peak = '4095'; expected a number"),
        ({"peak": True}, "peak = True"),
        ({"gsd_m": -1}, "gsd_m = -1; expected metres per pixel"),
        ('{"nodata": NaN}', "nodata = nan; expected a number"),
        ({"images": "../other"}, "images = '../other'; expected the name of a subfolder"),
        ({"images": "/abs"}, "images = '/abs'"),
        ({"images": "."}, "expected the name of a subfolder"),
        ({"name": " "}, "expected a text"),
        ({"scenes": ["a"]}, "expected an object from image name to scene id"),
        ({"scenes": {"a.png": 3}}, "expected an object from image name to scene id"),
        ({"params": 3}, "params = 3; expected an object"),
        ([1], "holds a list; expected an object"),
        ('{"peak": }', "is no JSON: Expecting value in line 1, column 10"),
    ],
)
def test_what_is_not_understood_is_said(tmp_path, content, message):
    with pytest.raises(DatasetError, match=rf"dataset\.json.*{message}"):
        described(tmp_path, content)
