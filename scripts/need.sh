#!/bin/sh
# need.sh PROGRAM PACKAGE…: makes sure that PROGRAM is there.
# As root it installs Debian's PACKAGEs; otherwise it says what to type, and fails.
set -eu
wanted=$1
shift
command -v "$wanted" >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing $* (for $wanted)"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    exit 0
fi
echo "fer needs $wanted. On Debian or Ubuntu: sudo apt-get install $*" >&2
exit 1
