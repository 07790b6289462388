/* What the simulation has no use for: TLS, the embedded journal, whose child is a process of its
 * own, signals, and a look at the heap of the whole program. */
#include <malloc.h>
#include <stddef.h>

#include "journal/redis/embedded.h"
#include "journal/redis/tail_file.h"
#include "src/base/error.h"
#include "src/runtime/signals.h"
#include "src/runtime/stream.h"
#include "src/runtime/tls.h"

enum status embedded_open(struct loop *loop, const struct embedded_params *params,
			  const struct embedded_ops *ops, void *data,
			  struct embedded **ret_embedded, struct error *err)
{
	(void)loop;
	(void)params;
	(void)ops;
	(void)data;
	(void)ret_embedded;
	return error_set(err, ST_UNIMPLEMENTED, "not in a simulation");
}

void embedded_close(struct embedded *embedded)
{
	(void)embedded;
}

void embedded_socket(const char *directory, struct address *ret_address)
{
	(void)directory;
	(void)ret_address;
}

void embedded_address(const struct embedded *embedded, struct address *ret_address)
{
	(void)embedded;
	(void)ret_address;
}

const struct error *embedded_fatal(const struct embedded *embedded)
{
	(void)embedded;
	return NULL;
}

bool embedded_is_starting(const struct embedded *embedded)
{
	(void)embedded;
	return false;
}

int embedded_pid(const struct embedded *embedded)
{
	(void)embedded;
	return 0;
}

struct signals *signals_start(struct loop *loop, signals_fn fn, void *data)
{
	(void)loop;
	(void)fn;
	(void)data;
	return NULL;
}

void signals_stop(struct signals *signals)
{
	(void)signals;
}

struct mallinfo2 mallinfo2(void)
{
	return (struct mallinfo2){0};
}

/* Who speaks over TLS says the same. */
enum status tls_check(const struct tls_params *params, struct error *err)
{
	(void)params;
	return error_set(err, ST_UNIMPLEMENTED, "not in a simulation");
}

struct stream *tls_connect(struct loop *loop, const struct address *address, uint64_t deadline_ns,
			   const struct tls_params *params, const struct stream_ops *ops,
			   void *data)
{
	(void)params;
	return stream_connect(loop, address, deadline_ns, ops, data);
}

/* Salvage files: what is lost is looked for and counted, and not written to a real disk. The linker
 * puts these before the real ones (--wrap), which stand among functions that are needed. */
enum status __wrap_tail_file_open(struct tail_file *file, const char *directory, struct error *err);
enum status __wrap_tail_file_write(struct tail_file *file, struct span type,
				   const struct tail_command *command, struct span base,
				   struct error *err);
bool __wrap_tail_file_close(struct tail_file *file);

enum status __wrap_tail_file_open(struct tail_file *file, const char *directory, struct error *err)
{
	(void)file;
	(void)directory;
	(void)err;
	return ST_OK;
}

enum status __wrap_tail_file_write(struct tail_file *file, struct span type,
				   const struct tail_command *command, struct span base,
				   struct error *err)
{
	(void)file;
	(void)type;
	(void)command;
	(void)base;
	(void)err;
	return ST_OK;
}

bool __wrap_tail_file_close(struct tail_file *file)
{
	(void)file;
	return true;
}
