# downloads.sh: read by scripts that have set $downloads. Sets $table to FER-2013's, or says what is
# missing in that folder and ends.
for name in fer2013.csv fer2013.csv.gz fer2013.zip; do
    [ -f "$downloads/$name" ] && table="$downloads/$name" && break
done
if [ -z "${table:-}" ] || [ ! -f "$downloads/fer2013new.csv" ]; then
    echo "wanted fer2013.csv (or .csv.gz, .zip) and fer2013new.csv in $downloads; datasets/fer2013.md" \
        "and datasets/ferplus.md say where to get them" >&2
    exit 1
fi
