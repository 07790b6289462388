/* Opening what the commands work on. The journal is opened as the gateway does, as a guest; of an
 * embedded one the server that a gateway runs is asked, or one is run as long as the command. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "journal/redis/redis_admin.h"
#include "journal/redis/redis_journal.h"
#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/base/file.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/cli/journal.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/tls.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* How long a journal that is not ready is waited for, unless --timeout says otherwise. */
#define TOOL_WAIT_MS ((uint64_t)10000)
/* A page of anything as text: payloads as base64 or JSON, all with names. */
#define TOOL_OUT_MAX ((size_t)256 * 1024 * 1024)
/* A function that is there says what it is within milliseconds. */
#define TOOL_DISCOVER_MS ((uint64_t)1000)
#define TOOL_PASSWORD_MAX ((size_t)1024)
#define TOOL_BACKOFF_MIN_MS 20
#define TOOL_BACKOFF_MAX_MS 500
#define EMBEDDED "embedded:"

/* ---- arguments ------------------------------------------------------------------------------ */
bool tool_number(const char *text, uint64_t fallback, uint64_t *ret_number)
{
	*ret_number = fallback;
	return !text || text_to_u64(span_from_str(text), ret_number);
}

bool tool_key(const char *text, struct journal_key *ret_key, bool *ret_has_id)
{
	struct span all = span_from_str(text);
	size_t slash = span_find(all, '/');

	*ret_has_id = slash < all.len;
	ret_key->type = span_head(all, slash);
	ret_key->id =
		*ret_has_id ? span_make(all.data + slash + 1, all.len - slash - 1) : SPAN_LIT("");
	return slash > 0;
}

/* ---- configuration -------------------------------------------------------------------------- */
static enum status load_config(struct tool *tool, const struct journal_args *args)
{
	char url[sizeof(tool->directory_) + 32];
	char namespace_id[512];
	const char *flags[3] = {NULL};
	size_t count = 0;
	const struct config_params params = {
		.file = args->config,
		.env = (const char *const *)environ,
		.flags = flags,
	};

	(void)snprintf(url, sizeof(url), "journal.url=%s", args->url ? args->url : "");
	(void)snprintf(namespace_id, sizeof(namespace_id), "journal.namespace=%s",
		       args->namespace_id ? args->namespace_id : "");
	if (args->url)
		flags[count++] = url;
	if (args->namespace_id)
		flags[count++] = namespace_id;
	return config_load(&tool->config, &params, &tool->err);
}

/* The secret in a file that a key names; *ret_text stays when it names none. */
static enum status read_password(struct tool *tool, enum config_key key, const char *path,
				 struct buf *password, const char **ret_text)
{
	if (!path[0])
		return ST_OK;
	if (config_read_secret(path, password, &tool->err) != ST_OK)
		return error_wrap(&tool->err, "%s", config_key_name(key));
	(void)buf_append_byte(password, 0); /* room was left for it */
	*ret_text = (const char *)buf_span(password).data;
	return ST_OK;
}

/* ---- the embedded journal ------------------------------------------------------------------- */
/* Whether somebody runs a server there; -1: there is no journal. */
static int is_locked(struct tool *tool)
{
	char path[sizeof(tool->directory_) + 8];
	int fd;
	bool is_held;

	(void)snprintf(path, sizeof(path), "%s/LOCK", tool->directory);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -1;
	is_held = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	(void)close(fd); /* and with it the lock */
	return is_held;
}

/* The URL to be opened; that of the running server when there is one. */
static enum status choose_url(struct tool *tool, bool may_create, char *url, size_t size)
{
	const char *given = tool->config.journal_url;
	int held;

