# shellcheck shell=bash
# Shared by run.sh and test.sh: installs what is missing, and knows how many compilers fit into this machine.

# Each word names one package, or several of which any one will do (a|b); the last of them is installed.
# shellcheck disable=SC2034
tadp_packages=(g++ cmake ninja-build ccache python3 libeigen3-dev nlohmann-json3-dev libpng-dev
               "libjpeg62-turbo-dev|libjpeg-turbo8-dev|libjpeg-dev" zlib1g-dev libminizip-dev libutf8proc-dev libpugixml-dev libcpp-httplib-dev pkg-config libcli11-dev doctest-dev)

tadp_has() {
  local name
  for name in ${1//|/ }; do
    if dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed'; then return 0; fi
  done
  return 1
}

# tadp_install PACKAGES...: apt-get for those that are missing; with nothing missing it needs neither network nor rights.
tadp_install() {
  local package missing=() admin=()
  if ! command -v apt-get >/dev/null; then
    echo "This is not Debian or Ubuntu: please see to it that these are installed: $*"
    return 0
  fi
  for package in "$@"; do
    tadp_has "$package" || missing+=("${package##*|}")
  done
  if [ ${#missing[@]} -eq 0 ]; then return 0; fi
  echo "Installing: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Missing packages, and neither root nor sudo to install them: ${missing[*]}" >&2
      return 1
    fi
    admin=(sudo)
  fi
  # An update that fails for one mirror may still have fetched what is needed: the installation decides.
  "${admin[@]}" apt-get update -q || true
  if ! "${admin[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"; then
    echo "These packages could not be installed: ${missing[*]}" >&2
    return 1
  fi
}

# One compiler a processor, as long as each has 3 GB of memory.
tadp_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(($(awk '/MemAvailable/ { print $2 }' /proc/meminfo) / 3000000))
  if [ "$memory" -lt 1 ]; then memory=1; fi
  if [ "$cores" -lt "$memory" ]; then echo "$cores"; else echo "$memory"; fi
}
