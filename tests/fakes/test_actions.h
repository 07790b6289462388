#ifndef HEADGATE_TESTS_FAKES_TEST_ACTIONS_H
#define HEADGATE_TESTS_FAKES_TEST_ACTIONS_H

#include <headgate/function.h>

/* headgate.test.Actions, a part of testfunction; see headgate/test/action.proto. */
extern const struct headgate_action test_actions;

#endif
