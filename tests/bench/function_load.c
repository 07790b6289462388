/* Loads a shopping cart function directly, as a gateway would: STREAMS entity streams on one
 * connection, one command in flight on each, for SECONDS. Prints commands/s and, given the
 * function's PID, its CPU time per command and its memory.
 *
 *   function_load TARGET STREAMS SECONDS read|write [PID]
 */

#include <grpc/byte_buffer.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Enough for the small messages made here. */
#define MESSAGE_MAX 512
#define PROC_MAX 1024

#define PREFIX "type.googleapis.com/com.example.shoppingcart."

struct message {
	unsigned char bytes[MESSAGE_MAX];
	size_t size;
};

struct stream {
	grpc_call *call;
	grpc_byte_buffer *in;
	grpc_byte_buffer *out;
	grpc_metadata_array initial;
	unsigned index;
	unsigned command_id;
};

struct load {
	grpc_channel *channel;
	grpc_completion_queue *queue;
	struct stream *streams;
	unsigned stream_count;
	bool is_write;
	bool is_over;
	unsigned open;
	unsigned long commands;
};

/* ---- Messages, by hand: all lengths are below 128 ---------------------------------------------
 */

static void put_field(struct message *message, unsigned number, const void *data, size_t size)
{
	message->bytes[message->size++] = (unsigned char)(number << 3 | 2);
	if (size >= 128)
		message->bytes[message->size++] = (unsigned char)(size & 0x7f) | 0x80;
	message->bytes[message->size++] = (unsigned char)(size < 128 ? size : size >> 7);
	memcpy(message->bytes + message->size, data, size);
	message->size += size;
}

static void put_text(struct message *message, unsigned number, const char *text)
{
	put_field(message, number, text, strlen(text));
}

static void put_number(struct message *message, unsigned number, unsigned value)
{
	message->bytes[message->size++] = (unsigned char)(number << 3);
	for (; value >= 128; value >>= 7)
		message->bytes[message->size++] = (unsigned char)(value | 0x80);
	message->bytes[message->size++] = (unsigned char)value;
}

static struct message make_init(const char *id)
{
	struct message init = {.size = 0};
	struct message in = {.size = 0};

	put_text(&init, 1, "com.example.shoppingcart.ShoppingCart");
	put_text(&init, 2, id);
	put_field(&in, 1, init.bytes, init.size);
	return in;
}

static struct message make_command(const char *id, unsigned command_id, bool is_write)
{
	struct message payload = {.size = 0};
	struct message any = {.size = 0};
	struct message command = {.size = 0};
	struct message in = {.size = 0};

	put_text(&payload, 1, id);
	if (is_write) {
		put_text(&payload, 2, "product-1");
		put_text(&payload, 3, "Punched cards");
		put_number(&payload, 4, 1);
	}
	put_text(&any, 1, is_write ? PREFIX "AddLineItem" : PREFIX "GetShoppingCart");
	put_field(&any, 2, payload.bytes, payload.size);
	put_text(&command, 1, id);
	put_number(&command, 2, command_id);
	put_text(&command, 3, is_write ? "AddItem" : "GetCart");
	put_field(&command, 4, any.bytes, any.size);
	put_field(&in, 3, command.bytes, command.size);
	return in;
}

/* ---- Streams ----------------------------------------------------------------------------------
 */

static grpc_byte_buffer *buffer_of(const struct message *message)
{
	grpc_slice slice =
		grpc_slice_from_copied_buffer((const char *)message->bytes, message->size);
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

	grpc_slice_unref(slice);
	return buffer;
}

static void start(struct stream *stream, const grpc_op *ops, size_t count)
{
	if (grpc_call_start_batch(stream->call, ops, count, stream, NULL) != GRPC_CALL_OK)
		(void)fprintf(stderr, "batch refused\n"); /* the count will be short */
}

static void open_stream(struct load *load, struct stream *stream)
{
	char id[32];
	grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA},
			  {.op = GRPC_OP_SEND_MESSAGE},
			  {.op = GRPC_OP_RECV_INITIAL_METADATA}};

	(void)snprintf(id, sizeof id, "cart-%u", stream->index);
	struct message init = make_init(id);
	stream->out = buffer_of(&init);
	stream->call = grpc_channel_create_call(
		load->channel, NULL, GRPC_PROPAGATE_DEFAULTS, load->queue,
		grpc_slice_from_static_string("/cloudstate.eventsourced.EventSourced/handle"), NULL,
		gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
	ops[0].flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY;
	ops[1].data.send_message.send_message = stream->out;
	ops[2].data.recv_initial_metadata.recv_initial_metadata = &stream->initial;
	start(stream, ops, 3);
	load->open++;
}

