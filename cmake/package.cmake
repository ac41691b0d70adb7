# SPDX-License-Identifier: GPL-2.0-or-later
# What an installation holds beside the programs, and the Debian package made of it (cpack -G DEB). Everything goes
# where the prefix says; with /usr, as the release preset has it, that is where systemd, D-Bus and man look.
include(GNUInstallDirs)

set(systemd_units_dir lib/systemd/system)  # not LIBDIR: units have no architecture (file-hierarchy(7))

foreach(service wopr-aerd wopr-aer-probe wopr-aer-clear)
  configure_file(systemd/${service}.service.in systemd/${service}.service @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/systemd/${service}.service DESTINATION ${systemd_units_dir})
endforeach()
install(FILES systemd/wopr-aer-probe.socket systemd/wopr-aer-clear.socket DESTINATION ${systemd_units_dir})
install(FILES systemd/wopr-aer.sysusers.conf DESTINATION lib/sysusers.d RENAME wopr-aer.conf)
install(FILES systemd/wopr-aer.catalog DESTINATION lib/systemd/catalog)
install(FILES systemd/org.wopr.Aer1.conf DESTINATION ${CMAKE_INSTALL_DATADIR}/dbus-1/system.d)
install(FILES systemd/org.wopr.Aer1.service DESTINATION ${CMAKE_INSTALL_DATADIR}/dbus-1/system-services)
install(FILES lib/bus/org.wopr.Aer1.xml DESTINATION ${CMAKE_INSTALL_DATADIR}/dbus-1/interfaces)

install(FILES config/wopr-aer.toml DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/wopr-aer)
install(DIRECTORY config/boards DESTINATION ${CMAKE_INSTALL_DATADIR}/wopr-aer)

# Debian wants man pages and the changelog compressed; -n keeps the time of the build out of them.
find_program(GZIP gzip REQUIRED)
set(compressed)
function(install_compressed source name destination)
  set(output ${PROJECT_BINARY_DIR}/compressed/${name}.gz)
  add_custom_command(OUTPUT ${output} COMMAND ${GZIP} -9nc ${source} > ${output} DEPENDS ${source} VERBATIM)
  install(FILES ${output} DESTINATION ${destination})
  set(compressed ${compressed} ${output} PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/compressed)
file(GLOB man_pages CONFIGURE_DEPENDS docs/*.[1-8])
foreach(page IN LISTS man_pages)
  cmake_path(GET page FILENAME name)
  cmake_path(GET page EXTENSION LAST_ONLY section)
  string(SUBSTRING ${section} 1 1 section)
  install_compressed(${page} ${name} ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()
install_compressed(${PROJECT_SOURCE_DIR}/packaging/changelog changelog ${CMAKE_INSTALL_DOCDIR})
add_custom_target(wopr_documentation ALL DEPENDS ${compressed})

# For owners; what only concerns those who change the program stays in the source tree.
file(GLOB owners_documents CONFIGURE_DEPENDS docs/*.md)
list(FILTER owners_documents EXCLUDE REGEX "/(architecture|testing)\\.md$")
install(FILES README.md packaging/copyright ${owners_documents} DESTINATION ${CMAKE_INSTALL_DOCDIR})

file(STRINGS packaging/changelog first_line LIMIT_COUNT 1)
if(NOT first_line MATCHES "^wopr-aer \\(${PROJECT_VERSION}\\) ")
  message(FATAL_ERROR "packaging/changelog begins with '${first_line}': expected 'wopr-aer (${PROJECT_VERSION}) ...', "
                      "the version of the project")
endif()
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS packaging/changelog)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME wopr-aer)
set(CPACK_PACKAGE_CONTACT "wopr-aer maintainers <maintainers@users.noreply.r-seed-9cfbca83.example>")
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_OUTPUT_FILE_PREFIX ${PROJECT_BINARY_DIR}/package)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# A bus to be asked on, and what makes the user. Running the programs by hand takes no init system.
set(CPACK_DEBIAN_PACKAGE_DEPENDS
  "default-dbus-system-bus | dbus-system-bus, systemd | systemd-standalone-sysusers")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"Counts the errors of every PCI Express link, tells which end of which slot's
link they came from, and judges whether a slot may need a better riser.
.
The service wopr-aerd keeps watch, writes to the journal and answers on D-Bus;
wopr-aer shows it all, with or without the service. Nothing is started until
the owner asks for it: systemctl enable --now wopr-aerd")
configure_file(packaging/conffiles.in packaging/conffiles @ONLY)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${PROJECT_BINARY_DIR}/packaging/conffiles
  ${PROJECT_SOURCE_DIR}/packaging/postinst
  ${PROJECT_SOURCE_DIR}/packaging/prerm
  ${PROJECT_SOURCE_DIR}/packaging/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
