# Finds one libtorch and defines the imported target permafrost::libtorch from files under its root alone.
#
# TorchConfig.cmake is located but never run: where two libtorchs are installed it takes libc10 from the
# linker's default directories, and for a CUDA build it demands the CUDA toolkit, which linking does not need.
#
# Order: LIBTORCH (cache variable or environment), the system's CMake packages, the torch of python3 on the PATH.
# Sets: LIBTORCH_ROOT LIBTORCH_LIBRARY_DIR LIBTORCH_VERSION LIBTORCH_SOURCE LIBTORCH_HAS_CUDA

set(LIBTORCH "" CACHE PATH "Root of libtorch (holds include/ and lib/); empty: search")

set(_version_header include/torch/csrc/api/include/torch/version.h)

# Climbs from `start` to the first directory that holds libtorch's headers.
function(_libtorch_root_above start result)
  set(dir "${start}")
  foreach(_ RANGE 5)
    if(EXISTS "${dir}/${_version_header}")
      set(${result} "${dir}" PARENT_SCOPE)
      return()
    endif()
    get_filename_component(dir "${dir}" DIRECTORY)
  endforeach()
  set(${result} "" PARENT_SCOPE)
endfunction()

function(_libtorch_from_system result)
  find_file(config TorchConfig.cmake
    PATHS "${Torch_DIR}" "$ENV{Torch_DIR}" ${CMAKE_PREFIX_PATH} $ENV{CMAKE_PREFIX_PATH} ${CMAKE_SYSTEM_PREFIX_PATH}
    PATH_SUFFIXES share/cmake/Torch lib/cmake/Torch lib/${CMAKE_LIBRARY_ARCHITECTURE}/cmake/Torch
    NO_DEFAULT_PATH NO_CACHE)
  set(root "")
  if(config)
    get_filename_component(dir "${config}" DIRECTORY)
    _libtorch_root_above("${dir}" root)
  endif()
  set(${result} "${root}" PARENT_SCOPE)
endfunction()

function(_libtorch_from_python result)
  find_program(python python3 NO_CACHE)
  set(${result} "" PARENT_SCOPE)
  if(NOT python)
    return()
  endif()
  # find_spec does not import torch, which would take seconds.
  execute_process(
    COMMAND "${python}" -c "import importlib.util as u, os; s = u.find_spec('torch'); print(os.path.dirname(s.origin) if s and s.origin else '', end='')"
    OUTPUT_VARIABLE dir ERROR_QUIET RESULT_VARIABLE status)
  if(status EQUAL 0 AND EXISTS "${dir}/${_version_header}")
    set(${result} "${dir}" PARENT_SCOPE)
  endif()
endfunction()

set(LIBTORCH_ROOT "")
if(NOT LIBTORCH AND DEFINED ENV{LIBTORCH})
  set(_asked "$ENV{LIBTORCH}")
else()
  set(_asked "${LIBTORCH}")
endif()
if(NOT _asked STREQUAL "")
  get_filename_component(LIBTORCH_ROOT "${_asked}" ABSOLUTE BASE_DIR "${CMAKE_SOURCE_DIR}")
  set(LIBTORCH_SOURCE "LIBTORCH")
  if(NOT EXISTS "${LIBTORCH_ROOT}/${_version_header}")
    message(FATAL_ERROR "LIBTORCH is ${_asked}, but ${LIBTORCH_ROOT}/${_version_header} does not exist. "
      "Expected the directory that holds libtorch's include/ and lib/; correct LIBTORCH or unset it.")
  endif()
else()
  _libtorch_from_system(LIBTORCH_ROOT)
  set(LIBTORCH_SOURCE "system")
  if(NOT LIBTORCH_ROOT)
    _libtorch_from_python(LIBTORCH_ROOT)
    set(LIBTORCH_SOURCE "python")
  endif()
  if(NOT LIBTORCH_ROOT)
    message(FATAL_ERROR "No libtorch found: LIBTORCH is not set, no CMake package Torch is installed, and python3 "
      "has no torch. On Debian or Ubuntu: apt-get install libtorch-dev libopenblas0-openmp; elsewhere unpack "
      "libtorch from pytorch.org and set LIBTORCH to its directory.")
  endif()
