#ifndef HEADGATE_TESTS_FAKES_STREAM_FUNCTION_H
#define HEADGATE_TESTS_FAKES_STREAM_FUNCTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/status.h"
#include "tests/fakes/front_client.h"
#include "tests/fakes/front_world.h"

/* A front, one client and, behind it, a function of the test that speaks in streams. */
struct exchange;

/* Replies of the function in JSON: the number counts them. */
#define STREAM_ITEM(n) "{\"name\":\"n\",\"number\":\"" #n "\",\"text\":\"\"}"

/* And its failure, of code 9. */
#define STREAM_FAILED "{\"code\":9,\"message\":\"it \\\"failed\\\"\\n\",\"details\":[]}"

/* The mark above which a function stops sending. Spec: src/router/exchange.h */
#define STREAM_UNSENT_HIGH ((size_t)64 * 1024)

/* The function: one call at a time. */
struct stream_function {
	/* what it does */
	unsigned emit;	    /* replies after the first message of the request */
	size_t padding;	    /* bytes of text in each */
	bool is_echo;	    /* a reply to each message */
	bool is_greeting;   /* a reply before any message */
	bool is_raw;	    /* replies are HttpBody */
	bool is_silent;	    /* no reply at all */
	bool is_held;	    /* does not finish by itself */
	bool is_bad;	    /* the last reply is no message */
	bool reads_on_call; /* asks for the next message only when the test does */
	bool ignores_unsent;
	enum status end;
	/* what it saw */
	struct exchange *exchange; /* NULL: none, finished or cancelled */
	unsigned calls;
	unsigned got;
	unsigned sent;
	unsigned drained;
	size_t unsent_max;
	bool has_half_close;
	bool is_cancelled;
	enum status why;
	uint64_t deadline_ns;
	struct buf names; /* of the messages, "a,b," */
	struct buf wire;  /* scratch */
};

struct stream_world {
	struct front_world world;
	struct front_client client;
	struct stream_function function;
};

/* flags: as of front_world_init. */
void stream_world_init(struct stream_world *stream, const char *const *flags);
void stream_world_fini(struct stream_world *stream);

/* From now on the function is this one; what it saw is forgotten. */
void stream_be(struct stream_world *stream, struct stream_function what);

/* One reply; the end. */
void stream_send(struct stream_world *stream);
void stream_finish(struct stream_world *stream);

/* A whole request and its whole answer, which the client keeps. body: NULL: none. */
void stream_ask(struct stream_world *stream, bool is_http2, const char *method, const char *path,
		const char *headers, const char *body);

/* Waits until so many messages have reached the function, for a flag of it. */
void stream_wait_got(struct stream_world *stream, unsigned count);
void stream_wait(struct stream_world *stream, bool *flag);

/* True when text occurs in the head of the answer. */
bool stream_head_has(struct stream_world *stream, const char *text);

#endif
