#!/bin/sh
# environment.sh VENV EXTRAS: makes the virtual environment VENV and installs fer with EXTRAS into it.
# What Debian must provide is installed when run as root, and named otherwise.
set -eu
venv=$1
extras=$2
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

sh "$here/need.sh" "$python" python3
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "fer needs Python 3.11 or newer; $python is $("$python" -V 2>&1)." >&2
    echo "Name another one: make PYTHON=/path/to/python3.11" >&2
    exit 1
}

if [ ! -x "$venv/bin/python" ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian keeps these in a package of their own.
        sh "$here/need.sh" "$python -m venv" python3-venv
    fi
    "$python" -m venv "$venv"
fi

echo "installing fercli[$extras] into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$here/..[$extras]"

# cv2 needs a few of the system's libraries, which a bare Debian lacks.
if ! "$venv/bin/python" -c 'import cv2' 2>/dev/null; then
    sh "$here/need.sh" "libGL.so.1 and libglib-2.0.so.0" libgl1 libglib2.0-0
    "$venv/bin/python" -c 'import cv2'
fi

echo "compiling kernels for this machine, once"
"$venv/bin/python" -c 'from fercli.cascade.detection.detector import Detector
from fercli.cascade.model import bundled_cascade
from fercli.cascade.training.native import compile_kernels
from fercli.recognition.face_search import FaceSearch
compile_kernels()
FaceSearch(Detector(bundled_cascade())).load()' ||
    echo "kernels are compiled when they are first used" >&2
