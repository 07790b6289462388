#include "src/crdt/crdt.h"

const char *crdt_kind_name(enum crdt_kind kind)
{
	static const char *const names[] = {
		[CRDT_NONE] = "none",		[CRDT_GCOUNTER] = "GCounter",
		[CRDT_PNCOUNTER] = "PNCounter", [CRDT_GSET] = "GSet",
		[CRDT_ORSET] = "ORSet",		[CRDT_LWWREGISTER] = "LWWRegister",
		[CRDT_FLAG] = "Flag",		[CRDT_ORMAP] = "ORMap",
		[CRDT_VOTE] = "Vote",
	};

	return names[kind <= CRDT_VOTE ? kind : CRDT_NONE];
}
