/* A server that echoes every request body, for h2load (`h2_echo [PORT] [SECONDS]`). At the end it
 * prints the requests it answered and the CPU each of them cost this process: the floor under
 * everything the gateway does per request. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/h2/h2.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "src/runtime/signals.h"
#include "src/runtime/timer.h"

struct bench {
	struct loop *loop;
	struct listen *listen;
	struct h2_limits limits;
	uint64_t requests;
};

static const struct h2_header head_items[] = {
	{SPAN_LIT(":status"), SPAN_LIT("200")},
	{SPAN_LIT("content-type"), SPAN_LIT("application/grpc")},
};
static const struct h2_headers head = {head_items, 2};
static const struct h2_header trailer_items[] = {{SPAN_LIT("grpc-status"), SPAN_LIT("0")}};
static const struct h2_headers trailers = {trailer_items, 1};

static void on_end(void *data, struct h2_stream *stream)
{
	struct bench *bench = data;
	struct span body = h2_stream_peek(stream);

	bench->requests++;
	h2_stream_respond(stream, &head, false);
	if (h2_stream_write(stream, body) != ST_OK) {
		h2_stream_reset(stream, H2_INTERNAL_ERROR);
		return;
	}
	h2_stream_consume(stream, body.len);
	h2_stream_end_with_trailers(stream, &trailers);
}

static const struct h2_stream_ops stream_ops = {.on_end = on_end};

static void on_request(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	(void)headers;
	h2_stream_set_ops(stream, &stream_ops, data);
}

static const struct h2_session_ops session_ops = {.on_request = on_request};

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct bench *bench = data;

	(void)peer;
	(void)peer_len;
	(void)h2_server_new(bench->loop, fd, &bench->limits, &session_ops, bench);
}

static void on_signal(void *data, int signal_number)
{
	(void)signal_number;
	loop_stop(((struct bench *)data)->loop);
}

static void on_time_over(void *data)
{
	loop_stop(((struct bench *)data)->loop);
}

static void report(const struct bench *bench)
{
	struct rusage usage;
	uint64_t cpu_us;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return;
	cpu_us = (uint64_t)usage.ru_utime.tv_sec * 1000000U + (uint64_t)usage.ru_utime.tv_usec +
		 (uint64_t)usage.ru_stime.tv_sec * 1000000U + (uint64_t)usage.ru_stime.tv_usec;
	printf("requests %" PRIu64 ", CPU %.2f us each, peak RSS %ld kB\n", bench->requests,
	       bench->requests ? (double)cpu_us / (double)bench->requests : 0, usage.ru_maxrss);
}

int main(int argc, char **argv)
{
	struct address address = {.port = 0, .host = "127.0.0.1"};
	struct bench bench = {.limits = h2_limits_default()};
	struct signals *signals;
	struct timer timer;
	struct error error;
	uint64_t number;

	if (argc > 1 && text_to_u64(span_from_str(argv[1]), &number))
		address.port = (uint16_t)number;
	if (loop_new(&bench.loop, &error) != ST_OK ||
	    listen_open(bench.loop, &address, on_accept, &bench, &bench.listen, &error) != ST_OK) {
		fprintf(stderr, "h2_echo: %s\n", error.message);
		return 1;
	}
	signals = signals_start(bench.loop, on_signal, &bench);
	timer_init(&timer, bench.loop, on_time_over, &bench);
	if (argc > 2 && text_to_u64(span_from_str(argv[2]), &number))
		timer_start_in(&timer, number * 1000);
	printf("listening on 127.0.0.1:%u\n", listen_port(bench.listen));
	fflush(stdout);
	loop_run(bench.loop);
	report(&bench);
	timer_stop(&timer);
	signals_stop(signals);
	listen_close(bench.listen);
	return 0; /* open connections and the loop go with the process */
}
