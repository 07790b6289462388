/* A session: the library's state machine between a loop stream and our h2_streams.
 *
 *   on_read    -> mem_recv -> callbacks write down -> h2_dispatch tells owners
 *   turn's end -> on_produce -> mem_send           -> (task) h2_dispatch
 *
 * One timer serves all waits of a session; it is set to the earliest deadline and looks again when
 * it fires, so reading and opening streams never touch the heap. */
#include <string.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/h2/h2_internal.h"
#include "src/runtime/stream.h"

/* Resets are counted over windows of this length. */
#define H2_RESET_WINDOW_NS (30 * NS_PER_S)

/* So are PINGs. Clients ask for a sign of life every few seconds at the most; those that measure
 * the connection do so while replies come. */
#define H2_PING_WINDOW_NS (10 * NS_PER_S)

/* A client sends what is left of a request for so long after it got the whole reply. */
#define H2_LINGER_MS ((uint64_t)1000)

/* Between shutdown notice and final GOAWAY when the PING in between is not answered. */
#define H2_DRAIN_RTT_NS (1 * NS_PER_S)

static const uint8_t keepalive_payload[8] = {'k', 'e', 'e', 'p'};
static const uint8_t drain_payload[8] = {'d', 'r', 'a', 'i', 'n'};

static uint64_t now_of(const struct h2_session *session)
{
	return loop_now_ns(session->loop);
}

static uint64_t wait_ms(uint64_t from_ns, uint64_t wait)
{
	uint64_t wait_ns;

	if (from_ns == DEADLINE_NEVER || __builtin_mul_overflow(wait, NS_PER_MS, &wait_ns))
		return DEADLINE_NEVER;
	return clock_deadline(from_ns, wait_ns);
}

static uint64_t keepalive_due_ns(const struct h2_session *session)
{
	if (session->limits.keepalive_idle_ms == 0 || session->ping_deadline_ns != DEADLINE_NEVER)
		return DEADLINE_NEVER;
	return wait_ms(session->last_read_ns, session->limits.keepalive_idle_ms);
}

static uint64_t idle_due_ns(const struct h2_session *session)
{
	if (!session->is_server || session->is_draining || session->stream_count > 0)
		return DEADLINE_NEVER;
	return wait_ms(session->idle_since_ns, session->limits.idle_timeout_ms);
}

static uint64_t linger_due_ns(const struct h2_session *session)
{
	if (list_is_empty(&session->lingering))
		return DEADLINE_NEVER;
	return list_entry(session->lingering.next, struct h2_stream, linger_node)->linger_until_ns;
}

static uint64_t take_due_ns(const struct h2_session *session)
{
	if (list_is_empty(&session->untaken))
		return DEADLINE_NEVER;
	return list_entry(session->untaken.next, struct h2_stream, take_node)->take_until_ns;
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns < b_ns ? a_ns : b_ns;
}

/* The timer only ever moves forward in time here; a deadline that moved away is found out when it
 * fires. */
static void arm(struct h2_session *session)
{
	uint64_t due_ns = earlier(session->settings_deadline_ns, session->ping_deadline_ns);

	due_ns = earlier(due_ns, session->drain_deadline_ns);
	due_ns = earlier(due_ns, keepalive_due_ns(session));
	due_ns = earlier(due_ns, idle_due_ns(session));
	due_ns = earlier(due_ns, linger_due_ns(session));
	due_ns = earlier(due_ns, take_due_ns(session));
	if (due_ns == DEADLINE_NEVER || session->is_ending)
		return;
	if (!timer_is_set(&session->timer) || due_ns < session->timer.deadline_ns)
		timer_start(&session->timer, due_ns);
}

/* Spec: RFC 9113 8.1. Not at once: common clients take a reset that comes right behind the reply,
 * while they still send, for a failure and throw the reply away. */
void h2_session_linger(struct h2_session *session, struct h2_stream *stream)
{
	stream->linger_until_ns = wait_ms(now_of(session), H2_LINGER_MS);
	list_remove(&stream->linger_node);
	list_push_back(&session->lingering, &stream->linger_node);
	arm(session);
}

static void reset_lingering(struct h2_session *session, uint64_t now_ns)
{
	while (linger_due_ns(session) <= now_ns) {
		struct list *node = list_pop_front(&session->lingering);
		struct h2_stream *stream = list_entry(node, struct h2_stream, linger_node);

		/* Fails without memory only; then the client's own end closes the stream. */
		(void)nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream->id,
						NGHTTP2_NO_ERROR);
	}
}

void h2_session_await_taking(struct h2_session *session, struct h2_stream *stream)
{
	stream->take_until_ns = wait_ms(now_of(session), session->limits.take_timeout_ms);
	list_remove(&stream->take_node);
	list_push_back(&session->untaken, &stream->take_node);
	arm(session);
}

