#ifndef HEADGATE_TESTS_FAKES_TEST_VALUE_H
#define HEADGATE_TESTS_FAKES_TEST_VALUE_H

#include <headgate/function.h>

/* headgate.test.Register of headgate/test/value.proto. */
extern const struct headgate_value_entity test_value;

#endif
