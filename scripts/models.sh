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
        fernet-ferplus* | fernet-large-start) echo ferplus ;;
        five-class) echo ferplus5 ;;
        average-pooling) echo ck-subject ;;
        *) echo fer2013 ;;
    esac
}

before() {  # before RECIPE: the recipe of the model that it starts from, if there is one
    case $1 in
        fernet-fer2013-start) echo fernet-ferplus-start ;;
        *) [ ! -f "fercli/recipes/models/$1-start.toml" ] || echo "$1-start" ;;
    esac
}

train() {  # train RECIPE: after the one before; what is complete is not trained again
    [ -z "$(before "$1")" ] || train "$(before "$1")"
    first=$(before "$1")
    fer models train --recipe "$1" --data "$out/data/$(tree_of "$1")" --out "$out/$1" \
        ${first:+--init "$out/$first/best.keras"}
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
    train "$name"
    fer models export "$run/best.keras" --out "$run/model.onnx" --data "$data" --calibrate --overwrite
    fer models evaluate "$run/model.onnx" --data "$data" --check-copies --out "$run/report" \
        --overwrite
done
