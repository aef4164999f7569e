#!/bin/sh
# Run the quick tests with the lowest versions that setup.cfg allows, and with other releases of
# OpenCV; each in an environment of its own below FOLDER, which stays for the next time.
# usage: versions.sh FOLDER [lowest|4.10|4.14|5.0…] [-- OPTIONS OF PYTEST]
set -eu

folder=$1
shift
names=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    names="$names $1"
    shift
done
[ $# -eq 0 ] || shift
here=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
cd "$here"

# pip cannot choose the lowest version of what setup.cfg names; uv can.
[ -x "$folder/uv/bin/uv" ] || {
    "${PYTHON:-python3}" -m venv "$folder/uv"
    "$folder/uv/bin/pip" install --quiet --disable-pip-version-check uv
}

install() {  # install NAME REQUIREMENT…: with the test extra
    name=$1
    shift
    [ -x "$folder/$name/bin/python" ] || "${PYTHON:-python3}" -m venv "$folder/$name"
    "$folder/uv/bin/uv" pip install --quiet --python "$folder/$name/bin/python" \
        --editable ".[test]" "$@"
}

failed=
for name in ${names:-lowest 4.10 4.14 5.0}; do
    echo "== $name"
    case $name in
        lowest) install lowest --upgrade --resolution lowest-direct ;;
        *) install "$name" "opencv-contrib-python==$name.*" ;;
    esac
    # Compiled kernels of one numba are of no use to another.
    NUMBA_CACHE_DIR=$folder/$name/numba "$folder/$name/bin/python" -m pytest \
        -m "not slow and not opencv3" -n "${WORKERS:-2}" -p no:cacheprovider -q "$@" ||
        failed="$failed $name"
done
[ -z "$failed" ] || {
    echo "tests fail with:$failed" >&2
    exit 1
}
