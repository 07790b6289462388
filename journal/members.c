#include "journal/members.h"

#include <string.h>

void members_set_state(struct members *members, enum member_state state)
{
	members->ops->set_state(members, state);
}

bool members_is_settled(const struct members *members, const char **reason)
{
	return members->ops->is_settled(members, reason);
}

const struct member *members_view(const struct members *members, size_t *ret_count,
				  uint64_t *ret_version)
{
	return members->ops->view(members, ret_count, ret_version);
}

size_t members_up(const struct members *members)
{
	const char *own = members_address(members);
	uint64_t version;
	size_t count;
	const struct member *view = members_view(members, &count, &version);
	size_t up = 1;

	for (size_t i = 0; i < count; i++) {
		if (view[i].state == MEMBER_UP && strcmp(view[i].address, own) != 0)
			up++;
	}
	return up;
}

uint64_t members_ask(struct members *members)
{
	return members->ops->ask ? members->ops->ask(members) : 0;
}

uint64_t members_heard(const struct members *members)
{
	return members->ops->heard ? members->ops->heard(members) : 0;
}

const char *members_address(const struct members *members)
{
	return members->ops->address(members);
}

void members_leave(struct members *members, members_left_fn on_left, void *data)
{
	members->ops->leave(members, on_left, data);
}

void members_close(struct members *members)
{
	if (members)
		members->ops->close(members);
}
