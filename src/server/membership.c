/* Under which address the other gateways know this one, and what is kept about them. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "journal/members.h"
#include "journal/redis/redis_crdt_log.h"
#include "journal/redis/redis_members.h"
#include "journal/redis/redis_secret.h"
#include "src/base/buf.h"
#include "src/base/log.h"
#include "src/config/config.h"
#include "src/router/owners.h"
#include "src/router/router.h"
#include "src/server/server_internal.h"

static bool is_embedded(const struct config *config)
{
	return strncmp(config->journal_url, "embedded:", 9) == 0;
}

/* The first address that others may reach. */
static bool find_address(char *text, size_t size)
{
	struct ifaddrs *all;
	bool is_found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (struct ifaddrs *at = all; at && !is_found; at = at->ifa_next) {
		const struct sockaddr_in *address = (const void *)at->ifa_addr;

		if (!address || address->sin_family != AF_INET || !(at->ifa_flags & IFF_UP) ||
		    (at->ifa_flags & IFF_LOOPBACK))
			continue;
		is_found = inet_ntop(AF_INET, &address->sin_addr, text, (socklen_t)size) != NULL;
	}
	freeifaddrs(all);
	return is_found;
}

bool server_has_near_peers(const struct config *config)
{
	return is_embedded(config) && !config->peer_host[0] && !config->peer_address[0];
}

static void own_address(const struct config *config, char *text, size_t size)
{
	char host[MEMBER_ADDRESS_MAX] = "127.0.0.1";
	bool is_v6;

	if (config->peer_address[0]) {
		(void)snprintf(text, size, "%s", config->peer_address); /* too long: refused */
		return;
	}
	if (config->peer_host[0])
		(void)snprintf(host, sizeof(host), "%s", config->peer_host);
	else if (!is_embedded(config) && !find_address(host, sizeof(host)))
		(void)gethostname(host, sizeof(host) - 1); /* else loopback: better than none */
	is_v6 = strchr(host, ':') && host[0] != '[';
	(void)snprintf(text, size, is_v6 ? "[%s]:%u" : "%s:%u", host, (unsigned)config->peer_port);
}

static void on_answer(void *data)
{
	struct server *server = data;

	router_members_heard(server->router);
}

enum status server_open_members(struct server *server, void (*on_change)(void *data),
				struct error *err)
{
	char address[2 * MEMBER_ADDRESS_MAX];
	const struct redis_members_params params = {
		.address = address,
		.is_sole = is_embedded(server->config), /* the lock of its directory */
		.metrics = server->metrics,
		.on_change = on_change,
		.on_answer = on_answer,
		.data = server,
	};

	own_address(server->config, address, sizeof(address));
	if (redis_members_open(server->loop, server->journal, &params, &server->members, err) !=
	    ST_OK)
		return error_wrap(err, "peer.address");
	server->crdt_log = redis_crdt_log_open(server->loop, server->journal, server->members,
					       server->metrics, on_change, server);
	return ST_OK;
}

/* ---- owners ---------------------------------------------------------------------------------- */
static void log_secret(const char *from)
{
	LOG(INFO, PEER_SECRET, LOG_STR("from", from));
}

static void on_secret(void *data, struct span secret)
{
	struct server *server = data;

	owners_set_secret(server->owners, secret);
	log_secret("journal");
}

static enum status read_secret(struct server *server, struct error *err)
{
	struct buf secret;
	enum status status;

	buf_init(&secret, PEER_SECRET_MAX);
	status = config_read_secret(server->config->peer_secret_file, &secret, err);
	if (status == ST_OK && buf_len(&secret) < PEER_SECRET_MIN)
		status = error_set(err, ST_INVALID_ARGUMENT, "the secret has less than %zu bytes",
				   PEER_SECRET_MIN);
	if (status == ST_OK)
		owners_set_secret(server->owners, buf_span(&secret));
	buf_fini(&secret);
	if (status != ST_OK)
		return error_wrap(err, "peer.secret_file");
	log_secret("file");
	return ST_OK;
}

enum status server_open_owners(struct server *server, struct error *err)
{
	const struct config *config = server->config;

	if (is_embedded(config) && !config->is_worker) {
		if (config->peer_secret_file[0])
			return error_set(
				err, ST_INVALID_ARGUMENT,
				"peer.secret_file is for several gateways, and they need a "
				"journal that they share: this one's is embedded "
				"(journal.url)");
		return ST_OK;
	}
	server->owners = owners_new(&(struct owners_params){
		.loop = server->loop,
		.members = server->members,
		.journal = server->journal,
		.metrics = server->metrics,
		.ping_interval_ms = config->peer_ping_interval_ms,
		.dead_after_ms = config->peer_dead_after_ms,
		.max_message_bytes = config->function_max_message_bytes,
	});
	router_set_owners(server->router, server->owners);
	if (config->peer_secret_file[0])
		return read_secret(server, err);
	server->secret = redis_secret_open(server->loop, server->journal, on_secret, server);
	return ST_OK;
}