static void reset_untaken(struct h2_session *session, uint64_t now_ns)
{
	while (take_due_ns(session) <= now_ns)
		h2_stream_reset(list_entry(session->untaken.next, struct h2_stream, take_node),
				NGHTTP2_CANCEL); /* and leaves the list */
}

void h2_session_wake(struct h2_session *session)
{
	if (session->socket)
		stream_want_write(session->socket);
}

void h2_session_mark(struct h2_session *session, struct h2_stream *stream)
{
	if (!list_is_linked(&stream->dirty_node))
		list_push_back(&session->dirty, &stream->dirty_node);
}

void h2_session_credit(struct h2_session *session)
{
	if (session->withheld_bytes == 0 ||
	    session->unread_bytes > session->limits.max_unread_bytes)
		return;
	/* Fails only for a session that is over. */
	(void)nghttp2_session_consume_connection(session->ng, session->withheld_bytes);
	session->withheld_bytes = 0;
	h2_session_wake(session);
}

/* The peer is not there any more: nobody to say goodbye to. */
static void abort_session(struct h2_session *session, const char *why)
{
	session->end_status = ST_UNAVAILABLE;
	session->end_text = why;
	h2_session_close(session);
}

void h2_session_refuse(struct h2_session *session, uint32_t h2_code, const char *why)
{
	if (session->end_status != ST_OK)
		return;
	session->end_status =
		h2_code == NGHTTP2_ENHANCE_YOUR_CALM ? ST_RESOURCE_EXHAUSTED : ST_UNAVAILABLE;
	session->end_text = why;
	/* Fails without memory only; the connection is closed either way. */
	(void)nghttp2_session_terminate_session(session->ng, h2_code);
	loop_task_schedule(session->loop, &session->dispatch_task);
}

void h2_session_count_reset(struct h2_session *session, bool by_peer)
{
	uint64_t now_ns = now_of(session);

	if (session->ops->on_reset)
		session->ops->on_reset(session->data, by_peer);
	if (!session->is_server) /* the function may well cancel all entities at once */
		return;
	if (now_ns >= session->reset_window_end_ns) {
		session->reset_window_end_ns = now_ns + H2_RESET_WINDOW_NS;
		session->reset_count = 0;
	}
	if (++session->reset_count > session->limits.max_resets)
		h2_session_refuse(session, NGHTTP2_ENHANCE_YOUR_CALM, "too many stream resets");
}

void h2_session_count_ping(struct h2_session *session)
{
	/* By this text gRPC clients know that they are to send fewer. */
	static const char text[] = "too_many_pings";
	uint64_t now_ns = now_of(session);

	if (!session->is_server)
		return;
	if (now_ns >= session->ping_window_end_ns) {
		session->ping_window_end_ns = now_ns + H2_PING_WINDOW_NS;
		session->ping_count = 0;
	}
	if (++session->ping_count <= session->limits.max_pings || session->end_status != ST_OK)
		return;
	/* Fails without memory only; the connection is closed either way. */
	(void)nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
				    nghttp2_session_get_last_proc_stream_id(session->ng),
				    NGHTTP2_ENHANCE_YOUR_CALM, (const uint8_t *)text,
				    sizeof(text) - 1);
	h2_session_refuse(session, NGHTTP2_ENHANCE_YOUR_CALM, "too many PINGs");
}

static void submit_final_goaway(struct h2_session *session)
{
	session->drain_deadline_ns = DEADLINE_NEVER;
	/* Fails without memory only; then the owner's shutdown deadline closes. */
	(void)nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE,
				    nghttp2_session_get_last_proc_stream_id(session->ng),
				    NGHTTP2_NO_ERROR, NULL, 0);
	h2_session_wake(session);
}

void h2_session_ping_acked(struct h2_session *session, const uint8_t payload[8])
{
	if (memcmp(payload, drain_payload, sizeof(drain_payload)) == 0 &&
	    session->drain_deadline_ns != DEADLINE_NEVER)
		submit_final_goaway(session);
}

void h2_session_drain(struct h2_session *session)
{
	if (session->is_draining || session->is_ending || !session->socket)
		return;
	session->is_draining = true;
	/* These fail without memory only; then the deadline sends the final GOAWAY alone. */
	(void)nghttp2_submit_shutdown_notice(session->ng);
	(void)nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, drain_payload);
	session->drain_deadline_ns = clock_deadline(now_of(session), H2_DRAIN_RTT_NS);
	arm(session);
	h2_session_wake(session);
}

