# SPDX-License-Identifier: MIT
# How tests/run and .ci/run run the tests; sourced by them, after cmake/setup.sh.

# Runs the tests of a preset that was built, and adds their numbers to `passed` and the others.
# Arguments after the preset go to ctest.
passed=0 failed=0 skipped=0
run_tests() {
    run_preset=$1
    shift
    run_result=$PWD/$(log_file "$run_preset" junit.xml)
    rm -f "$run_result"
    run_status=0
    ctest --preset "$run_preset" --parallel "$jobs" --output-junit "$run_result" "$@" || run_status=$?
    run_failed=$(junit_count failures)
    run_skipped=$(junit_count skipped)
    passed=$((passed + $(junit_count tests) - run_failed - run_skipped))
    skipped=$((skipped + run_skipped))
    # ctest may fail on its own account, for instance because there was no test
    if [ "$run_status" -ne 0 ] && [ "$run_failed" -eq 0 ]; then
        run_failed=1
    fi
    failed=$((failed + run_failed))
}

junit_count() {
    junit_number=$(sed -n "s/^.*[[:space:]]$1=\"\([0-9]*\)\".*\$/\1/p" "$run_result" 2>/dev/null |
        head -n 1)
    say "${junit_number:-0}"
}

# Builds a preset and runs its tests; what does not build counts as one failure.
suite() {
    say "==== $1${KEEL_TEST_WORKERS:+, $KEEL_TEST_WORKERS workers} ===="
    if build "$1"; then
        run_tests "$@"
    else
        say "$1 does not build"
        failed=$((failed + 1))
    fi
}

# 10,000 seeds of each of the library's own scenarios, each run twice with equal traces: with each compiler
# about five minutes of one core.
suites_seeds() {
    export KEEL_TEST_LONG=1
    suite dev -R '^sim\.(net_)?explore' "$@"
    suite clang -R '^sim\.(net_)?explore' "$@"
    unset KEEL_TEST_LONG
}

# Both thread-sanitizer builds; the task tests with different numbers of workers. The simulations run
# on one thread and look for races themselves; what they find in a given time must not depend on
# how slow the build is.
suites_tsan() {
    suite tsan -LE 'task|sim|plain' --no-tests=ignore "$@"
    suite tsan-core -LE 'task|sim|plain' --no-tests=ignore "$@"
    for KEEL_TEST_WORKERS in ${KEEL_TSAN_WORKERS:-1 2 4}; do
        export KEEL_TEST_WORKERS
        suite tsan -L task --no-tests=ignore "$@"
        suite tsan-core -L task --no-tests=ignore "$@"
    done
    unset KEEL_TEST_WORKERS
}

# The last line, and the exit status.
summary() {
    say "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}
