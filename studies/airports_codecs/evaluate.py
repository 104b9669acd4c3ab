"""Judge the detector that train.py made: the second of two commands by orbiq's task contract.

Reads `--modelpath`, the output folder of train.py, and `--testds`; writes into `--outputpath` results.json, the settings,
and output.json, the COCO results of the test images.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "airports_jpeg"))
from train_detector import Detector, detect, load_dataset, parse_args, settle, write_detections, write_results


def main() -> None:
    args = parse_args(folders=("trainds", "valds", "testds", "modelpath", "outputpath"))
    settle(args)
    weights = torch.load(args.modelpath / "weights.pt", map_location=args.device, weights_only=True)
    model = Detector().to(args.device, memory_format=torch.channels_last)
    model.load_state_dict(weights)
    detections = detect(model.eval(), load_dataset(args.testds), args)
    write_results(args)
    write_detections(detections, args)


if __name__ == "__main__":
    main()
