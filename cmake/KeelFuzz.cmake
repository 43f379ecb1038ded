# SPDX-License-Identifier: MIT
# keel_fuzz(<target> <source> [CORPUS <directory>] [LIBRARIES <library>...])
#
# Adds a program with a KEEL_FUZZ (keel/test.h) and a test of the same name, with the label fuzz, which replays
# the seeds in the source and the files in the directory. With KEEL_FUZZING on, which needs clang, the program is
# a fuzzer, and its test runs for KEEL_FUZZ_SECONDS; what it finds worth keeping goes to <target>.found in the
# build directory. The code under test should then be compiled with -fsanitize=fuzzer-no-link and a sanitizer.
option(KEEL_FUZZING "Build what keel_fuzz adds as fuzzers" OFF)
set(KEEL_FUZZ_SECONDS 5 CACHE STRING "How long each fuzzer runs as a test")

function(keel_fuzz target source)
    cmake_parse_arguments(PARSE_ARGV 2 arg "" "CORPUS" "LIBRARIES")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "keel_fuzz(${target}): what is ${arg_UNPARSED_ARGUMENTS}?")
    endif()
    set(corpus "")
    if(arg_CORPUS)
        get_filename_component(corpus ${arg_CORPUS} ABSOLUTE)
    endif()

    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE keel::test ${arg_LIBRARIES})
    set(timeout 120)
    set(arguments ${corpus})
    if(KEEL_FUZZING)
        target_compile_definitions(${target} PRIVATE KEEL_FUZZING)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
        set(found ${CMAKE_CURRENT_BINARY_DIR}/${target}.found)
        file(MAKE_DIRECTORY ${found})
        set(arguments -max_total_time=${KEEL_FUZZ_SECONDS} -print_final_stats=1 ${found} ${corpus})
        math(EXPR timeout "${KEEL_FUZZ_SECONDS} + 60")
    endif()
    add_test(NAME ${target} COMMAND ${target} ${arguments})
    set_tests_properties(${target} PROPERTIES TIMEOUT ${timeout} LABELS fuzz)
endfunction()
