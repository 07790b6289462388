#include "src/router/owners.h"

#include "journal/members.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/router/damping.h"
#include "src/router/ownership.h"
#include "src/runtime/loop.h"

struct owners {
	struct owners_params params;
	struct ownership *ownership;
	struct forwards *forwards;
	struct damping *damping;
	struct peer_auth *auth;
	uint64_t placed[2];			 /* here, forwarded */
	struct metrics_series *placed_series[2]; /* all NULL without metrics */
	struct metrics_series *view_version;
	struct metrics_series *handovers;
	struct metrics_series *moved;
	struct metrics_series *damped;
};

static void make_metrics(struct owners *owners, struct metrics *metrics)
{
	static const char *const names[] = {"here", "forwarded"};

	for (size_t i = 0; i < 2; i++) {
		const struct metrics_label label = {"where", span_from_str(names[i])};

		owners->placed_series[i] =
			metrics_series(metrics, METRIC_COMMANDS_PLACED, &label, 1);
	}
	owners->view_version = metrics_series(metrics, METRIC_VIEW_VERSION, NULL, 0);
	owners->handovers = metrics_series(metrics, METRIC_HANDOVERS, NULL, 0);
	owners->moved = metrics_series(metrics, METRIC_COMMANDS_HANDED_OVER, NULL, 0);
	owners->damped = metrics_series(metrics, METRIC_COMMANDS_DAMPED, NULL, 0);
}

static void count(struct metrics_series *series, uint64_t n)
{
	if (series)
		metrics_add(series, n);
}

struct owners *owners_new(const struct owners_params *params)
{
	struct owners *owners = mem_new(struct owners);

	owners->params = *params;
	owners->ownership = ownership_new(members_address(params->members));
	owners->damping = damping_new();
	owners->forwards = forwards_new(&(struct forwards_params){
		.loop = params->loop,
		.ownership = owners->ownership,
		.metrics = params->metrics,
		.ping_interval_ms = params->ping_interval_ms,
		.dead_after_ms = params->dead_after_ms,
		.max_message_bytes = params->max_message_bytes,
	});
	if (params->metrics)
		make_metrics(owners, params->metrics);
	return owners;
}

void owners_free(struct owners *owners)
{
	if (!owners)
		return;
	forwards_free(owners->forwards);
	damping_free(owners->damping);
	ownership_free(owners->ownership);
	peer_auth_free(owners->auth);
	mem_free(owners);
}

void owners_set_secret(struct owners *owners, struct span secret)
{
	peer_auth_free(owners->auth);
	owners->auth = peer_auth_new(secret, owners->params.journal->incarnation);
	forwards_set_auth(owners->forwards, owners->auth);
}

struct peer_auth *owners_auth(const struct owners *owners)
{
	return owners->auth;
}

const char *owners_own_address(const struct owners *owners)
{
	return members_address(owners->params.members);
}

void owners_view_changed(struct owners *owners)
{
	uint64_t version;
	size_t count;
	const struct member *view = members_view(owners->params.members, &count, &version);

	if (version == ownership_version(owners->ownership))
		return;
	ownership_set_view(owners->ownership, view, count, version);
	forwards_tidy(owners->forwards);
	if (owners->view_version)
		metrics_set(owners->view_version, (int64_t)version);
}

void owners_leave(struct owners *owners)
{
	ownership_set_self(owners->ownership, false);
}

/* ---- commands -------------------------------------------------------------------------------- */
const char *owners_place(struct owners *owners, struct span type, struct span id,
			 const struct peer_call *forwarded)
{
	const char *address = NULL;

	if (!ownership_is_shared(owners->ownership) || !owners->auth)
		return NULL;
	if (!forwarded || forwarded->hop < OWNERS_HOPS_MAX)
		address = ownership_owner(owners->ownership, type, id,
					  loop_now_ns(owners->params.loop));
	owners->placed[address != NULL]++;
	count(owners->placed_series[address != NULL], 1);
	return address;
}

bool owners_is_behind(const struct owners *owners, const struct peer_call *forwarded)
{
	return forwarded && forwarded->hop < OWNERS_HOPS_MAX &&
	       forwarded->view_version > ownership_version(owners->ownership);
}

uint64_t owners_ask(struct owners *owners)
{
	return members_ask(owners->params.members);
}

uint64_t owners_heard(const struct owners *owners)
{
	return members_heard(owners->params.members);
}

bool owners_is_elsewhere(const struct owners *owners, struct span type, struct span id)
{
	return owners->auth && ownership_owner(owners->ownership, type, id,
					       loop_now_ns(owners->params.loop)) != NULL;
}

void owners_conflict(struct owners *owners, struct span type, struct span id)
{
	damping_conflict(owners->damping, type, id, loop_now_ns(owners->params.loop));
}

bool owners_is_damped(const struct owners *owners, struct span type, struct span id)
{
	return damping_is_refusing(owners->damping, type, id, loop_now_ns(owners->params.loop)) &&
	       !ownership_is_ours(owners->ownership, type, id);
}

void owners_command_damped(struct owners *owners)
{
	count(owners->damped, 1);
}

struct journal_id owners_new_id(struct owners *owners)
{
	return journal_new_id(owners->params.journal);
}

struct forwards *owners_forwards(const struct owners *owners)
{
	return owners->forwards;
}

/* ---- what is shown --------------------------------------------------------------------------- */
void owners_handed_over(struct owners *owners, size_t entities)
{
	if (entities == 0)
		return;
	count(owners->handovers, entities);
	LOG(INFO, HANDED_OVER, LOG_UINT("entities", entities),
	    LOG_UINT("version", ownership_version(owners->ownership)));
}

void owners_command_moved(struct owners *owners)
{
	count(owners->moved, 1);
}

struct owners_shares owners_shares(const struct owners *owners)
{
	return (struct owners_shares){
		.here = owners->placed[0],
		.forwarded = owners->placed[1],
		.version = ownership_version(owners->ownership),
	};
}

bool owners_is_suspect(const struct owners *owners, const char *address)
{
	return ownership_is_suspect(owners->ownership, address, loop_now_ns(owners->params.loop));
}
