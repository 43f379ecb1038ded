# SPDX-License-Identifier: MIT
include(${CMAKE_CURRENT_LIST_DIR}/KeelFind.cmake)
keel_find(KeelJansson jansson jansson.h libjansson-dev jansson-devel jansson-dev jansson)
