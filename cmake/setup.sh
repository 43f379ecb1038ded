# SPDX-License-Identifier: MIT
# What the commands of this project (examples/run, tests/run, bench/run, .ci/run) share; sourced by
# them, after they have changed to the project's root.

LC_ALL=C.UTF-8
export LC_ALL

packages_build='gcc libc6-dev cmake ninja-build pkg-config libuv1-dev'
packages_examples='libjansson-dev libcmocka-dev'
packages_tests='libcmocka-dev g++'
packages_sanitizers='clang libclang-rt-dev llvm'

jobs=$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)

say() {
    printf '%s\n' "$*"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs those of the given Debian packages that are missing. With all there, it needs neither root
# nor the network; elsewhere than on Debian it only says what is needed.
need_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        command -v cmake >/dev/null && command -v ninja >/dev/null ||
            say "This needs, by their Debian names: $*"
        return 0
    fi
    missing=
    for package in "$@"; do
        case " $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null || true)" in
        *' installed '*) ;;
        *) missing="$missing $package" ;;
        esac
    done
    if [ -z "$missing" ]; then
        return 0
    fi
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        say "These packages seem to be missing, and only root can install them:$missing"
        return 0
    fi
    say "Installing:$missing"
    find /var/lib/apt/lists -name '*_Packages*' 2>/dev/null | grep -q . ||
        as_root apt-get update -qq
    # shellcheck disable=SC2086
    install_packages $missing || { # the lists may be old
        as_root apt-get update -qq
        install_packages $missing
    }
}

install_packages() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Configures and builds a preset; further arguments go to the configuration. A warning that only a newer
# compiler knows is an error in CI alone.
build() {
    build_preset=$1
    shift
    if [ "${CI:-}" != true ]; then
        set -- -DKEEL_WERROR=OFF "$@"
    fi
    cmake --preset "$build_preset" "$@" >"$(log_file "$build_preset" configure)" 2>&1 || {
        cat "$(log_file "$build_preset" configure)"
        return 1
    }
    cmake --build --preset "$build_preset" --parallel "$jobs"
}

log_file() {
    mkdir -p build/logs
    say "build/logs/$1.$2"
}
