#include "support/c/headgate/function.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "support/c/discovery.h"
#include "support/c/server.h"

/* What Headgate takes from a function at once. */
#define MESSAGE_BYTES_DEFAULT ((size_t)12 * 1024 * 1024)

/* gRPC counts message sizes in an int. */
#define MESSAGE_BYTES_MAX ((size_t)1024 * 1024 * 1024)

#define THREADS_MAX 256
#define STOP_GRACE_MS_DEFAULT 1000
#define ADDRESS_MAX 512

/* More than any set of .proto files, and a guard against reading the wrong file. */
#define DESCRIPTOR_SET_MAX (64L * 1024 * 1024)

struct headgate_function {
	struct hg_type **types;
	size_t type_count;
	struct hg_action_type **action_types;
	size_t action_type_count;
	struct hg_crdt_type **crdt_types;
	size_t crdt_type_count;
	void *descriptor_set;
	struct hg_buf entity_spec;
	struct hg_server *server;
};

const char *headgate_function_version(void)
{
	return PACKAGE_VERSION;
}

/* ---- The descriptor set -----------------------------------------------------------------------
 */

static int read_all(FILE *file, const char *path, struct headgate_bytes *ret_bytes,
		    struct headgate_error *err)
{
	if (fseek(file, 0, SEEK_END) != 0)
		return hg_error(err, "%s: %s", path, strerror(errno));
	long size = ftell(file);
	if (size <= 0 || size > DESCRIPTOR_SET_MAX)
		return hg_error(err, "%s is empty or too large for a descriptor set", path);
	rewind(file);
	void *data = malloc((size_t)size);
	if (!data)
		return hg_error(err, "out of memory");
	if (fread(data, 1, (size_t)size, file) != (size_t)size) {
		free(data);
		return hg_error(err, "%s: cannot be read", path);
	}
	*ret_bytes = (struct headgate_bytes){.data = data, .size = (size_t)size};
	return 0;
}

/* Both ways give owned bytes. */
static int load_descriptor_set(const struct headgate_function_params *params,
			       struct headgate_bytes *ret_bytes, struct headgate_error *err)
{
	if (params->descriptor_set.size > 0) {
		void *copy = malloc(params->descriptor_set.size);
		if (!copy)
			return hg_error(err, "out of memory");
		memcpy(copy, params->descriptor_set.data, params->descriptor_set.size);
		ret_bytes->data = copy;
		ret_bytes->size = params->descriptor_set.size;
		return 0;
	}
	if (!params->descriptor_set_path)
		return hg_error(err, "a function needs a descriptor set");
	FILE *file = fopen(params->descriptor_set_path, "rbe");
	if (!file)
		return hg_error(err, "%s: %s", params->descriptor_set_path, strerror(errno));
	int result = read_all(file, params->descriptor_set_path, ret_bytes, err);
	(void)fclose(file); /* only read */
	return result;
}

/* ---- The address ------------------------------------------------------------------------------
 */

static const char *environment(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value && value[0] ? value : otherwise;
}

static int choose_address(const char *listen, char address[ADDRESS_MAX], struct headgate_error *err)
{
	const char *host = environment("HOST", "127.0.0.1");
	const char *port = environment("PORT", "8080");
	int length;

	if (listen)
		length = snprintf(address, ADDRESS_MAX, "%s", listen);
	else if (strncmp(host, "unix:", 5) == 0)
		length = snprintf(address, ADDRESS_MAX, "%s", host);
	else if (strchr(host, ':') && host[0] != '[')
		length = snprintf(address, ADDRESS_MAX, "[%s]:%s", host, port);
	else
		length = snprintf(address, ADDRESS_MAX, "%s:%s", host, port);
	if (length < 0 || length >= ADDRESS_MAX)
		return hg_error(err, "the address to listen on is too long");
	return 0;
}

/* ---- Life -------------------------------------------------------------------------------------
 */

