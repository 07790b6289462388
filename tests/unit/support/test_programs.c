/* The two user functions of this tree as programs: the shopping cart by its API, and the test
 * function by what each of its misbehaviours puts on the wire. */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "samples/shopping-cart/gen/shoppingcart.pb-c.h"
#include "tests/unit/support/function_client.h"
#include "tests/unit/support/stream_bytes.h"
#include "tests/unit/unit.h"

#define CART_PACKAGE "com.example.shoppingcart."
#define START_MS 30000
#define MISBEHAVIOUR(NAME) HEADGATE__TEST__MISBEHAVIOUR__##NAME

typedef Headgate__Test__Request Request;
typedef Cloudstate__Eventsourced__EventSourcedStreamOut StreamOut;

/* ---- Programs ---------------------------------------------------------------------------------
 */

struct program {
	pid_t pid;
	int err_fd; /* what it says on stderr */
	struct client client;
	struct client_stream stream;
	int64_t next_id;
};

static int port_in(const char *log)
{
	const char *at = strstr(log, "(port ");

	return at && strchr(at, ')') ? (int)strtol(at + strlen("(port "), NULL, 10) : 0;
}

static int read_port(int fd)
{
	char log[1024] = "";
	size_t used = 0;
	struct pollfd readable = {.fd = fd, .events = POLLIN};

	while (port_in(log) == 0) {
		assert_int_equal(poll(&readable, 1, START_MS), 1);
		ssize_t got = read(fd, log + used, sizeof log - 1 - used);
		assert_true(got > 0);
		used += (size_t)got;
	}
	return port_in(log);
}

static void exec_program(const char *path, int err_fd)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* should the test die, so does it */
	(void)setenv("HOST", "127.0.0.1", 1);	/* no memory: the wrong port, a failed test */
	(void)setenv("PORT", "0", 1);
	(void)dup2(err_fd, STDERR_FILENO); /* fails: no port is read, a failed test */
	(void)execl(path, path, (char *)NULL);
	_exit(127);
}

static void start_program(struct program *program, const char *name)
{
	const char *builddir = getenv("top_builddir");
	char path[512];
	char target[64];
	int fds[2];

	(void)snprintf(path, sizeof path, "%s/%s", builddir ? builddir : ".", name);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	program->pid = fork();
	assert_true(program->pid >= 0);
	if (program->pid == 0)
		exec_program(path, fds[1]);
	(void)close(fds[1]); /* the program's end */
	program->err_fd = fds[0];
	(void)snprintf(target, sizeof target, "ipv4:127.0.0.1:%d", read_port(fds[0]));
	grpc_init();
	client_init(&program->client, target);
}

