#ifndef HEADGATE_HTTPAPI_FRONT_FRONT_H
#define HEADGATE_HTTPAPI_FRONT_FRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/status.h"

/* Everything that faces clients: the public listener (HTTP/1.1, HTTP/2, gRPC on one port), the
 * admin listener, and the extra metrics listener when one is configured. Calls go to the router as
 * exchanges; whatever can be answered here (probes, unknown paths, bad requests) is. */
struct api;
struct buf;
struct config;
struct error;
struct exchange;
struct front;
struct loop;
struct metrics;
struct owners;
struct route_match;
struct router;

/* Stands where the router stands, for a tool that wants to know what would come there. */
struct front_stage {
	/* A request has a route; what follows may still refuse it. match is borrowed. */
	void (*on_route)(void *data, const struct route_match *match);
	/* As router_accept. */
	void (*accept)(void *data, struct exchange *exchange);
	void *data;
};

struct front_params {
	const struct config *config; /* borrowed for the life of the front: addresses and limits */
	struct router *router;	     /* borrowed; NULL with a stage */
	const struct front_stage *stage; /* borrowed; NULL: calls go to the router */
	struct metrics *metrics;	 /* borrowed */
	struct owners *owners; /* borrowed; NULL: there is no port for the other gateways */
	bool has_near_peers;   /* the other members are on this machine: nobody else may come */
	/* What /ready says; reason is set when it is false. */
	bool (*is_ready)(void *data, const char **reason);
	/* Appends the JSON of /status. */
	void (*status_page)(void *data, struct buf *out);
	void *data;
};

/* Listens. Logs EV_LISTENING per listener with the fields listener ("ingress", "admin", "metrics",
 * "peers"), address and port. Errors as listen_open, naming the configuration key. */
MUST_CHECK enum status front_open(struct loop *loop, const struct front_params *params,
				  struct front **ret_front, struct error *err);

/* The bound TCP port of a listener, 0 when there is none or it is a unix socket. */
enum front_listener { FRONT_INGRESS, FRONT_ADMIN, FRONT_METRICS, FRONT_PEERS };
uint16_t front_port(const struct front *front, enum front_listener which);

/* Whether routes can be made of this API: every error is appended to reasons, one per line, and err
 * holds the first. */
MUST_CHECK enum status front_check_api(const struct front *front, struct api *api,
				       struct buf *reasons, struct error *err);

/* What to serve from now on: builds the routes of this API when it is not the one in force (which
 * running calls keep). NULL: nothing is known yet, calls get UNAVAILABLE. When the rules are wrong
 * the errors are logged, the API before stays in force and front_is_ready says why. */
void front_set_api(struct front *front, struct api *api);

/* False with a reason while the newest API could not be put in force. */
bool front_is_ready(const struct front *front, const char **reason);

/* Something that is_ready looks at may have changed: whoever watches hears of it. */
void front_note_ready(struct front *front);

/* Stops accepting calls: listeners close (the admin one stays), HTTP/2 clients get GOAWAY,
 * kept-alive connections close after their running request. on_done comes once no call is left. */
void front_drain(struct front *front, void (*on_done)(void *data), void *data);

/* Cuts what is left; exchanges get on_cancelled first. NULL is a no-op. */
void front_close(struct front *front);

#endif
