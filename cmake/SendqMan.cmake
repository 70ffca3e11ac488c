# Man pages from scdoc, where it is installed. What the programs know themselves, they say: the
# settings and the nouns come from their own tables.
find_program(SCDOC scdoc)
find_program(AWK awk)
if(NOT SCDOC OR NOT AWK)
    message(STATUS "no scdoc: man pages are not built")
    return()
endif()

set(man ${CMAKE_BINARY_DIR}/man)
foreach(page sendqd.8 sendqctl.1 sendqd.yaml.5)
    add_custom_command(
        OUTPUT ${man}/${page}
        COMMAND ${CMAKE_COMMAND} -E make_directory ${man}
        COMMAND sh ${CMAKE_SOURCE_DIR}/man/build.sh ${CMAKE_SOURCE_DIR}/man ${page}
                $<TARGET_FILE:sendqd> $<TARGET_FILE:sendqctl> > ${man}/${page}
        COMMAND gzip -9nkf ${man}/${page}
        DEPENDS sendqd sendqctl man/${page}.scd man/build.sh man/settings.awk man/nouns.awk
        VERBATIM)
    list(APPEND man_pages ${man}/${page})
    string(REGEX REPLACE ".*\\." "" section ${page})
    install(FILES ${man}/${page}.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
add_custom_target(man ALL DEPENDS ${man_pages})
