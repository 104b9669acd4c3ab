#!/usr/bin/env bash
# All of this study, from images to tables and figures; ORBIQ_TEST_DATA names the folder of images. Hours on two cores.
set -euo pipefail
cd "$(dirname "$0")"

python sets.py work/training
train() { orbiq train quality-factor work/training/* --mlflow off "$@"; }

# the two that come with orbiq
train --output work/rgb --steps 12000 --decay 4000
train --output work/grey --bands 1 --steps 8000 --decay 3000
python ship.py work/rgb quality-factor rgb
python ship.py work/grey quality-factor grey

# JPEG alone: the paper's weighting, an even one, and its classifier
for weighting in log uniform classes; do
    train --output "work/$weighting" --weighting "$weighting" --spoilt 0 --steps 5000 --decay 1500
done
file() { echo "$1=work/$1/model.safetensors"; }
python accuracy.py results rgb=rgb "$(file log)" "$(file uniform)" "$(file classes)"
python generalisation.py results rgb
python generalisation.py results/jpeg_alone work/log/model.safetensors
python unseen.py results rgb work/log/model.safetensors

# the table of datasets (paper 002, table 1)
python sets.py --judged work/judged
orbiq measure work/judged/* --metrics qf,qf_map --out results/datasets.csv --plot results/datasets.png

python mri.py train
python mri.py reconstruct
python mri.py quality
python removers.py train
python removers.py tell
python degradations.py results
