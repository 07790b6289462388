#ifndef HEADGATE_TESTS_FAKES_TEST_LIBRARY_H
#define HEADGATE_TESTS_FAKES_TEST_LIBRARY_H

#include <headgate/function.h>

/* library.Library, see library.proto: the service of the examples in docs/http-mapping.md. */
extern const struct headgate_action test_library;

#endif
