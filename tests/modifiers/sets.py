"""Small labelled datasets on disk."""

from orbiq.datasets.annotations import Annotations, Category, ImageEntry, Object
from orbiq.datasets.coco import write_coco
from orbiq.imageio import write_image


def write_set(folder, image, **fields):
    (folder / "images").mkdir(parents=True)
    write_image(folder / "images/a.png", image)
    entry = ImageEntry(id=1, file_name="a.png", rows=image.shape[0], cols=image.shape[1])
    thing = Object(id=1, image_id=1, category_id=1, **fields)
    ship = Category(id=1, name="ship")
    write_coco(folder / "truth.json", Annotations(images=(entry,), categories=(ship,), objects=(thing,)))
    return folder
