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
#include "src/config/config.h"
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

enum status server_open_members(struct server *server, void (*on_change)(void *data),
				struct error *err)
{
	char address[2 * MEMBER_ADDRESS_MAX];
	const struct redis_members_params params = {
		.address = address,
		.is_sole = is_embedded(server->config), /* the lock of its directory */
		.metrics = server->metrics,
		.on_change = on_change,
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
