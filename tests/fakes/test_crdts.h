#ifndef HEADGATE_TESTS_FAKES_TEST_CRDTS_H
#define HEADGATE_TESTS_FAKES_TEST_CRDTS_H

#include <headgate/crdt.h>

/* The CRDT entities of testfunction; see headgate/test/crdt.proto. */
extern const struct headgate_crdt_entity test_counters;
extern const struct headgate_crdt_entity test_tags;
extern const struct headgate_crdt_entity test_presence;

#endif
