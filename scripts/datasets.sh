#!/bin/sh
# Import, split and examine FER-2013 and FER+ from a folder of downloads.
# usage: datasets.sh DOWNLOADS OUT   (fer2013.csv or fer2013.csv.gz or fer2013.zip, fer2013new.csv)
set -eu

downloads=${1:-} out=${2:-runs/datasets}
if [ ! -d "$downloads" ]; then
    echo "wanted the folder with fer2013.csv and fer2013new.csv; try: make datasets DOWNLOADS=folder" >&2
    exit 1
fi
. "$(dirname "$0")/downloads.sh"

tree() {  # tree NAME OPTIONS...: import once, split once, look
    name=$1
    shift
    echo "== $name"
    [ -f "$out/$name/dataset.json" ] || fer datasets import "$@" --out "$out/$name"
    [ -f "$out/$name-split/dataset.json" ] ||
        fer datasets split "$out/$name" --out "$out/$name-split"
    fer datasets stats "$out/$name" --plot "$out/$name.png" --overwrite
    fer datasets preview "$out/$name" --out "$out/$name-sheets" --overwrite
}

tree fer2013 "$table"
for classes in 8 7 5; do
    tree "ferplus$classes" "$table" --votes "$downloads/fer2013new.csv" --classes "$classes"
done