static void send_command(const struct load *load, struct stream *stream)
{
	char id[32];
	grpc_op ops[2] = {{.op = GRPC_OP_SEND_MESSAGE}, {.op = GRPC_OP_RECV_MESSAGE}};

	(void)snprintf(id, sizeof id, "cart-%u", stream->index);
	struct message command = make_command(id, ++stream->command_id, load->is_write);
	stream->out = buffer_of(&command);
	ops[0].data.send_message.send_message = stream->out;
	ops[1].data.recv_message.recv_message = &stream->in;
	start(stream, ops, 2);
}

static void on_complete(struct load *load, struct stream *stream, bool is_ok)
{
	bool has_answer = stream->command_id > 0;
	bool is_lost = !is_ok || (has_answer && !stream->in);

	grpc_byte_buffer_destroy(stream->out);
	grpc_byte_buffer_destroy(stream->in);
	stream->out = NULL;
	stream->in = NULL;
	if (is_lost)
		(void)fprintf(stderr, "stream %u broke\n", stream->index);
	else
		load->commands += has_answer;
	if (is_lost || load->is_over)
		load->open--;
	else
		send_command(load, stream);
}

/* ---- Measuring --------------------------------------------------------------------------------
 */

static double now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail with this clock */
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The text of /proc/PID/NAME; "" when there is none. */
static void read_proc(const char *pid, const char *name, char text[PROC_MAX])
{
	char path[64];

	text[0] = '\0';
	(void)snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
	FILE *file = fopen(path, "re");
	if (!file)
		return;
	if (!fgets(text, PROC_MAX, file))
		text[0] = '\0';
	(void)fclose(file); /* only read */
}

/* The number behind `skip` words of a text; 0 when it is not so long. */
static double word(const char *text, unsigned skip)
{
	for (; text && skip > 0; skip--)
		text = strchr(text + 1, ' ');
	return text ? strtod(text, NULL) : 0;
}

/* User and system seconds of a process; 0 when there is none. */
static double cpu_of(const char *pid)
{
	char text[PROC_MAX];

	read_proc(pid, "stat", text);
	const char *behind_name =
		strrchr(text, ')'); /* utime, stime: words 14, 15; the name is 2 */
	return (word(behind_name, 12) + word(behind_name, 13)) / (double)sysconf(_SC_CLK_TCK);
}

static double rss_kib_of(const char *pid)
{
	char text[PROC_MAX];

	read_proc(pid, "statm", text);
	return word(text, 1) * (double)sysconf(_SC_PAGESIZE) / 1024;
}

static void run(struct load *load, double seconds, const char *pid)
{
	double warm_until = now() + 0.3 + load->stream_count / 20000.0;
	double began = 0;
	double cpu = 0;
	unsigned long before = 0;

	while (load->open > 0) {
		grpc_event event = grpc_completion_queue_next(
			load->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
		on_complete(load, event.tag, event.success != 0);
		if (load->commands % 64 != 0 || load->is_over)
			continue;
		double time = now();
		if (began <= 0 && time >= warm_until) {
			began = time;
			before = load->commands;
			cpu = cpu_of(pid);
		} else if (began > 0 && time >= began + seconds) {
			double commands = (double)(load->commands - before);
			printf("%u streams: %.0f commands/s, %.2f us CPU each, %.0f KiB RSS\n",
			       load->stream_count, commands / (time - began),
			       (cpu_of(pid) - cpu) * 1e6 / commands, rss_kib_of(pid));
			load->is_over = true;
		}
	}
}

static void drain(grpc_completion_queue *queue)
{
	grpc_completion_queue_shutdown(queue);
	while (grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL).type !=
	       GRPC_QUEUE_SHUTDOWN)
		continue;
	grpc_completion_queue_destroy(queue);
}

int main(int argc, char **argv)
{
	struct load load = {0};

	if (argc < 5) {
		(void)fprintf(stderr,
			      "usage: function_load TARGET STREAMS SECONDS read|write [PID]\n");
		return EXIT_FAILURE;
	}
	grpc_init();
	grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
	load.stream_count = (unsigned)strtoul(argv[2], NULL, 10);
	load.is_write = strcmp(argv[4], "write") == 0;
	load.channel = grpc_channel_create(argv[1], credentials, NULL);
	load.queue = grpc_completion_queue_create_for_next(NULL);
	load.streams = calloc(load.stream_count, sizeof *load.streams);
	for (unsigned i = 0; load.streams && i < load.stream_count; i++) {
		load.streams[i].index = i;
		grpc_metadata_array_init(&load.streams[i].initial);
		open_stream(&load, &load.streams[i]);
	}
	run(&load, strtod(argv[3], NULL), argc > 5 ? argv[5] : "none");
	for (unsigned i = 0; load.streams && i < load.stream_count; i++) {
		grpc_call_unref(load.streams[i].call);
		grpc_metadata_array_destroy(&load.streams[i].initial);
	}
	grpc_channel_destroy(load.channel);
	drain(load.queue);
	grpc_channel_credentials_release(credentials);
	free(load.streams);
	grpc_shutdown_blocking();
	return EXIT_SUCCESS;
}