static int make_action_types(struct headgate_function *function,
			     const struct headgate_function_params *params,
			     struct headgate_bytes descriptor_set, struct headgate_error *err)
{
	if (params->action_count == 0)
		return 0;
	function->action_types = calloc(params->action_count, sizeof(struct hg_action_type *));
	if (!function->action_types)
		return hg_error(err, "out of memory");
	for (size_t i = 0; i < params->action_count; i++) {
		if (hg_action_type_new(params->actions[i], descriptor_set,
				       &function->action_types[i], err))
			return -1;
		function->action_type_count++;
	}
	return 0;
}

static int make_crdt_types(struct headgate_function *function,
			   const struct headgate_function_params *params,
			   struct headgate_bytes descriptor_set, struct headgate_error *err)
{
	if (params->crdt_count == 0)
		return 0;
	function->crdt_types = calloc(params->crdt_count, sizeof(struct hg_crdt_type *));
	if (!function->crdt_types)
		return hg_error(err, "out of memory");
	for (size_t i = 0; i < params->crdt_count; i++) {
		if (hg_crdt_type_new(params->crdts[i], descriptor_set, &function->crdt_types[i],
				     err))
			return -1;
		function->crdt_type_count++;
	}
	return 0;
}

static int make_types(struct headgate_function *function,
		      const struct headgate_function_params *params,
		      struct headgate_bytes descriptor_set, struct headgate_error *err)
{
	size_t count = params->entity_count + params->value_entity_count;

	if (count == 0)
		return params->action_count > 0 || params->crdt_count > 0
			       ? 0
			       : hg_error(err, "a function needs an entity or an action");
	function->types = calloc(count, sizeof(struct hg_type *));
	if (!function->types)
		return hg_error(err, "out of memory");
	for (size_t i = 0; i < params->entity_count; i++) {
		if (hg_type_new(params->entities[i], descriptor_set, &function->types[i], err))
			return -1;
		function->type_count++;
	}
	for (size_t i = 0; i < params->value_entity_count; i++) {
		if (hg_type_new_value(params->value_entities[i], descriptor_set,
				      &function->types[function->type_count], err))
			return -1;
		function->type_count++;
	}
	return 0;
}

static int check_params(const struct headgate_function_params *params, struct headgate_error *err)
{
	if (params->threads > THREADS_MAX)
		return hg_error(err, "more than %d threads", THREADS_MAX);
	if (params->max_message_bytes > MESSAGE_BYTES_MAX)
		return hg_error(err, "max_message_bytes is above 1 GiB");
	if (params->stop_grace_ms > INT_MAX)
		return hg_error(err, "stop_grace_ms is too large");
	return 0;
}

static int make_server(struct headgate_function *function,
		       const struct headgate_function_params *params, struct headgate_error *err)
{
	char address[ADDRESS_MAX];
	size_t max_message_bytes = params->max_message_bytes;

	if (choose_address(params->listen, address, err))
		return -1;
	struct hg_server_params server_params = {
		.types = (const struct hg_type *const *)function->types,
		.type_count = function->type_count,
		.action_types = (const struct hg_action_type *const *)function->action_types,
		.action_type_count = function->action_type_count,
		.crdt_types = (const struct hg_crdt_type *const *)function->crdt_types,
		.crdt_type_count = function->crdt_type_count,
		.entity_spec = {function->entity_spec.data, function->entity_spec.size},
		.address = address,
		.threads = params->threads > 0 ? params->threads : 1,
		.max_message_bytes =
			max_message_bytes > 0 ? max_message_bytes : MESSAGE_BYTES_DEFAULT,
		.stop_grace_ms =
			params->stop_grace_ms > 0 ? params->stop_grace_ms : STOP_GRACE_MS_DEFAULT,
		.log = {.on_log = params->on_log ? params->on_log : hg_log_to_stderr,
			.data = params->log_data},
	};
	if (hg_server_new(&server_params, &function->server, err))
		return -1;
	if (function->server->port > 0)
		hg_log(&server_params.log, HEADGATE_LOG_INFO, "function listens on %s (port %d)",
		       address, function->server->port);
	else
		hg_log(&server_params.log, HEADGATE_LOG_INFO, "function listens on %s", address);
	return 0;
}

