/* A closed-loop load generator for the shopping cart: CLIENTS connections, one call in flight on
 * each, over gRPC, HTTP/1.1 or both in turn. Built on the project's own client side, so that it
 * costs the machine little; the integration tests use independent clients. Prints one JSON object.
 */
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/channel.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"
#include "src/runtime/timer.h"

#define LATENCY_SLOTS 200000U /* one per microsecond; slower ones share the last */
#define REQUEST_BYTES_MAX ((size_t)1024)
#define REPLY_BYTES_MAX ((size_t)1024 * 1024)

enum protocol { PROTOCOL_GRPC, PROTOCOL_HTTP1 };
enum mode { MODE_READ, MODE_WRITE, MODE_TOUCH, MODE_VALUE };

struct load;

struct client {
	struct load *load;
	struct channel *channel; /* gRPC */
	struct stream *stream;	 /* HTTP/1.1 */
	struct buf request;
	struct buf reply;
	uint64_t began_ns;
};

struct load {
	struct loop *loop;
	struct address address;
	enum protocol protocol;
	enum mode mode;
	unsigned client_count;
	uint64_t seconds;
	uint64_t ops_left; /* calls still to start; --seconds ends it sooner */
	uint64_t key_count;
	uint64_t touch_next; /* MODE_TOUCH: every key once */
	const char *key_prefix;
	struct client *clients;
	struct timer end_timer;
	bool is_over;
	unsigned busy;
	uint64_t random;
	uint64_t began_ns;
	uint64_t done_count;
	uint64_t error_count;
	char first_error[256];
	uint32_t latency[LATENCY_SLOTS];
};

static void client_next(struct client *client);

static uint64_t load_random(struct load *load)
{
	load->random ^= load->random << 13;
	load->random ^= load->random >> 7;
	load->random ^= load->random << 17;
	return load->random;
}

static void load_error(struct load *load, struct span what)
{
	if (load->error_count++ == 0)
		(void)snprintf(load->first_error, sizeof(load->first_error), "%.*s",
			       SPAN_FMT(span_head(what, 200)));
}

static void client_done(struct client *client)
{
	struct load *load = client->load;
	uint64_t took_us = (clock_mono_ns() - client->began_ns) / 1000;

	load->done_count++;
	load->latency[took_us < LATENCY_SLOTS ? took_us : LATENCY_SLOTS - 1]++;
	client_next(client);
}

/* The key of the next call; false when MODE_TOUCH went through all of them. */
static bool load_key(struct load *load, char *key, size_t size)
{
	uint64_t n = load_random(load) % load->key_count;

	if (load->mode == MODE_TOUCH) {
		if (load->touch_next >= load->key_count)
			return false;
		n = load->touch_next++;
	}
	(void)snprintf(key, size, "%s%" PRIu64, load->key_prefix, n);
	return true;
}

static void client_idle(struct client *client)
{
	if (--client->load->busy == 0)
		loop_stop(client->load->loop);
}

/* ---- gRPC ---- */

static void client_on_unary(void *data, const struct grpc_status *status, struct span reply)
{
	struct client *client = data;

	(void)reply; /* only its arrival counts */
	if (status->code != ST_OK)
		load_error(client->load, status->message);
	client_done(client);
}

static void client_send_grpc(struct client *client, const char *key)
{
	static const char *const paths[] = {
		[MODE_READ] = "/com.example.shoppingcart.ShoppingCart/GetCart",
		[MODE_WRITE] = "/com.example.shoppingcart.ShoppingCart/AddItem",
		[MODE_TOUCH] = "/com.example.shoppingcart.ShoppingCart/GetCart",
		[MODE_VALUE] = "/headgate.test.Register/Process",
	};
	enum mode mode = client->load->mode;
	struct grpc_client_params params = {
		.path = paths[mode],
		.deadline_ns = clock_mono_ns() + 20 * NS_PER_S,
		.open_deadline_ns = DEADLINE_NEVER,
		.wait_for_ready = true,
		.max_message_bytes = REPLY_BYTES_MAX,
	};
	struct wire_writer writer;

	buf_reset(&client->request);
	wire_writer_init(&writer, &client->request);
	wire_put_bytes_field(&writer, 1, span_from_str(key));
	if (mode == MODE_VALUE)
		wire_put_uint_field(&writer, 2, 1); /* adds 1 */
	if (mode == MODE_WRITE) {
		wire_put_bytes_field(&writer, 2, SPAN_LIT("A14362347"));
		wire_put_bytes_field(&writer, 3, SPAN_LIT("Deluxe"));
		wire_put_uint_field(&writer, 4, 1);
	}
	BUG_ON(!wire_finish(&writer)); /* far below REQUEST_BYTES_MAX */
	wire_writer_fini(&writer);
	(void)grpc_unary_start(client->load->loop, client->channel, &params,
			       buf_span(&client->request), client_on_unary, client);
}

