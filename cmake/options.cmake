# SPDX-License-Identifier: GPL-2.0-or-later
# Compiler options every target of ours shares, as one interface target.
add_library(wopr_options INTERFACE)
target_include_directories(wopr_options INTERFACE ${PROJECT_SOURCE_DIR}/lib)
target_compile_options(wopr_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Wimplicit-fallthrough -Wformat=2
  $<$<BOOL:${WOPR_WERROR}>:-Werror>)
if(WOPR_SANITIZE)
  target_compile_options(wopr_options INTERFACE -fsanitize=${WOPR_SANITIZE} -fno-sanitize-recover=undefined -fno-omit-frame-pointer
    -Wno-maybe-uninitialized)  # false alarms in std::regex under the sanitizers (GCC bug 105562)
  target_link_options(wopr_options INTERFACE -fsanitize=${WOPR_SANITIZE})
endif()
if(WOPR_FUZZ)
  target_compile_options(wopr_options INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer)
  target_link_options(wopr_options INTERFACE -fsanitize=address,undefined)
endif()
# What a distribution hardens its own packages with, for what we ship; no path of the build machine gets into it.
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported()
target_compile_options(wopr_options INTERFACE
  $<$<CONFIG:Release>:-Wno-restrict>  # false alarms at -O3 for "text" + std::string (GCC bug 105651)
  $<$<CONFIG:Release>:-fstack-protector-strong -D_FORTIFY_SOURCE=2 -ffile-prefix-map=${PROJECT_SOURCE_DIR}=.>)
target_link_options(wopr_options INTERFACE $<$<CONFIG:Release,RelWithDebInfo>:LINKER:-z,relro,-z,now>)

# What is shipped is compiled for size: with the standard library's templates, code for speed is 2.5 times as large, and
# all of it is the service's for as long as it runs (docs/testing.md, "Weight"). The few files where the time goes are
# for speed: wopr_fast(FILE...).
macro(wopr_small)
  add_compile_options($<$<CONFIG:Release>:-Os>
    $<$<CONFIG:Release>:-Wno-maybe-uninitialized>)  # false alarms for std::optional at -Os (GCC bug 80635)
endmacro()
function(wopr_fast)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
endfunction()

# Headers of the standard library and of fmt that most files include are compiled once. A build without it (any other
# preset) shows whether each file includes what it uses.
option(WOPR_PRECOMPILE "Precompile common headers" OFF)
function(wopr_precompile owner)  # TARGET...
  if(NOT WOPR_PRECOMPILE)
    return()
  endif()
  target_precompile_headers(${owner} PRIVATE
    <algorithm> <array> <chrono> <cstdint> <expected> <filesystem> <functional> <map> <memory> <optional> <set> <span>
    <string> <string_view> <utility> <variant> <vector> <fmt/format.h>)
  foreach(target IN LISTS ARGN)
    target_precompile_headers(${target} REUSE_FROM ${owner})
  endforeach()
endfunction()
