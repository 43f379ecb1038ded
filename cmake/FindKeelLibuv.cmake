# SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_LIST_DIR}/KeelFind.cmake)
keel_find(KeelLibuv libuv uv.h libuv1-dev libuv-devel libuv-dev libuv)
