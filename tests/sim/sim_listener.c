/* httpapi/front/listener.h without sockets: who connects speaks HTTP/2 at once. */
#include "httpapi/front/listener.h"

#include "src/base/mem.h"
#include "src/runtime/listen.h"

struct listener {
	struct listener_params params;
	struct listen *listen;
	struct http2 *http2;
};

static void on_closed(void *data, void *token)
{
	(void)data;
	(void)token;
}

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct listener *listener = data;

	(void)peer;
	(void)peer_len;
	http2_add(listener->http2, fd, listener);
}

enum status listener_open(struct loop *loop, const struct listener_params *params,
			  struct listener **ret_listener, struct error *err)
{
	struct listener *listener = mem_new(struct listener);
	struct http2_params http2 = params->http2;
	enum status status;

	listener->params = *params;
	http2.on_closed = on_closed;
	listener->http2 = http2_open(loop, &http2);
	status = listen_open(loop, params->address, on_accept, listener, &listener->listen, err);
	*ret_listener = listener;
	return status;
}

uint16_t listener_port(const struct listener *listener)
{
	return listener->listen ? listen_port(listener->listen) : 0;
}

size_t listener_active(const struct listener *listener)
{
	return http2_active(listener->http2);
}

void listener_drain(struct listener *listener)
{
	listen_close(listener->listen);
	listener->listen = NULL;
	http2_drain(listener->http2);
}

void listener_close(struct listener *listener)
{
	if (!listener)
		return;
	listen_close(listener->listen);
	http2_close(listener->http2);
	mem_free(listener);
}
