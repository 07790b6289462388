#include "src/router/ownership.h"

#include <string.h>

#include "journal/members.h"
#include "journal/rendezvous.h"
#include "src/base/clock.h"
#include "src/base/mem.h"

struct ownership {
	char *own_address;
	bool takes_work;
	uint64_t version;
	size_t count;
	struct member *members; /* sorted by address */
	uint64_t *suspect_ns;	/* of each: until then it is passed over; 0: never */
	char *texts;		/* their addresses */
	size_t others;		/* UP, beside us */
	size_t own;		/* our place in members; count: we are not there */
	enum member_state own_state;
	uint64_t last_suspect_ns; /* the latest of suspect_ns */
};

struct ownership *ownership_new(const char *own_address)
{
	struct ownership *o = mem_new(struct ownership);

	o->own_address = mem_strdup(own_address);
	o->takes_work = true;
	return o;
}

static void drop_view(struct ownership *o)
{
	mem_free(o->members);
	mem_free(o->suspect_ns);
	mem_free(o->texts);
}

void ownership_free(struct ownership *o)
{
	if (!o)
		return;
	drop_view(o);
	mem_free(o->own_address);
	mem_free(o);
}

/* NULL: not in the view. */
static struct member *find(const struct ownership *o, const char *address)
{
	for (size_t i = 0; i < o->count; i++) {
		if (strcmp(o->members[i].address, address) == 0)
			return &o->members[i];
	}
	return NULL;
}

static uint64_t suspicion_of(const struct ownership *o, const struct member *member)
{
	const struct member *known = find(o, member->address);

	return known && known->incarnation == member->incarnation
		       ? o->suspect_ns[known - o->members]
		       : 0;
}

static void count_others(struct ownership *o)
{
	o->others = 0;
	for (size_t i = 0; i < o->count; i++)
		o->others += i != o->own && o->members[i].state == MEMBER_UP;
	if (o->own < o->count)
		o->members[o->own].state = o->takes_work ? o->own_state : MEMBER_LEAVING;
}

void ownership_set_view(struct ownership *o, const struct member *members, size_t count,
			uint64_t version)
{
	struct ownership fresh = *o;
	size_t bytes = 0;
	char *at;

	for (size_t i = 0; i < count; i++)
		bytes += strlen(members[i].address) + 1;
	fresh.members = mem_new_array(struct member, count + 1);
	fresh.suspect_ns = mem_new_array(uint64_t, count + 1);
	fresh.texts = mem_new_array(char, bytes + 1);
	fresh.count = count;
	fresh.version = version;
	fresh.own = count;
	fresh.own_state = MEMBER_STARTING;
	at = fresh.texts;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(members[i].address) + 1;

		fresh.members[i] = members[i];
		fresh.members[i].address = memcpy(at, members[i].address, len);
		at += len;
		fresh.suspect_ns[i] = suspicion_of(o, &members[i]);
		if (strcmp(members[i].address, o->own_address) != 0)
			continue;
		fresh.own = i;
		fresh.own_state = members[i].state;
	}
	drop_view(o);
	*o = fresh;
	count_others(o);
}

void ownership_set_self(struct ownership *o, bool takes_work)
{
	o->takes_work = takes_work;
	count_others(o);
}

bool ownership_is_shared(const struct ownership *o)
{
	return o->others > 0;
}

/* NULL: nobody. */
static const struct member *owner(const struct ownership *o, const bool *skipped, struct span type,
				  struct span id)
{
	return rendezvous_owner(o->members, o->count, skipped, type, id);
}

const char *ownership_owner(const struct ownership *o, struct span type, struct span id,
			    uint64_t now_ns)
{
	bool skipped[MEMBERS_MAX + 1] = {false};
	bool has_suspects = o->last_suspect_ns > now_ns;
	const struct member *best;

	if (!ownership_is_shared(o))
		return NULL;
	for (size_t i = 0; has_suspects && i < o->count && i <= MEMBERS_MAX; i++)
		skipped[i] = o->suspect_ns[i] > now_ns;
	best = owner(o, has_suspects ? skipped : NULL, type, id);
	return best && (size_t)(best - o->members) != o->own ? best->address : NULL;
}

bool ownership_is_ours(const struct ownership *o, struct span type, struct span id)
{
	const struct member *best;

	if (!ownership_is_shared(o))
		return true;
	best = owner(o, NULL, type, id);
	return best && (size_t)(best - o->members) == o->own;
}

bool ownership_suspect(struct ownership *o, const char *address, uint64_t now_ns)
{
	struct member *member = find(o, address);
	uint64_t until_ns = clock_deadline(now_ns, OWNERSHIP_SUSPICION_MS * NS_PER_MS);
	bool is_news;

	if (!member || (size_t)(member - o->members) == o->own)
		return false;
	is_news = o->suspect_ns[member - o->members] <= now_ns;
	o->suspect_ns[member - o->members] = until_ns;
	if (o->last_suspect_ns < until_ns)
		o->last_suspect_ns = until_ns;
	return is_news;
}

bool ownership_is_suspect(const struct ownership *o, const char *address, uint64_t now_ns)
{
	const struct member *member = find(o, address);

	return member && o->suspect_ns[member - o->members] > now_ns;
}

bool ownership_has_member(const struct ownership *o, const char *address)
{
	return find(o, address) != NULL;
}

uint64_t ownership_incarnation(const struct ownership *o, const char *address)
{
	const struct member *member = find(o, address);

	return member ? member->incarnation : 0;
}

uint64_t ownership_version(const struct ownership *o)
{
	return o->version;
}
