"""Train the detector of studies/airports_jpeg and keep its weights: the first of two commands by orbiq's task contract.

Writes into `--outputpath` weights.pt, a state dict of torch, and the results.json of that detector.
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "airports_jpeg"))
from train_detector import load_dataset, parse_args, settle, train, write_results


def main() -> None:
    args = parse_args(folders=("trainds", "valds", "outputpath"))
    settle(args)
    model, curve = train(load_dataset(args.trainds), args)
    write_results(args, train_loss=curve)
    torch.save(model.state_dict(), args.outputpath / "weights.pt")


if __name__ == "__main__":
    main()
