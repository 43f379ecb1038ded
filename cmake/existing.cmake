# SPDX-License-Identifier: MIT
# Temporary, while the sources are being written: drops from a list what is not there yet.
function(keel_existing list)
    foreach(file IN LISTS ${list})
        if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${file})
            list(APPEND there ${file})
        endif()
    endforeach()
    set(${list} ${there} PARENT_SCOPE)
endfunction()