static void client_on_channel(void *data, enum channel_state state, const struct error *error)
{
	(void)data;
	(void)state;
	(void)error; /* a failed connection shows as failed calls */
}

/* ---- HTTP/1.1 ---- */

static void client_send_http1(struct client *client, const char *key)
{
	static const char body[] =
		"{\"productId\":\"A14362347\",\"name\":\"Deluxe\",\"quantity\":1}";

	buf_reset(&client->request);
	if (client->load->mode == MODE_WRITE)
		(void)buf_printf(&client->request,
				 "POST /cart/%s/items/add HTTP/1.1\r\nHost: bench\r\n"
				 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
				 key, sizeof(body) - 1, body);
	else
		(void)buf_printf(&client->request, "GET /carts/%s HTTP/1.1\r\nHost: bench\r\n\r\n",
				 key);
	stream_want_write(client->stream);
}

static void client_on_connected(void *data)
{
	client_next(data);
}

static void client_on_produce(void *data, struct buf *out)
{
	struct client *client = data;

	(void)buf_append(out, buf_span(&client->request)); /* far below the chunk size */
	buf_reset(&client->request);
}

/* The length of the first whole answer in text, 0 when more bytes are needed. */
static size_t http1_answer_length(struct span text)
{
	const char *head = (const char *)text.data;
	const char *end = memmem(head, text.len, "\r\n\r\n", 4);
	const char *length;
	uint64_t body = 0;

	if (!end)
		return 0;
	length = memmem(head, (size_t)(end - head), "ontent-Length: ", 15);
	if (!length)
		length = memmem(head, (size_t)(end - head), "ontent-length: ", 15);
	if (length)
		body = strtoull(length + 15, NULL, 10);
	if (text.len < (size_t)(end + 4 - head) + body)
		return 0;
	return (size_t)(end + 4 - head) + (size_t)body;
}

static void client_on_read(void *data, struct span bytes)
{
	struct client *client = data;
	size_t length;

	if (!buf_append(&client->reply, bytes)) {
		load_error(client->load, SPAN_LIT("answer too large"));
		return;
	}
	length = http1_answer_length(buf_span(&client->reply));
	if (length == 0)
		return;
	if (!span_starts_with(buf_span(&client->reply), SPAN_LIT("HTTP/1.1 200")))
		load_error(client->load, buf_span(&client->reply));
	buf_consume(&client->reply, length);
	client_done(client);
}

static void client_on_closed(void *data, const struct error *error)
{
	struct client *client = data;

	client->stream = NULL;
	load_error(client->load, span_from_str(error->message[0] ? error->message : "closed"));
	client_idle(client);
}

static const struct stream_ops client_stream_ops = {
	.on_connected = client_on_connected,
	.on_read = client_on_read,
	.on_produce = client_on_produce,
	.on_closed = client_on_closed,
};

/* ---- the loop ---- */

static void client_next(struct client *client)
{
	char key[64];
	struct load *load = client->load;

	if (load->is_over || load->ops_left == 0 || !load_key(load, key, sizeof(key))) {
		client_idle(client);
		return;
	}
	load->ops_left--;
	client->began_ns = clock_mono_ns();
	if (load->protocol == PROTOCOL_GRPC)
		client_send_grpc(client, key);
	else
		client_send_http1(client, key);
}

static void client_start(struct load *load, struct client *client)
{
	struct channel_params params = {
		.backoff_min_ms = 100,
		.backoff_max_ms = 1000,
		.connect_timeout_ms = 5000,
		.max_waiting = 16,
		.limits = h2_limits_default(),
	};

	client->load = load;
	buf_init(&client->request, REQUEST_BYTES_MAX);
	buf_init(&client->reply, REPLY_BYTES_MAX);
	load->busy++;
	if (load->protocol == PROTOCOL_GRPC) {
		client->channel = channel_open(load->loop, &load->address, &params,
					       client_on_channel, client);
		client_next(client);
		return;
	}
	client->stream = stream_connect(load->loop, &load->address, clock_mono_ns() + 5 * NS_PER_S,
					&client_stream_ops, client);
}

static void client_stop(struct client *client)
{
	channel_close(client->channel);
	stream_close(client->stream);
	buf_fini(&client->request);
	buf_fini(&client->reply);
}

static void load_on_end(void *data)
{
	struct load *load = data;

	load->is_over = true;
}

