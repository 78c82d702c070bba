# tadp::http, where cpp-httplib is found: what tadp/text/vision_client.hpp needs beside tadp::tadp.
# The installed package reads this file, too.
find_package(Httplib QUIET)
if(Httplib_FOUND AND NOT TARGET tadp::http)
  add_library(tadp::http INTERFACE IMPORTED)
  target_link_libraries(tadp::http INTERFACE tadp::tadp httplib::httplib)
  target_compile_definitions(tadp::http INTERFACE TADP_HTTP)
endif()
