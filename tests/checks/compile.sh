# SPDX-License-Identifier: MIT
# Shared by the checks that compile something: sourced by them, in the project's root.

# compiler COMPILER STANDARD: what `compile` uses from now on.
compiler() {
    if ! command -v "$1" >/dev/null; then
        echo "skipped: no compiler for $2"
        exit 77
    fi
    compiler=$1 standard=$2
    case $standard in
    *++*) language=c++ ;;
    *) language=c ;;
    esac
}

# Compiles a file (- for standard input) as strictly as users may, and drops the result.
compile() {
    "$compiler" -x "$language" "$standard" -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror \
        -Iinclude -c -o /dev/null "$1"
}