	(void)snprintf(url, size, "%s", given);
	if (strncmp(given, EMBEDDED, sizeof(EMBEDDED) - 1) != 0)
		return ST_OK;
	(void)snprintf(tool->directory_, sizeof(tool->directory_), "%s",
		       given + sizeof(EMBEDDED) - 1);
	tool->directory = tool->directory_;
	held = is_locked(tool);
	if (held < 0 && !may_create)
		return error_set(&tool->err, ST_NOT_FOUND, REDIS_JOURNAL_NONE " in %s",
				 tool->directory);
	if (held > 0)
		(void)snprintf(url, size, "unix:%s/s.sock", tool->directory);
	return ST_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */
static bool is_decided(void *data)
{
	struct tool *tool = data;
	const char *reason = NULL;

	return journal_is_ready(tool->journal, &reason) || redis_journal_fatal(tool->journal) ||
	       (reason && strstr(reason, REDIS_JOURNAL_NONE));
}

static enum status await(struct tool *tool, uint64_t wait_ms)
{
	const char *reason;

	(void)loop_run_until(tool->loop, is_decided, tool,
			     clock_deadline(clock_mono_ns(), wait_ms * NS_PER_MS));
	if (journal_is_ready(tool->journal, &reason))
		return ST_OK;
	if (redis_journal_fatal(tool->journal))
		reason = redis_journal_fatal(tool->journal)->message;
	return error_set(&tool->err, ST_UNAVAILABLE, "the journal is not ready: %s", reason);
}

static enum status open_journal(struct tool *tool, bool may_create, uint64_t wait_ms)
{
	const struct config *config = &tool->config;
	char url[sizeof(tool->directory_) + 32];
	char durability[16];
	struct buf password;
	struct buf sentinel_password;
	const struct tls_params tls = {
		.key_prefix = "journal.",
		.ca_file = config->journal_tls_ca_file,
		.cert_file = config->journal_tls_cert_file,
		.key_file = config->journal_tls_key_file,
		.server_name = config->journal_tls_server_name,
		.is_insecure = config->journal_tls_insecure,
	};
	struct redis_journal_params params = {
		.tls = &tls,
		.url = url,
		.namespace_id = config->journal_namespace,
		.durability = durability,
		.redis_server = config->journal_redis_server,
		.sentinel_user = config->journal_sentinel_user,
		.command_timeout_ms = wait_ms,
		.lock_timeout_ms = wait_ms,
		.max_pending = 64,
		.backoff_min_ms = TOOL_BACKOFF_MIN_MS,
		.backoff_max_ms = TOOL_BACKOFF_MAX_MS,
		.is_guest = !may_create,
	};
	enum status st = choose_url(tool, may_create, url, sizeof(url));

