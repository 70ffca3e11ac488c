# sendq_floor(NAME DIR FLOORS a b LIBS x y): one static library per floor. Its sources see
# their own directory and those of the floors named, and nothing else.
function(sendq_floor name dir)
    cmake_parse_arguments(F "" "" "FLOORS;LIBS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${dir}/*.c)
    add_library(sendq_${name} STATIC ${sources})
    target_include_directories(sendq_${name} PRIVATE ${CMAKE_SOURCE_DIR}/${dir})
    foreach(below ${F_FLOORS})
        sendq_use_floor(sendq_${name} ${below})
    endforeach()
    target_link_libraries(sendq_${name} PRIVATE sendq_flags ${F_LIBS})
endfunction()

set(SENDQ_DIR_base lib/base)
set(SENDQ_DIR_model lib/model)
set(SENDQ_DIR_io lib/io)
set(SENDQ_DIR_store lib/store)
set(SENDQ_DIR_providers providers)

# sendq_use_floor(TARGET FLOOR): TARGET may include FLOOR's headers and links to it.
function(sendq_use_floor target floor)
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/${SENDQ_DIR_${floor}})
    target_link_libraries(${target} PRIVATE sendq_${floor})
endfunction()

# sendq_embed_scripts(TARGET DIR): each DIR/<name>.lua, behind common.lua and the preludes it asks for,
# becomes the string script_<name> in the generated header scripts_embedded.h.
function(sendq_embed_scripts target dir)
    file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${dir}/*.lua)
    set(header ${CMAKE_BINARY_DIR}/generated/scripts_embedded.h)
    add_custom_command(
        OUTPUT ${header}
        COMMAND ${CMAKE_COMMAND} -DOUT=${header} -DDIR=${CMAKE_SOURCE_DIR}/${dir}
                -DTEST_CLOCK=${SENDQ_CRASH_POINTS}
                -P ${CMAKE_SOURCE_DIR}/cmake/EmbedScripts.cmake
        DEPENDS ${scripts} ${CMAKE_SOURCE_DIR}/cmake/EmbedScripts.cmake
        VERBATIM)
    target_sources(${target} PRIVATE ${header})
    target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/generated)
endfunction()
