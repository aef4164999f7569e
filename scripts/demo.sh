#!/bin/sh
# demo.sh FOLDER: from real faces to a detector on a photograph. Shows each command that it runs.
set -eu
folder=$1
here=$(cd "$(dirname "$0")" && pwd)

run() {
    printf '\n\033[1m$ %s\033[0m\n' "$*"
    "$@"
}

rm -rf "$folder"
mkdir -p "$folder"
cp "$here/../cascade/demo.toml" "$folder"
cd "$folder"
run python "$here/demo_data.py" .
run fer cascade build-info faces --negatives scenes --size 24x24 --out lists
run fer cascade create-samples --info lists/info.dat --size 24x24 --out faces.vec
run fer cascade samples show faces.vec --size 24x24
run fer cascade train --recipe demo.toml --vec faces.vec --bg lists/bg.txt --out trained
run fer cascade evaluate trained/cascade.xml --truth test/info.dat --out report
run fer cascade visualize trained/cascade.xml --vec faces.vec --out features
run fer cascade detect trained/cascade.xml astronaut.png --min-size 60x60 --out found
run fer classify astronaut.png --bars --save expressions/astronaut.png

echo
echo "The faces it was trained on:     $PWD/faces.png"
echo "The cascade:                     $PWD/trained/cascade.xml"
echo "What it looks at:                $PWD/features"
echo "How well it does:                $PWD/report/recall.png"
echo "What it finds in a photograph:   $PWD/found/astronaut.png"
echo "And what that face shows:        $PWD/expressions/astronaut.png"
echo "(Seventy faces make a detector with a few false alarms; thousands make a good one.)"
