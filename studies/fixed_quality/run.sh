#!/usr/bin/env bash
# The commands of this study; ORBIQ_TEST_DATA names the folder of images.
set -euo pipefail
cd "$(dirname "$0")"
python relations.py
python quality.py
python blockwise.py
python pictures.py
orbiq codecs "$ORBIQ_TEST_DATA/satellogic-airports/test" \
    --codec 'fixed-quality:lmbda=[0.03,0.06,0.12,0.25,0.5,0.9]' \
    --codec 'jpeg2000:level_db=[30,33,36,39,42,45]' \
    --codec 'jpegxl:distance=[0.5,1,2,3,5,8]' \
    --codec 'avif:quality=[30,45,60,75,85,92]' \
    --codec 'jpeg:quality=[20,40,60,80,90,95],subsampling=444' \
    --metrics psnr,ssim --anchor jpeg2000 --no-memory \
    --out results/airports.csv --plot results/airports.png --report results/airports.html
orbiq codecs "$ORBIQ_TEST_DATA/pan-12bit-s2p" \
    --codec 'fixed-quality:lmbda=[0.12,0.25,0.5,1,2,3.6]' \
    --codec 'jpeg2000:level_db=[42,45,48,51,54,57]' \
    --codec 'jpegxl:distance=[0.1,0.2,0.4,0.8,1.6,3.2]' \
    --metrics psnr --anchor jpeg2000 --peak 4095 --no-memory \
    --out results/pan.csv --plot results/pan.png
