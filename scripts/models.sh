#!/bin/sh
# Train, measure and export the models of models/README.md, one after the other; a training that
# was stopped goes on.
# usage: models.sh DOWNLOADS OUT [NAME…]   (fer2013.csv or .csv.gz or .zip, fer2013new.csv; ck48/
# or another folder of CK+ for average-pooling, which is left out without it)
set -eu

downloads=${1:-} out=${2:-runs/models}
if [ ! -d "$downloads" ]; then
    echo "wanted the folder with fer2013.csv and fer2013new.csv; try: make models DOWNLOADS=folder" >&2
    exit 1
fi
[ $# -lt 2 ] || shift 2
names=${*:-fernet-ferplus fernet-fer2013 five-class average-pooling cnn4 mini-xception vgg-like}
. "$(dirname "$0")/downloads.sh"

tree() {  # tree NAME OPTIONS...: import once
    name=$1
    shift
    [ -f "$out/data/$name/dataset.json" ] || fer datasets import "$@" --out "$out/data/$name"
}

tree_of() {  # tree_of RECIPE: the tree that it is trained on
    case $1 in
        fernet-ferplus | fernet-large-start) echo ferplus ;;
        five-class) echo ferplus5 ;;
        average-pooling) echo ck-subject ;;
        *) echo fer2013 ;;
    esac
}

tree fer2013 "$table"
tree ferplus "$table" --votes "$downloads/fer2013new.csv" --classes 8
tree ferplus5 "$table" --votes "$downloads/fer2013new.csv" --classes 5
if [ -d "$downloads/ck48" ]; then
    tree ck "$downloads/ck48"
    [ -f "$out/data/ck-subject/dataset.json" ] ||
        fer datasets split "$out/data/ck" --ratios 80,20 --by-subject --out "$out/data/ck-subject"
fi

for name in $names; do
    data="$out/data/$(tree_of "$name")" run="$out/$name"
    if [ ! -d "$data" ]; then
        echo "== $name is left out: no ck48/ in $downloads"
        continue
    fi
    echo "== $name"
    set --
    if [ -f "fercli/recipes/models/$name-start.toml" ]; then
        fer models train --recipe "$name-start" \
            --data "$out/data/$(tree_of "$name-start")" --out "$run-start"
        set -- --init "$run-start/best.keras"
    fi
    fer models train --recipe "$name" --data "$data" --out "$run" "$@"
    fer models export "$run/best.keras" --out "$run/model.onnx" --data "$data" --calibrate --overwrite
    fer models evaluate "$run/model.onnx" --data "$data" --check-copies --out "$run/report" \
        --overwrite
done