static int build(struct headgate_function *function, const struct headgate_function_params *params,
		 struct headgate_error *err)
{
	struct headgate_bytes descriptor_set = {0};
	char runtime[64];

	if (check_params(params, err) || load_descriptor_set(params, &descriptor_set, err))
		return -1;
	function->descriptor_set = (void *)(uintptr_t)descriptor_set.data;
	if (make_types(function, params, descriptor_set, err) ||
	    make_action_types(function, params, descriptor_set, err) ||
	    make_crdt_types(function, params, descriptor_set, err))
		return -1;
	(void)snprintf(runtime, sizeof runtime, "C, gRPC core %s", grpc_version_string());
	struct hg_service_info info = {.service_name = params->service_name,
				       .service_version = params->service_version,
				       .runtime = runtime};
	struct hg_services services = {
		.types = (const struct hg_type *const *)function->types,
		.type_count = function->type_count,
		.action_types = (const struct hg_action_type *const *)function->action_types,
		.action_type_count = function->action_type_count,
		.crdt_types = (const struct hg_crdt_type *const *)function->crdt_types,
		.crdt_type_count = function->crdt_type_count,
	};
	hg_append_entity_spec(&function->entity_spec, descriptor_set, &services, &info);
	if (function->entity_spec.has_failed)
		return hg_error(err, "out of memory");
	return make_server(function, params, err);
}

int headgate_function_new(const struct headgate_function_params *params,
			  struct headgate_function **ret_function, struct headgate_error *err)
{
	struct headgate_function *function = calloc(1, sizeof *function);

	if (!function)
		return hg_error(err, "out of memory");
	if (build(function, params, err)) {
		headgate_function_free(function);
		return -1;
	}
	*ret_function = function;
	return 0;
}

int headgate_function_port(const struct headgate_function *function)
{
	return function->server->port;
}

int headgate_function_run(struct headgate_function *function, struct headgate_error *err)
{
	return hg_server_run(function->server, err);
}

void headgate_function_stop(struct headgate_function *function)
{
	hg_server_stop(function->server);
}

void headgate_function_free(struct headgate_function *function)
{
	if (!function)
		return;
	hg_server_free(function->server);
	for (size_t i = 0; i < function->type_count; i++)
		hg_type_free(function->types[i]);
	free(function->types);
	for (size_t i = 0; i < function->action_type_count; i++)
		hg_action_type_free(function->action_types[i]);
	free(function->action_types);
	for (size_t i = 0; i < function->crdt_type_count; i++)
		hg_crdt_type_free(function->crdt_types[i]);
	free(function->crdt_types);
	free(function->descriptor_set);
	hg_buf_fini(&function->entity_spec);
	free(function);
}

/* SIGTERM and SIGINT as a descriptor. Blocked before gRPC makes its threads, which inherit that. */
static int catch_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set); /* these three cannot fail with valid signals */
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int headgate_function_main(const struct headgate_function_params *params)
{
	struct headgate_function *function = NULL;
	struct headgate_error err = {""};
	int signal_fd = catch_signals();
	int result = headgate_function_new(params, &function, &err);

	if (function) {
		function->server->signal_fd = signal_fd;
		result = headgate_function_run(function, &err);
	}
	if (result)
		(void)fprintf(stderr, "%s\n", err.text); /* nowhere left to report to */
	headgate_function_free(function);
	if (signal_fd >= 0)
		(void)close(signal_fd); /* only read */
	return result ? EXIT_FAILURE : EXIT_SUCCESS;
}