	if (tls.is_insecure)
		(void)fputs("headgate: journal.tls_insecure: the certificate is not looked at\n",
			    stderr); /* a warning that cannot be written is none */
	(void)snprintf(durability, sizeof(durability), "%.*s",
		       SPAN_FMT(config_choice_name(CONFIG_KEY_journal_durability,
						   config->journal_durability)));
	buf_init(&password, TOOL_PASSWORD_MAX);
	buf_init(&sentinel_password, TOOL_PASSWORD_MAX);
	if (st == ST_OK)
		st = read_password(tool, CONFIG_KEY_journal_password_file,
				   config->journal_password_file, &password, &params.password);
	if (st == ST_OK)
		st = read_password(tool, CONFIG_KEY_journal_sentinel_password_file,
				   config->journal_sentinel_password_file, &sentinel_password,
				   &params.sentinel_password);
	if (st == ST_OK)
		st = redis_journal_open(tool->loop, &params, NULL, NULL, &tool->journal,
					&tool->err);
	buf_fini(&password);
	buf_fini(&sentinel_password);
	return st == ST_OK ? await(tool, wait_ms) : st;
}

int tool_open(struct tool *tool, const struct journal_args *args, bool may_create)
{
	uint64_t wait_s;
	uint64_t wait_ms;
	enum status st;

	*tool = (struct tool){.args = args};
	arena_init(&tool->page, ADMIN_ARENA_BYTES);
	buf_init(&tool->out, TOOL_OUT_MAX);
	if (!tool_number(args->timeout, TOOL_WAIT_MS / 1000, &wait_s) || wait_s > 86400) {
		(void)error_set(&tool->err, ST_INVALID_ARGUMENT, "--timeout takes seconds");
		return CLI_USAGE;
	}
	wait_ms = wait_s ? wait_s * 1000 : 1;
	if (load_config(tool, args) != ST_OK)
		return CLI_USAGE;
	st = loop_new(&tool->loop, &tool->err);
	if (st == ST_OK)
		st = open_journal(tool, may_create, wait_ms);
	if (st == ST_OK)
		tool->admin = redis_admin_open(tool->loop, tool->journal, wait_ms);
	else if (st == ST_INVALID_ARGUMENT)
		return CLI_USAGE;
	return st == ST_OK ? CLI_OK : CLI_AWAY;
}

void tool_close(struct tool *tool)
{
	if (tool->userfn)
		userfn_close(tool->userfn);
	admin_close(tool->admin);
	journal_close(tool->journal);
	schema_unref(tool->schema);
	loop_free(tool->loop);
	buf_fini(&tool->out);
	arena_fini(&tool->page);
	config_fini(&tool->config);
}

int tool_fail(struct tool *tool)
{
	return command_fail(tool->err.status == ST_UNAVAILABLE ? CLI_AWAY : CLI_REFUSED,
			    tool->err.message);
}

bool tool_flush(struct tool *tool)
{
	bool is_good = !tool->out.is_full && command_print(buf_span(&tool->out));

	buf_reset(&tool->out);
	if (!is_good)
		(void)error_set(&tool->err, ST_UNKNOWN, "the result cannot be written");
	return is_good;
}

/* ---- waiting, and the user function --------------------------------------------------------- */
static bool never(void *data)
{
	(void)data;
	return false;
}

void tool_wait(struct tool *tool, uint64_t wait_ms)
{
	(void)loop_run_until(tool->loop, never, NULL,
			     clock_deadline(clock_mono_ns(), wait_ms * NS_PER_MS));
}

static void on_function_change(void *data)
{
	(void)data; /* it is looked at in every turn */
}

static bool is_discovered(void *data)
{
	const char *reason;

	return userfn_is_ready(((struct tool *)data)->userfn, &reason);
}

bool tool_discover(struct tool *tool, uint64_t wait_ms)
{
	const struct config *config = &tool->config;
	struct address address;
	const char *reason = "";
	char text[ADDRESS_PATH_MAX + 8];
	const struct userfn_params params = {
		.address = &address,
		.backoff_min_ms = TOOL_BACKOFF_MIN_MS,
		.backoff_max_ms = TOOL_BACKOFF_MAX_MS,
		.refused_retry_ms = config->function_refused_retry_ms,
		.discover_timeout_ms = config->function_discover_timeout_ms,
		.max_message_bytes = config->function_max_message_bytes,
	};

	if (strncmp(config->user_function_host, "unix:", 5) == 0)
		(void)snprintf(text, sizeof(text), "%s", config->user_function_host);
	else
		(void)snprintf(text, sizeof(text), "%s:%u", config->user_function_host,
			       (unsigned)config->user_function_port);
	if (address_parse(span_from_str(text), "127.0.0.1", &address, &tool->err) != ST_OK)
		return false;
	if (!tool->userfn)
		tool->userfn = userfn_open(tool->loop, &params, on_function_change, tool);
	if (loop_run_until(tool->loop, is_discovered, tool,
			   clock_deadline(clock_mono_ns(), wait_ms * NS_PER_MS)))
		return true;
	(void)userfn_is_ready(tool->userfn, &reason);
	(void)error_set(&tool->err, ST_UNAVAILABLE, "the user function at %.200s: %.200s", text,
			reason);
	return false;
}

enum status tool_load_schema(struct tool *tool)
{
	struct buf bytes;
	enum status st;

	if (tool->args->is_raw)
		return ST_OK;
	if (!tool->args->descriptors) {
		if (tool_discover(tool, TOOL_DISCOVER_MS))
			tool->schema = schema_ref(userfn_api(tool->userfn)->schema);
		return ST_OK;
	}
	buf_init(&bytes, SCHEMA_BYTES_MAX);
	st = file_load(tool->args->descriptors, SCHEMA_BYTES_MAX, &bytes, &tool->err);
	if (st == ST_OK && schema_new(buf_span(&bytes), &tool->schema, &tool->err) != ST_OK)
		st = error_wrap(&tool->err, "%.200s", tool->args->descriptors);
	buf_fini(&bytes);
	return st;
}
