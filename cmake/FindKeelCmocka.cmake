# SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_LIST_DIR}/KeelFind.cmake)
keel_find(KeelCmocka cmocka cmocka.h libcmocka-dev libcmocka-devel cmocka-dev cmocka)
