#ifndef HEADGATE_SRC_RUNTIME_ADDRESS_H
#define HEADGATE_SRC_RUNTIME_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

struct error;

#define ADDRESS_HOST_MAX 256
#define ADDRESS_PATH_MAX 4096

/* Where to listen or connect: TCP host and port, or the path of a unix socket. */
struct address {
	bool is_unix;
	uint16_t port;
	char host[ADDRESS_HOST_MAX]; /* name, IPv4 or IPv6 literal without brackets */
	char path[ADDRESS_PATH_MAX]; /* unix only; longer than sun_path is reached through
					/proc/self/fd */
};

/* Reads "host:port", "[v6]:port", ":port", "port" (host becomes default_host) or "unix:PATH". */
MUST_CHECK enum status address_parse(struct span text, const char *default_host,
				     struct address *ret_address, struct error *err);

/* "host:port" or "unix:PATH", cut to size. */
void address_print(const struct address *address, char *text, size_t size);

#endif