/* The connection is of no use any more: streams are lost now, the last bytes still leave. */
static void end_session(struct h2_session *session)
{
	if (session->is_ending)
		return;
	session->is_ending = true;
	session->is_goaway = true;
	timer_stop(&session->timer);
	list_for_each_safe (it, &session->streams) {
		struct h2_stream *stream = list_entry(it, struct h2_stream, node);

		h2_stream_closed(stream, false, true, NGHTTP2_CANCEL);
	}
	stream_shutdown(session->socket);
}

/* The library has nothing to say or to hear: GOAWAY was exchanged and the streams are done, or the
 * peer broke the protocol and was told so. */
static bool is_done(const struct h2_session *session)
{
	return !nghttp2_session_want_read(session->ng) && !nghttp2_session_want_write(session->ng);
}

static void check_end(struct h2_session *session)
{
	if (session->is_ending || !session->socket)
		return;
	if (session->end_status == ST_OK) {
		if (!is_done(session))
			return;
		if (!session->is_draining && !session->is_goaway) {
			session->end_status = ST_UNAVAILABLE;
			session->end_text = "the peer broke the protocol";
		}
	}
	end_session(session);
}

/* Tells what is pending, and again what ending the session adds. */
static void settle(struct h2_session *session)
{
	check_end(session);
	if (!h2_dispatch(session))
		return;
	if (session->stream_count == 0 && session->idle_since_ns == DEADLINE_NEVER)
		session->idle_since_ns = now_of(session);
	else if (session->stream_count > 0)
		session->idle_since_ns = DEADLINE_NEVER;
	arm(session);
}

static void on_socket_read(void *data, struct span bytes)
{
	struct h2_session *session = OBJ_CAST(struct h2_session, H2_SESSION_MAGIC, data);
	ssize_t n;

	session->last_read_ns = now_of(session);
	session->ping_deadline_ns = DEADLINE_NEVER;
	n = nghttp2_session_mem_recv(session->ng, bytes.data, bytes.len);
	if (n < 0)
		h2_session_refuse(session,
				  n == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM
							   : NGHTTP2_PROTOCOL_ERROR,
				  nghttp2_strerror((int)n));
	h2_session_wake(session);
	settle(session);
}

static void on_socket_produce(void *data, struct buf *out)
{
	struct h2_session *session = OBJ_CAST(struct h2_session, H2_SESSION_MAGIC, data);
	const uint8_t *bytes;
	ssize_t n = 0;

	while (buf_len(out) < STREAM_CHUNK_BYTES) {
		n = nghttp2_session_mem_send(session->ng, &bytes);
		if (n <= 0 || !buf_append(out, span_make(bytes, (size_t)n)))
			break;
	}
	if (n < 0)
		h2_session_refuse(session, NGHTTP2_INTERNAL_ERROR, nghttp2_strerror((int)n));
	if (!list_is_empty(&session->dirty) || (n == 0 && is_done(session)))
		loop_task_schedule(session->loop, &session->dispatch_task);
}

static void on_dispatch_task(void *data);

/* The connection is gone: everyone hears of it, then the session is freed. */
static void session_gone(struct h2_session *session, const struct error *error)
{
	void (*on_closed)(void *, struct h2_session *, const struct error *) =
		session->ops->on_closed;
	struct error why = *error;

	session->socket = NULL;
	session->is_goaway = true;
	list_for_each_safe (it, &session->streams) {
		struct h2_stream *stream = list_entry(it, struct h2_stream, node);

		h2_stream_closed(stream, false, true, NGHTTP2_CANCEL);
	}
	if (!h2_dispatch(session))
		return;
	if (session->end_status != ST_OK)
		(void)error_set(&why, session->end_status, "%s", session->end_text);
	session->depth++;
	if (on_closed && !session->is_freed)
		on_closed(session->data, session, &why);
	session->depth--;
	h2_session_destroy(session);
}

static void on_socket_closed(void *data, const struct error *error)
{
	session_gone(OBJ_CAST(struct h2_session, H2_SESSION_MAGIC, data), error);
}

static void on_socket_connected(void *data)
{
	struct h2_session *session = OBJ_CAST(struct h2_session, H2_SESSION_MAGIC, data);

	session->last_read_ns = now_of(session);
	session->settings_deadline_ns =
		wait_ms(now_of(session), session->limits.settings_timeout_ms);
	arm(session);
	h2_session_wake(session);
}

static const struct stream_ops socket_ops = {
	.on_connected = on_socket_connected,
	.on_read = on_socket_read,
	.on_produce = on_socket_produce,
	.on_closed = on_socket_closed,
};

static void on_dispatch_task(void *data)
{
	struct h2_session *session = OBJ_CAST(struct h2_session, H2_SESSION_MAGIC, data);
	struct error why = {.status = ST_OK};

	if (!session->is_close_asked) {
		settle(session);
		return;
	}
	(void)error_set(&why, ST_CANCELLED, "closed by us");
	stream_close(session->socket);
	session_gone(session, &why);
}

