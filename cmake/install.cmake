# SPDX-License-Identifier: MIT
# Installs headers, archive, CMake package and pkg-config file.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/keel)
install(TARGETS keel EXPORT keel ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/keel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h"
        PATTERN "test.h" EXCLUDE)
install(EXPORT keel NAMESPACE keel:: FILE keel-targets.cmake DESTINATION ${package_dir})
if(TARGET keel_bench)
    install(TARGETS keel_bench EXPORT keel ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET keel_sim_guard)
    install(TARGETS keel_sim_guard EXPORT keel ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET keel_test)
    install(TARGETS keel_test keel_test_redirect EXPORT keel-test
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(FILES include/keel/test.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/keel)
    install(EXPORT keel-test NAMESPACE keel:: FILE keel-test-targets.cmake
            DESTINATION ${package_dir})
    install(FILES cmake/FindKeelCmocka.cmake cmake/KeelFuzz.cmake DESTINATION ${package_dir})
endif()
configure_package_config_file(cmake/keel-config.cmake.in keel-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(keel-config-version.cmake COMPATIBILITY SameMinorVersion)
install(
    FILES ${CMAKE_CURRENT_BINARY_DIR}/keel-config.cmake
          ${CMAKE_CURRENT_BINARY_DIR}/keel-config-version.cmake cmake/KeelFind.cmake
          cmake/FindKeelLibuv.cmake
    DESTINATION ${package_dir})

# The prefix is found from where the file lies, so that an installed tree may be moved.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR} OR IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
    set(pc_prefix ${CMAKE_INSTALL_PREFIX})
    set(pc_libdir ${CMAKE_INSTALL_FULL_LIBDIR})
    set(pc_includedir ${CMAKE_INSTALL_FULL_INCLUDEDIR})
else()
    file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    set(pc_prefix "\${pcfiledir}/${up}")
    set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
    set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
set(pc_names keel)
set(pc_dl "")
if(CMAKE_DL_LIBS)
    set(pc_dl -l${CMAKE_DL_LIBS})
endif()
if(TARGET keel_bench)
    list(APPEND pc_names keel-bench)
endif()
if(TARGET keel_sim_guard)
    list(APPEND pc_names keel-sim-guard)
endif()
if(TARGET keel_test)
    list(APPEND pc_names keel-test keel-test-redirect)
endif()
foreach(name IN LISTS pc_names)
    configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
