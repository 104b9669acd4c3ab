#!/usr/bin/env bash
# The command of this study; ORBIQ_TEST_DATA names the folder that holds kodak/.
set -euo pipefail
cd "$(dirname "$0")"
orbiq codecs "$ORBIQ_TEST_DATA/kodak" \
    --codec 'jpeg:quality=[5,10,20,30,50,70,80],subsampling=420' \
    --codec 'jpeg:quality=[5,10,20,30,50,70,80],subsampling=444' \
    --codec 'webp:quality=[1,5,20,40,60,80,90]' \
    --codec 'jpeg2000:level_db=[24,27,30,33,36,39,42]' \
    --codec 'jpegxl:distance=[0.5,1,2,3,5,8,12]' \
    --codec 'avif:quality=[15,30,45,60,75,85]' \
    --metrics psnr,ssim,ms_ssim --anchor jpeg2000 --jobs 1 \
    --out results/trials.csv --plot results/psnr.png --report results/codecs.html "$@"