static void on_session_timer(void *data)
{
	struct h2_session *session = OBJ_CAST(struct h2_session, H2_SESSION_MAGIC, data);
	uint64_t now_ns = now_of(session);

	if (now_ns >= session->settings_deadline_ns) {
		session->settings_deadline_ns = DEADLINE_NEVER;
		abort_session(session, "the peer did not send its SETTINGS in time");
	} else if (now_ns >= session->ping_deadline_ns) {
		session->ping_deadline_ns = DEADLINE_NEVER;
		abort_session(session, "the peer did not answer a PING");
	}
	if (now_ns >= session->drain_deadline_ns)
		submit_final_goaway(session);
	reset_lingering(session, now_ns);
	reset_untaken(session, now_ns);
	if (now_ns >= idle_due_ns(session))
		h2_session_drain(session);
	if (now_ns >= keepalive_due_ns(session) && session->limits.keepalive_needs_stream &&
	    session->open_count == 0) {
		session->last_read_ns = now_ns; /* looks again after as long a silence */
	} else if (now_ns >= keepalive_due_ns(session)) {
		session->ping_deadline_ns = wait_ms(now_ns, session->limits.keepalive_timeout_ms);
		/* Fails without memory only; then the deadline closes. */
		(void)nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, keepalive_payload);
	}
	h2_session_wake(session);
	arm(session);
}

static struct h2_session *session_new(struct loop *loop, const struct h2_limits *limits,
				      const struct h2_session_ops *ops, void *data, bool is_server)
{
	struct h2_session *session = mem_new(struct h2_session);

	session->magic = H2_SESSION_MAGIC;
	session->loop = loop;
	session->ops = ops;
	session->data = data;
	session->limits = *limits;
	session->is_server = is_server;
	list_init(&session->streams);
	list_init(&session->dirty);
	list_init(&session->lingering);
	list_init(&session->untaken);
	loop_task_init(&session->dispatch_task, on_dispatch_task, session);
	timer_init(&session->timer, loop, on_session_timer, session);
	session->settings_deadline_ns = DEADLINE_NEVER;
	session->ping_deadline_ns = DEADLINE_NEVER;
	session->drain_deadline_ns = DEADLINE_NEVER;
	session->last_read_ns = DEADLINE_NEVER; /* until connected */
	session->idle_since_ns = loop_now_ns(loop);
	session->ng = h2_callbacks_new_session(session);
	return session;
}

struct h2_session *h2_server_new(struct loop *loop, int fd, const struct h2_limits *limits,
				 const struct h2_session_ops *ops, void *data)
{
	struct h2_session *session = session_new(loop, limits, ops, data, true);

	session->socket = stream_from_fd(loop, fd, &socket_ops, session);
	on_socket_connected(session);
	return session;
}

struct h2_session *h2_client_new(struct loop *loop, const struct address *address,
				 uint64_t connect_deadline_ns, const struct h2_limits *limits,
				 const struct h2_session_ops *ops, void *data)
{
	struct h2_session *session = session_new(loop, limits, ops, data, false);

	session->socket = stream_connect(loop, address, connect_deadline_ns, &socket_ops, session);
	stream_set_trunk(session->socket);
	return session;
}

size_t h2_session_stream_count(const struct h2_session *session)
{
	return session->stream_count;
}

const char *h2_session_peer(const struct h2_session *session)
{
	return session->socket ? stream_peer(session->socket) : "";
}

void h2_session_close(struct h2_session *session)
{
	session->is_close_asked = true;
	loop_task_schedule(session->loop, &session->dispatch_task);
}

void h2_session_free(struct h2_session *session)
{
	if (!session)
		return;
	session->is_freed = true;
	if (session->depth == 0)
		h2_session_destroy(session);
}

void h2_session_cut(struct h2_session *session)
{
	struct list *node;

	session->is_goaway = true;
	session->depth++;
	list_for_each_safe (it, &session->streams)
		h2_stream_closed(list_entry(it, struct h2_stream, node), false, true,
				 NGHTTP2_CANCEL);
	/* A callback may be running that holds a stream, so none is freed here. */
	while (!session->is_freed && (node = list_pop_front(&session->dirty))) {
		struct h2_stream *stream = list_entry(node, struct h2_stream, dirty_node);
		const struct h2_stream_ops *ops = stream->ops;

		stream->ops = NULL;
		if (ops && ops->on_closed)
			ops->on_closed(stream->data, stream, false, true, NGHTTP2_CANCEL);
	}
	session->depth--;
	h2_session_free(session);
}
