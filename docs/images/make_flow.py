"""Draws flow.svg, the picture of the flow in README: run it after a change of words."""

from pathlib import Path

BOXES = [
    (20, "dataset", "images + ground truth"),
    (220, "variant", "bytes, bits per pixel"),
    (420, "results", "results.json, output.json"),
    (620, "record", "scores per image → MLflow"),
    (820, "operating point", "table, curve, report"),
]
LABEL = "dataset, modify, variant, run your task, results, score, record, analyse, operating point"
HEAD = (
    '<defs><marker id="h" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0L8 4L0 8z" fill="#0072b2"/></marker></defs>'
)
ARROWS = ["modify", "run your task", "score", "analyse"]
STYLE = (
    "text{font-family:system-ui,sans-serif;fill:#1b2a34}.b{fill:#f4f7f9;stroke:#0072b2;stroke-width:1.5}"
    ".n{font-size:16px;font-weight:600}.s{font-size:11px;fill:#4b5b66}.a{font-size:12px;fill:#0072b2}"
    ".l{stroke:#0072b2;stroke-width:1.5;marker-end:url(#h)}"
)


def main() -> None:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 110" role="img" aria-label="{LABEL}">',
        f"<style>{STYLE}</style>",
        '<rect width="1000" height="110" fill="#ffffff"/>',
        HEAD,
    ]
    for x, name, about in BOXES:
        parts.append(f'<rect class="b" x="{x}" y="38" width="160" height="54" rx="8"/>')
        parts.append(f'<text class="n" x="{x + 80}" y="62" text-anchor="middle">{name}</text>')
        parts.append(f'<text class="s" x="{x + 80}" y="80" text-anchor="middle">{about}</text>')
    for (x, _, _), label in zip(BOXES, ARROWS, strict=False):
        parts.append(f'<line class="l" x1="{x + 160}" y1="65" x2="{x + 199}" y2="65"/>')
        parts.append(f'<text class="a" x="{x + 180}" y="26" text-anchor="middle">{label}</text>')
    Path(__file__).with_name("flow.svg").write_text("\n".join([*parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