/* SIGTERM, and it leaves with 0. */
static void stop_program(struct program *program)
{
	int status = -1;

	client_fini(&program->client);
	grpc_shutdown_blocking();
	assert_int_equal(kill(program->pid, SIGTERM), 0);
	assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
	(void)close(program->err_fd); /* only read */
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void open_entity(struct program *program, const char *service)
{
	struct stream_bytes init = stream_init(service, "e1", NULL, 0);

	program->next_id = 1;
	client_stream_open(&program->client, PATH_HANDLE, &program->stream);
	client_stream_send(&program->stream, init.data, init.size, false);
}

static grpc_status_code close_entity(struct program *program)
{
	client_stream_half_close(&program->stream);
	return client_stream_close(&program->stream);
}

static StreamOut *unpack_out(const struct received *received)
{
	return (StreamOut *)protobuf_c_message_unpack(
		&cloudstate__eventsourced__event_sourced_stream_out__descriptor, NULL,
		received->size, received->data);
}

static void drop(StreamOut *out)
{
	if (out)
		protobuf_c_message_free_unpacked(&out->base, NULL);
}

/* ---- The cart ---------------------------------------------------------------------------------
 */

static StreamOut *cart_command(struct program *program, const char *name,
			       const ProtobufCMessage *message)
{
	struct stream_bytes bytes = stream_message("e1", program->next_id++, name, message);

	client_stream_send(&program->stream, bytes.data, bytes.size, true);
	struct received received = client_stream_receive(&program->stream);
	assert_non_null(received.data);
	StreamOut *out = unpack_out(&received);
	assert_non_null(out);
	assert_int_equal(out->message_case,
			 CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_REPLY);
	received_fini(&received);
	return out;
}

/* "" = it went well. */
static void assert_failure(StreamOut *out, const char *text)
{
	const Cloudstate__ClientAction *action = out->reply->client_action;
	bool is_failure = action->action_case == CLOUDSTATE__CLIENT_ACTION__ACTION_FAILURE;

	assert_string_equal(is_failure ? action->failure->description : "", text);
	assert_int_equal(out->reply->n_events, is_failure ? 0 : 1);
	if (!is_failure)
		assert_string_equal(action->reply->payload->type_url,
				    "type.googleapis.com/google.protobuf.Empty");
	drop(out);
}

static void add(struct program *program, const char *product, int quantity, const char *failure)
{
	Com__Example__Shoppingcart__AddLineItem item =
		COM__EXAMPLE__SHOPPINGCART__ADD_LINE_ITEM__INIT;

	item.user_id = (char *)(uintptr_t) "e1";
	item.product_id = (char *)(uintptr_t)product;
	item.name = (char *)(uintptr_t) "Name";
	item.quantity = quantity;
	assert_failure(cart_command(program, "AddItem", &item.base), failure);
}

static void remove_item(struct program *program, const char *product, const char *failure)
{
	Com__Example__Shoppingcart__RemoveLineItem item =
		COM__EXAMPLE__SHOPPINGCART__REMOVE_LINE_ITEM__INIT;

	item.product_id = (char *)(uintptr_t)product;
	assert_failure(cart_command(program, "RemoveItem", &item.base), failure);
}

/* want: "product:quantity " for each item. */
static void assert_cart(struct program *program, const char *want)
{
	Com__Example__Shoppingcart__GetShoppingCart get =
		COM__EXAMPLE__SHOPPINGCART__GET_SHOPPING_CART__INIT;
	char text[256] = "";
	size_t used = 0;
	StreamOut *out = cart_command(program, "GetCart", &get.base);
	const Google__Protobuf__Any *any = out->reply->client_action->reply->payload;

	assert_string_equal(any->type_url, "type.googleapis.com/" CART_PACKAGE "Cart");
	Com__Example__Shoppingcart__Cart *cart =
		com__example__shoppingcart__cart__unpack(NULL, any->value.len, any->value.data);
	assert_non_null(cart);
	for (size_t i = 0; i < cart->n_items && used < sizeof text; i++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s:%d ",
					 cart->items[i]->product_id, cart->items[i]->quantity);
	assert_string_equal(text, want);
	com__example__shoppingcart__cart__free_unpacked(cart, NULL);
	drop(out);
}

static void test_cart(void **state)
{
	struct program program;

	(void)state;
	start_program(&program, "samples/shopping-cart/shopping-cart");
	open_entity(&program, CART_PACKAGE "ShoppingCart");
	assert_cart(&program, "");
	add(&program, "p1", 2, "");
	add(&program, "p2", 1, "");
	add(&program, "p1", 3, "");
	assert_cart(&program, "p1:5 p2:1 ");
	add(&program, "p1", 0, "Cannot add negative quantity to item p1");
	add(&program, "p1", -3, "Cannot add negative quantity to item p1");
	add(&program, "p1", INT32_MAX, "Too many of item p1");
	remove_item(&program, "p3", "Item p3 not in cart");
	remove_item(&program, "p1", "");
	remove_item(&program, "p1", "Item p1 not in cart");
	add(&program, "p3", 4, "");
	assert_cart(&program, "p2:1 p3:4 ");
	assert_int_equal(close_entity(&program), GRPC_STATUS_OK);
	stop_program(&program);
}

/* ---- The test function ------------------------------------------------------------------------
 */

enum answer { NOTHING_EVER, STREAM_ENDS, NOT_PROTOBUF, NO_CASE, REPLY, FAILURE };

static enum answer kind_of(const struct received *received, const StreamOut *out)
{
	if (!received->data)
		return STREAM_ENDS;
	if (!out)
		return NOT_PROTOBUF;
	if (out->message_case == CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_REPLY)
		return REPLY;
	if (out->message_case ==
	    CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_FAILURE)
		return FAILURE;
	return NO_CASE;
}

struct misbehaviour_row {
	const char *name;
	int misbehave;
	enum answer answer;
	int64_t command_id;
	size_t event_count;
	bool is_restart;
	bool has_snapshot;
	bool has_action;
};

static void check_out(const struct misbehaviour_row *row, const StreamOut *out)
{
	if (row->answer == FAILURE)
		UNIT_ROW(row->name, out->failure->command_id == row->command_id);
	if (row->answer != REPLY)
		return;
	const Cloudstate__ClientAction *action = out->reply->client_action;
	bool is_restart = action &&
			  action->action_case == CLOUDSTATE__CLIENT_ACTION__ACTION_FAILURE &&
			  action->failure->restart;
	UNIT_ROW(row->name, out->reply->command_id == row->command_id);
	UNIT_ROW(row->name, out->reply->n_events == row->event_count);
	UNIT_ROW(row->name, !out->reply->snapshot == !row->has_snapshot);
	UNIT_ROW(row->name, !action == !row->has_action);
	UNIT_ROW(row->name, is_restart == row->is_restart);
}

static void misbehave(struct program *program, const struct misbehaviour_row *row)
{
	Request request = HEADGATE__TEST__REQUEST__INIT;

	request.id = (char *)(uintptr_t) "e1";
	request.emit = 2;
	request.misbehave = (Headgate__Test__Misbehaviour)row->misbehave;
	open_entity(program, "headgate.test.Entity");
	struct stream_bytes bytes = stream_command("e1", 1, "Process", &request);
	client_stream_send(&program->stream, bytes.data, bytes.size, true);
	if (row->answer == NOTHING_EVER) /* then closing our side gets the status and no message */
		client_stream_half_close(&program->stream);
	struct received received = client_stream_receive(&program->stream);
	StreamOut *out = received.data ? unpack_out(&received) : NULL;
	enum answer want = row->answer == NOTHING_EVER ? STREAM_ENDS : row->answer;
	UNIT_ROW(row->name, kind_of(&received, out) == want);
	if (out)
		check_out(row, out);
	drop(out);
	received_fini(&received);
	if (row->answer == REPLY || row->answer == NO_CASE || row->answer == NOT_PROTOBUF)
		client_stream_half_close(&program->stream);
	grpc_status_code status = client_stream_close(&program->stream);
	bool is_abort = row->misbehave == MISBEHAVIOUR(ABORT_STREAM);
	UNIT_ROW(row->name, status == (is_abort ? GRPC_STATUS_INTERNAL : GRPC_STATUS_OK));
}

static void test_misbehaviours(void **state)
{
	static const struct misbehaviour_row rows[] = {
		{"none", MISBEHAVIOUR(NONE), REPLY, 1, 2, false, false, true},
		{"abort", MISBEHAVIOUR(ABORT_STREAM), STREAM_ENDS},
		{"end", MISBEHAVIOUR(END_STREAM), STREAM_ENDS},
		{"wrong id", MISBEHAVIOUR(WRONG_ID), REPLY, 2, 2, false, false, true},
		{"empty", MISBEHAVIOUR(EMPTY_MESSAGE), NO_CASE},
		{"garbage", MISBEHAVIOUR(GARBAGE), NOT_PROTOBUF},
		{"hang", MISBEHAVIOUR(HANG), NOTHING_EVER},
		{"failure", MISBEHAVIOUR(FAILURE_MESSAGE), FAILURE, 1},
		{"failure for none", MISBEHAVIOUR(FAILURE_ZERO), FAILURE, 0},
		{"no action", MISBEHAVIOUR(NO_ACTION), REPLY, 1, 2, false, false, false},
		{"fail, events", MISBEHAVIOUR(FAIL_WITH_EVENTS), REPLY, 1, 2, false, false, true},
		{"restart", MISBEHAVIOUR(RESTART_WITH_EVENTS), REPLY, 1, 2, true, false, true},
		{"snapshot", MISBEHAVIOUR(SNAPSHOT), REPLY, 1, 2, false, true, true},
		{"bad code", MISBEHAVIOUR(BAD_CODE), REPLY, 1, 2, false, false, true},
	};
	struct program program;

	(void)state;
	start_program(&program, "tests/fakes/testfunction");
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		misbehave(&program, &rows[i]);
	stop_program(&program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cart),
		cmocka_unit_test(test_misbehaviours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
