# Runs PROGRAM and compares what it prints with the file EXPECTED; space at the ends of the text does not count.

execute_process(COMMAND "${PROGRAM}" OUTPUT_VARIABLE printed RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ended with status ${status}; it printed:\n${printed}")
endif()
file(READ "${EXPECTED}" expected)
string(STRIP "${printed}" printed)
string(STRIP "${expected}" expected)
if(NOT printed STREQUAL expected)
  message(FATAL_ERROR "${PROGRAM} printed\n${printed}\nand ${EXPECTED} says\n${expected}")
endif()
