#!/usr/bin/env bash
# Sets everything up and runs the program `tadp`: installs the packages that are missing, builds build/release/tadp and
# passes the arguments on. Without arguments it does the main job: it renders a street scene and segments it into out/.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$root/scripts/common.sh"

# Where the arguments come from is the caller's folder: only the build goes to the root.
build() {
  cd "$root"
  tadp_install "${tadp_packages[@]}"
  cmake --preset release
  cmake --build --preset release --target tadp_program -j "$(tadp_jobs)"
}

(build) >&2
tadp="$root/build/release/tadp"
if [ $# -gt 0 ]; then exec "$tadp" "$@"; fi

mkdir -p "$root/out"
"$tadp" render --out "$root/out/street.png"
"$tadp" segment "$root/out/street.png" --out "$root/out"
echo "The picture and its labels are in $root/out"
