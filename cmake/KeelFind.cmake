# SPDX-License-Identifier: MIT
# Finds a system library by its header and file, helped by pkg-config if that is there, and makes
# the imported target keel::<name>. For the finder modules beside this file, in this project and
# installed alike.
include(FindPackageHandleStandardArgs)

macro(keel_find package name header debian fedora alpine macos)
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
        pkg_check_modules(PC_${package} QUIET ${name})
    endif()
    find_path(${package}_INCLUDE_DIR ${header} HINTS ${PC_${package}_INCLUDE_DIRS})
    string(REGEX REPLACE "^lib" "" ${package}_file ${name})
    find_library(${package}_LIBRARY ${${package}_file} HINTS ${PC_${package}_LIBRARY_DIRS})
    mark_as_advanced(${package}_INCLUDE_DIR ${package}_LIBRARY)
    find_package_handle_standard_args(
        ${package}
        REQUIRED_VARS ${package}_LIBRARY ${package}_INCLUDE_DIR
        REASON_FAILURE_MESSAGE
            "keel needs ${name}. Install ${debian} (Debian), ${fedora} (Fedora), ${alpine} (Alpine) or ${macos} (macOS)."
    )
    if(${package}_FOUND AND NOT TARGET keel::${name})
        add_library(keel::${name} UNKNOWN IMPORTED)
        set_target_properties(
            keel::${name}
            PROPERTIES IMPORTED_LOCATION "${${package}_LIBRARY}"
                       INTERFACE_INCLUDE_DIRECTORIES "${${package}_INCLUDE_DIR}"
                       INTERFACE_LINK_LIBRARIES "${CMAKE_DL_LIBS}")
    endif()
endmacro()