endif()

# A later re-configuration of this build directory must not fall back on another libtorch.
set(LIBTORCH "${LIBTORCH_ROOT}" CACHE PATH "Root of libtorch (holds include/ and lib/); empty: search" FORCE)

file(STRINGS "${LIBTORCH_ROOT}/${_version_header}" _version_lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
# Since 2.9 the header only forwards to this one.
if(NOT _version_lines)
  file(STRINGS "${LIBTORCH_ROOT}/include/torch/headeronly/version.h" _version_lines
    REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
endif()
string(REGEX REPLACE "[^0-9;]" "" LIBTORCH_VERSION "${_version_lines}")
string(REPLACE ";" "." LIBTORCH_VERSION "${LIBTORCH_VERSION}")

function(_libtorch_library name required)
  find_library(path ${name}
    PATHS "${LIBTORCH_ROOT}/lib/${CMAKE_LIBRARY_ARCHITECTURE}" "${LIBTORCH_ROOT}/lib64" "${LIBTORCH_ROOT}/lib"
    NO_DEFAULT_PATH NO_CACHE)
  if(path)
    # A link that leaves the root would bring a second libtorch into the process.
    file(REAL_PATH "${path}" real)
    file(REAL_PATH "${LIBTORCH_ROOT}" root)
    string(FIND "${real}/" "${root}/" position)
    if(NOT position EQUAL 0)
      message(FATAL_ERROR "lib${name} of the libtorch at ${LIBTORCH_ROOT} is a link to ${real}, outside of that root. "
        "All libraries must come from one libtorch: set LIBTORCH to the root that ${real} belongs to.")
    endif()
  elseif(required)
    message(FATAL_ERROR "The libtorch at ${LIBTORCH_ROOT} (found by: ${LIBTORCH_SOURCE}) has no lib${name} under its "
      "lib directory. Reinstall it, or set LIBTORCH to a complete libtorch.")
  endif()
  set(LIBTORCH_${name} "${path}" PARENT_SCOPE)
endfunction()

_libtorch_library(c10 TRUE)
_libtorch_library(torch_cpu TRUE)
_libtorch_library(torch TRUE)
_libtorch_library(c10_cuda FALSE)
_libtorch_library(torch_cuda FALSE)
get_filename_component(LIBTORCH_LIBRARY_DIR "${LIBTORCH_torch_cpu}" DIRECTORY)

add_library(permafrost_libtorch INTERFACE)
add_library(permafrost::libtorch ALIAS permafrost_libtorch)
target_include_directories(permafrost_libtorch SYSTEM INTERFACE
  "${LIBTORCH_ROOT}/include" "${LIBTORCH_ROOT}/include/torch/csrc/api/include")

# The C++ ABI of libstdc++ that this libtorch was built with; wheels before 2.6 have the old one.
file(GLOB_RECURSE _torch_config "${LIBTORCH_LIBRARY_DIR}/cmake/Torch/TorchConfig.cmake"
  "${LIBTORCH_ROOT}/share/cmake/Torch/TorchConfig.cmake")
if(_torch_config)
  list(GET _torch_config 0 _torch_config)
  file(STRINGS "${_torch_config}" _abi_line REGEX "_GLIBCXX_USE_CXX11_ABI=[01]")
  if(_abi_line MATCHES "_GLIBCXX_USE_CXX11_ABI=([01])")
    target_compile_definitions(permafrost_libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=${CMAKE_MATCH_1})
  endif()
endif()

# Registration happens in static constructors, so the libraries stay although no symbol of theirs may be used.
set(_libraries "${LIBTORCH_torch}" "${LIBTORCH_torch_cpu}" "${LIBTORCH_c10}")
set(LIBTORCH_HAS_CUDA OFF)
if(LIBTORCH_torch_cuda AND LIBTORCH_c10_cuda)
  set(LIBTORCH_HAS_CUDA ON)
  list(PREPEND _libraries "${LIBTORCH_torch_cuda}" "${LIBTORCH_c10_cuda}")
  # libtorch_cuda finds CUDA's own libraries by its own run path, which the linker does not follow.
  list(APPEND _libraries "-Wl,--allow-shlib-undefined")
endif()

# CUDA's own headers, for step graphs alone: the toolkit's, or those of the wheels that a torch wheel comes with.
set(PERMAFROST_CUDA_HEADERS 0)
# Before 2.6 some calls that the engine makes had other arguments.
if(LIBTORCH_HAS_CUDA AND LIBTORCH_VERSION VERSION_LESS 2.6)
  message(WARNING "Steps on a card will not be recorded as graphs: that needs libtorch 2.6 or later.")
elseif(LIBTORCH_HAS_CUDA)
  include("${CMAKE_CURRENT_LIST_DIR}/CudaHeaders.cmake")
  get_filename_component(_packages "${LIBTORCH_ROOT}" DIRECTORY)
  file(GLOB _toolkits LIST_DIRECTORIES TRUE "/usr/local/cuda-*/include" "${_packages}/nvidia/cu*/include"
    "${_packages}/nvidia/cuda_runtime/include")
  list(SORT _toolkits COMPARE NATURAL ORDER DESCENDING)
  find_cuda_headers("$ENV{CUDA_HOME}/include" "$ENV{CUDA_PATH}/include" /usr/local/cuda/include ${_toolkits} /usr/include)
  if(CUDA_INCLUDE_DIRS)
    set(PERMAFROST_CUDA_HEADERS 1)
    target_include_directories(permafrost_libtorch SYSTEM INTERFACE ${CUDA_INCLUDE_DIRS})
    message(STATUS "CUDA headers at ${CUDA_INCLUDE_DIRS}")
  else()
    message(WARNING "Steps on a card will not be recorded as graphs. ${CUDA_HEADERS_PROBLEM} Or set CUDA_HOME to a CUDA "
      "toolkit.")
  endif()
endif()
target_compile_definitions(permafrost_libtorch INTERFACE PERMAFROST_CUDA_HEADERS=${PERMAFROST_CUDA_HEADERS})

if(UNIX AND NOT APPLE)
  # DT_RPATH instead of DT_RUNPATH: LD_LIBRARY_PATH must not put another libtorch before the chosen one.
  target_link_options(permafrost_libtorch INTERFACE "-Wl,--disable-new-dtags")
  target_link_libraries(permafrost_libtorch INTERFACE
    "-Wl,--push-state,--no-as-needed" ${_libraries} "-Wl,--pop-state")
else()
  target_link_libraries(permafrost_libtorch INTERFACE ${_libraries})
endif()

# Debian's libtorch logs through glog, whose symbols its inline functions use.
set(_macros_header "${LIBTORCH_ROOT}/include/c10/macros/cmake_macros.h")
if(EXISTS "${_macros_header}")
  file(STRINGS "${_macros_header}" _uses_glog REGEX "^#define C10_USE_GLOG")
  if(_uses_glog)
    find_library(_glog glog NO_CACHE REQUIRED)
    target_link_libraries(permafrost_libtorch INTERFACE "${_glog}")
    file(STRINGS "${_macros_header}" _uses_gflags REGEX "^#define C10_USE_GFLAGS")
    if(_uses_gflags)
      find_library(_gflags gflags NO_CACHE REQUIRED)
      target_link_libraries(permafrost_libtorch INTERFACE "${_gflags}")
    endif()
  endif()
endif()

message(STATUS "libtorch ${LIBTORCH_VERSION} at ${LIBTORCH_ROOT} (found by: ${LIBTORCH_SOURCE}, CUDA: ${LIBTORCH_HAS_CUDA})")
