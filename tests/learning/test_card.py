"""A model's card: everything that is known, in Markdown; nothing that is not."""

import json

from orbiq.learning.card import Card, card_text

CARD = Card(
    name="aerial",
    purpose="A codec.",
    data=({"name": "scenes|a", "images": 12}, {"name": "pan", "images": 3}),
    steps=40000,
    settings={"shape": {"bands": 1, "width": 64}, "rate": 0.0005},
    judged_on="what was held back",
    scores={"psnr_db_0.3": 41.23456},
    holds="8 bits.",
    fails="Radar.",
)


# known answers


def test_a_card_in_full():
    assert card_text(CARD, digest="ab12") == (
        "# aerial\n\n"
        "A codec.\n\n"
        "## Trained on\n\n"
        "| source | images |\n|---|---|\n| scenes/a | 12 |\n| pan | 3 |\n\n"
        "40,000 steps. Settings:\n\n"
        "| setting | value |\n|---|---|\n| shape.bands | 1 |\n| shape.width | 64 |\n| rate | 0.0005 |\n\n"
        "## Judged on what was held back\n\n"
        "| score | value |\n|---|---|\n| psnr_db_0.3 | 41.23 |\n\n"
        "## Holds\n\n8 bits.\n\n"
        "## Does not hold\n\nRadar.\n\n"
        "SHA-256 of the file: `ab12`\n"
    )


# laws


def test_what_is_not_known_has_no_heading():
    text = card_text(Card(name="a", purpose="b"), digest="c")
    assert not any(heading in text for heading in ("Trained on", "Judged", "Holds", "Does not hold"))


def test_the_description_is_json_and_says_all():
    said = json.loads(json.dumps(CARD.description()))
    assert said["data"] == [dict(source) for source in CARD.data]
    assert said == json.loads(json.dumps({name: getattr(CARD, name) for name in CARD.__dataclass_fields__}))
