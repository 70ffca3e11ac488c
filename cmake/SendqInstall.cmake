# What `cmake --install` lays down besides the programs: units, account, example configuration.
# sendqd.service reads /etc/sendq/sendqd.yaml, sendqd@NAME.service reads /etc/sendq/NAME.yaml.
option(SENDQ_NOTIFY_RELOAD "Units for systemd 253 or later: Type=notify-reload" OFF)

if(SENDQ_NOTIFY_RELOAD)
    # The manager sends SIGHUP itself and waits until the new configuration is in force.
    set(UNIT_TYPE "Type=notify-reload")
else()
    string(CONCAT UNIT_TYPE "# From systemd 253 on, Type=notify-reload (and no ExecReload) makes "
        "\"systemctl reload\"\n# wait until the new configuration is in force: build with "
        "-DSENDQ_NOTIFY_RELOAD=ON.\n"
        "# The shell's own kill: the program is in a package that a small Debian lacks.\n"
        "Type=notify\nExecReload=/bin/sh -c 'kill -HUP $MAINPID'")
endif()
set(SENDQD ${CMAKE_INSTALL_FULL_SBINDIR}/sendqd)
set(units ${CMAKE_BINARY_DIR}/systemd)

set(UNIT_SUFFIX "")
set(UNIT_CONFIG ${CMAKE_INSTALL_FULL_SYSCONFDIR}/sendq/sendqd.yaml)
configure_file(${CMAKE_SOURCE_DIR}/systemd/sendqd.service.in ${units}/sendqd.service @ONLY)
set(UNIT_SUFFIX " (%i)")
set(UNIT_CONFIG ${CMAKE_INSTALL_FULL_SYSCONFDIR}/sendq/%i.yaml)
configure_file(${CMAKE_SOURCE_DIR}/systemd/sendqd.service.in ${units}/sendqd@.service @ONLY)

install(FILES ${units}/sendqd.service ${units}/sendqd@.service DESTINATION lib/systemd/system)
install(FILES ${CMAKE_SOURCE_DIR}/systemd/sendq.sysusers DESTINATION lib/sysusers.d
        RENAME sendq.conf)
install(FILES ${CMAKE_SOURCE_DIR}/systemd/sendq.tmpfiles DESTINATION lib/tmpfiles.d
        RENAME sendq.conf)
# An example, not the configuration itself: an installation must never overwrite that.
install(DIRECTORY ${CMAKE_SOURCE_DIR}/config/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples
        FILES_MATCHING PATTERN "*.yaml")
# ... which the documents call as the sources do.
file(CREATE_LINK examples ${CMAKE_BINARY_DIR}/config SYMBOLIC)
install(FILES ${CMAKE_BINARY_DIR}/config DESTINATION ${CMAKE_INSTALL_DOCDIR})
# sendqctl knows its own words.
set(completions ${CMAKE_BINARY_DIR}/completions)
foreach(shell bash zsh)
    add_custom_command(OUTPUT ${completions}/${shell}/sendqctl
        COMMAND ${CMAKE_COMMAND} -E make_directory ${completions}/${shell}
        COMMAND sendqctl completion ${shell} > ${completions}/${shell}/sendqctl
        DEPENDS sendqctl VERBATIM)
endforeach()
add_custom_target(completions ALL
    DEPENDS ${completions}/bash/sendqctl ${completions}/zsh/sendqctl)
install(FILES ${completions}/bash/sendqctl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${completions}/zsh/sendqctl
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions RENAME _sendqctl)
# Beside the README as in the sources, so that its links lead there.
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DOCDIR}
        FILES_MATCHING PATTERN "*.md")
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/SECURITY.md
        ${CMAKE_SOURCE_DIR}/LICENSE
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
