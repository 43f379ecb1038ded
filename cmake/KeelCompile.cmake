# SPDX-License-Identifier: MIT
# How every target of the project is compiled.

# C11 without extensions, warnings, and debug information that Valgrind 3.19 can read. __FILE__
# starts at the project's root, because errors carry it.
function(keel_compile target)
    set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_compile_options(
        ${target}
        PRIVATE $<$<COMPILE_LANGUAGE:C>:-Wall
                -Wextra
                -Wpedantic
                -Wshadow
                -Wconversion
                -Wstrict-prototypes>
                $<$<BOOL:${KEEL_WERROR}>:-Werror>
                -g
                -gdwarf-4
                -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
endfunction()

# Applies KEEL_SANITIZE to the library and, through it, to what links it in this build.
# `thread`: only the users are instrumented, and the library announces what it orders
# (src/base/tsan.h). `thread-core`: the library is instrumented like any other code.
function(keel_sanitize target)
    if(KEEL_SANITIZE STREQUAL "")
        return()
    elseif(KEEL_SANITIZE STREQUAL "address")
        set(flags -fsanitize=address,undefined -fno-sanitize-recover=undefined)
        target_compile_options(${target} PRIVATE ${flags} -fno-omit-frame-pointer)
    elseif(KEEL_SANITIZE MATCHES "^thread(-core)?$")
        # gcc's detector stops at 8,128 tasks
        if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
            message(FATAL_ERROR "KEEL_SANITIZE=${KEEL_SANITIZE} needs clang: set CMAKE_C_COMPILER")
        endif()
        set(flags -fsanitize=thread)
        if(KEEL_SANITIZE STREQUAL "thread")
            target_compile_definitions(${target} PRIVATE KEEL_TSAN)
        else()
            target_compile_definitions(${target} PRIVATE KEEL_TSAN_CORE)
            target_compile_options(${target} PRIVATE ${flags})
            # leaves each function on another stack than it entered it
            set_source_files_properties(src/task/switch.c PROPERTIES COMPILE_OPTIONS
                                                                     -fno-sanitize=thread)
        endif()
    else()
        message(FATAL_ERROR "KEEL_SANITIZE is '', address, thread or thread-core, "
                            "not '${KEEL_SANITIZE}'")
    endif()
    target_compile_options(${target} INTERFACE $<BUILD_INTERFACE:${flags}>)
    target_link_options(${target} INTERFACE $<BUILD_INTERFACE:${flags}>)
endfunction()