static uint64_t load_percentile(const struct load *load, unsigned percent)
{
	uint64_t rank = load->done_count * percent / 100;
	uint64_t seen = 0;

	for (uint64_t slot = 0; slot < LATENCY_SLOTS; slot++) {
		seen += load->latency[slot];
		if (seen > rank)
			return slot;
	}
	return LATENCY_SLOTS;
}

static void load_print(const struct load *load)
{
	double seconds = (double)(clock_mono_ns() - load->began_ns) / (double)NS_PER_S;
	struct buf quoted;
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage); /* cannot fail */
	buf_init(&quoted, 2048);
	(void)text_json_quote(span_from_str(load->first_error), &quoted); /* fits */
	printf("{\"ops\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"first_error\":%.*s,"
	       "\"ops_per_s\":%.0f,\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64
	       ",\"load_cpu_us_per_op\":%.2f}\n",
	       load->done_count, load->error_count, SPAN_FMT(buf_span(&quoted)),
	       (double)load->done_count / seconds, load_percentile(load, 50),
	       load_percentile(load, 99),
	       ((double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
		(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)) /
		       (double)(load->done_count ? load->done_count : 1));
	buf_fini(&quoted);
}

static const char usage[] =
	"usage: load --target HOST:PORT [--protocol grpc|http1] [--mode read|write|touch|value]\n"
	"            [--clients N] [--seconds N] [--ops N] [--keys N] [--prefix TEXT]\n"
	"touch reads every key once and stops; the others pick keys at random. value\n"
	"updates value entities of the test function and speaks gRPC only.\n";

static bool load_option(struct load *load, int option, const char *value, struct error *err)
{
	switch (option) {
	case 't':
		return address_parse(span_from_str(value), "127.0.0.1", &load->address, err) ==
		       ST_OK;
	case 'p':
		load->protocol = strcmp(value, "http1") == 0 ? PROTOCOL_HTTP1 : PROTOCOL_GRPC;
		return true;
	case 'm':
		load->mode = strcmp(value, "write") == 0   ? MODE_WRITE
			     : strcmp(value, "touch") == 0 ? MODE_TOUCH
			     : strcmp(value, "value") == 0 ? MODE_VALUE
							   : MODE_READ;
		return true;
	case 'c':
		load->client_count = (unsigned)strtoul(value, NULL, 10);
		return load->client_count > 0 && load->client_count <= 10000;
	case 's':
		load->seconds = strtoull(value, NULL, 10);
		return load->seconds > 0;
	case 'o':
		load->ops_left = strtoull(value, NULL, 10);
		return load->ops_left > 0;
	case 'k':
		load->key_count = strtoull(value, NULL, 10);
		return load->key_count > 0;
	case 'x':
		load->key_prefix = value;
		return true;
	default:
		return false;
	}
}

static bool load_options(struct load *load, int argc, char **argv)
{
	static const struct option options[] = {{"target", required_argument, NULL, 't'},
						{"protocol", required_argument, NULL, 'p'},
						{"mode", required_argument, NULL, 'm'},
						{"clients", required_argument, NULL, 'c'},
						{"seconds", required_argument, NULL, 's'},
						{"ops", required_argument, NULL, 'o'},
						{"keys", required_argument, NULL, 'k'},
						{"prefix", required_argument, NULL, 'x'},
						{NULL, 0, NULL, 0}};
	struct error err = {0};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!load_option(load, option, optarg, &err))
			return false;
	return load->address.port != 0 || load->address.is_unix;
}

int main(int argc, char **argv)
{
	struct load *load = mem_new(struct load);
	struct error err;

	*load = (struct load){.client_count = 64,
			      .seconds = 3,
			      .ops_left = UINT64_MAX,
			      .key_count = 1000,
			      .key_prefix = "bench-",
			      .random = clock_mono_ns() | 1};
	if (!load_options(load, argc, argv)) {
		(void)fputs(usage, stderr);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* a lost peer is an error to count */
	if (loop_new(&load->loop, &err) != ST_OK) {
		(void)fprintf(stderr, "load: %s\n", err.message);
		return 1;
	}
	load->clients = mem_new_array(struct client, load->client_count);
	load->began_ns = clock_mono_ns();
	timer_init(&load->end_timer, load->loop, load_on_end, load);
	if (load->mode != MODE_TOUCH)
		timer_start(&load->end_timer,
			    clock_deadline(load->began_ns, load->seconds * NS_PER_S));
	for (unsigned i = 0; i < load->client_count; i++)
		client_start(load, &load->clients[i]);
	loop_run(load->loop);
	load_print(load);
	timer_stop(&load->end_timer);
	for (unsigned i = 0; i < load->client_count; i++)
		client_stop(&load->clients[i]);
	loop_free(load->loop);
	mem_free(load->clients);
	mem_free(load);
	return 0;
}
