# A Debian package by CPack: configure with -DSENDQ_PACKAGE=ON and the prefix /usr (./run package
# does). It holds what `cmake --install` lays down, and what only a package needs.
option(SENDQ_PACKAGE "Install what a Debian package needs: configuration, copyright, changelog" OFF)
# Who builds it: -DSENDQ_MAINTAINER, or DEBFULLNAME and DEBEMAIL as for Debian's own tools.
set(SENDQ_MAINTAINER "" CACHE STRING "Of the package: Name <address>")
if(NOT SENDQ_PACKAGE)
    return()
endif()

if(SENDQ_MAINTAINER STREQUAL "" AND DEFINED ENV{DEBEMAIL} AND DEFINED ENV{DEBFULLNAME})
    set(SENDQ_MAINTAINER "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
elseif(SENDQ_MAINTAINER STREQUAL "")
    set(SENDQ_MAINTAINER "sendq <sendq@users.noreply.github.com>")
endif()
set(packaging ${CMAKE_BINARY_DIR}/packaging)
file(STRINGS ${CMAKE_SOURCE_DIR}/LICENSE COPYRIGHT REGEX "^Copyright")
string(REGEX REPLACE "^Copyright (\\(c\\) )?" "" COPYRIGHT "${COPYRIGHT}")
file(READ ${CMAKE_SOURCE_DIR}/LICENSE LICENSE_TEXT)
string(REGEX REPLACE "^.*\nPermission" "Permission" LICENSE_TEXT "${LICENSE_TEXT}")
string(REGEX REPLACE "\n\n" "\n.\n" LICENSE_TEXT "${LICENSE_TEXT}")
string(REGEX REPLACE "\n$" "" LICENSE_TEXT "${LICENSE_TEXT}")
string(REPLACE "\n" "\n " LICENSE_TEXT " ${LICENSE_TEXT}")
# SOURCE_DATE_EPOCH is respected: the same sources make the same changelog.
string(TIMESTAMP DATE "%a, %d %b %Y %H:%M:%S +0000" UTC)
configure_file(packaging/copyright.in ${packaging}/copyright @ONLY)
configure_file(packaging/changelog.in ${packaging}/changelog.Debian @ONLY)
add_custom_command(OUTPUT ${packaging}/changelog.Debian.gz
    COMMAND gzip -9nkf ${packaging}/changelog.Debian
    DEPENDS ${packaging}/changelog.Debian VERBATIM)
add_custom_target(changelog ALL DEPENDS ${packaging}/changelog.Debian.gz)
install(FILES ${packaging}/copyright ${packaging}/changelog.Debian.gz
        DESTINATION ${CMAKE_INSTALL_DOCDIR})
# A conffile: dpkg asks before it touches one that was changed.
install(FILES ${CMAKE_SOURCE_DIR}/config/sendqd.yaml DESTINATION /etc/sendq)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sendq)
set(CPACK_PACKAGE_CONTACT "${SENDQ_MAINTAINER}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "outbound message worker for e-mail, SMS and chat")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Takes jobs from Redis and sends them as messages through the HTTP APIs of
providers or SMTP, within each sender's limits, and records what became of
every one. With sendqctl, the operator's tool.")
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR})
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles, ca-certificates, tzdata")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "redis-server (>= 6.2)")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/packaging/postinst ${CMAKE_SOURCE_DIR}/packaging/prerm
    ${CMAKE_SOURCE_DIR}/packaging/postrm ${CMAKE_SOURCE_DIR}/packaging/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
