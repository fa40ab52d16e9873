# Run after linking: fails when the loader would take a libtorch library from outside of the chosen directory.
# Arguments: -DBINARY= -DLIBRARY_DIR=

execute_process(COMMAND ldd "${BINARY}" OUTPUT_VARIABLE resolved ERROR_QUIET RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  return()
endif()
file(REAL_PATH "${LIBRARY_DIR}" expected)
string(REGEX MATCHALL "lib(c10|torch)[a-z_]*\\.so[^ ]* => [^ \n]+" lines "${resolved}")
foreach(line IN LISTS lines)
  if(line MATCHES "^([^ ]+) => (/[^ ]*)$")
    set(name "${CMAKE_MATCH_1}")
    file(REAL_PATH "${CMAKE_MATCH_2}" real)
    get_filename_component(dir "${real}" DIRECTORY)
    if(NOT dir STREQUAL expected)
      message(FATAL_ERROR "${BINARY} would load ${name} from ${dir}, expected ${expected}: two libtorchs in one "
        "process abort. Set LIBTORCH to one root and remove the build directory.")
    endif()
  endif()
endforeach()
