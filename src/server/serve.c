#include "src/server/serve.h"

#include <stdio.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/config/config.h"
#include "src/server/server.h"
#include "src/server/supervisor.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int failed(const struct config *config, const struct error *err)
{
	LOG(ERROR, FATAL, LOG_STR("reason", err->message));
	return config->is_worker ? SUPERVISOR_EXIT_UNUSABLE : EXIT_FAILED;
}

static int supervise(const struct supervisor_params *params)
{
	struct supervisor *supervisor = NULL;
	struct error err;
	int code = supervisor_new(params, &supervisor, &err) == ST_OK
			   ? supervisor_run(supervisor)
			   : failed(params->config, &err);

	supervisor_free(supervisor);
	return code;
}

static int serve_alone(const struct config *config, uint64_t started_ns)
{
	struct server *server = NULL;
	struct error err;
	int code = server_new(config, started_ns, &server, &err) == ST_OK ? server_run(server)
									  : failed(config, &err);

	server_free(server);
	return code;
}

int serve_run(const struct config_params *params, uint64_t started_ns)
{
	struct config config = {0};
	struct supervisor_params workers = {.config = &config,
					    .config_file = params->file,
					    .flags = params->flags,
					    .started_ns = started_ns};
	struct error err;
	int code;

	if (config_load(&config, params, &err) != ST_OK) {
		(void)fprintf(stderr, "headgate: %s\n", err.message); /* nowhere to report it */
		return params->is_worker ? SUPERVISOR_EXIT_UNUSABLE : EXIT_USAGE;
	}
	log_set_level((enum log_level)config.log_level);
	if (config.is_worker)
		log_set_worker(config.worker);
	workers.count = config.is_worker ? 1 : supervisor_count(&config);
	LOG(INFO, STARTING, LOG_STR("version", PACKAGE_VERSION), LOG_INT("pid", getpid()),
	    LOG_UINT("workers", workers.count));
	if (workers.count > 1)
		code = supervise(&workers);
	else
		code = serve_alone(&config, started_ns);
	config_fini(&config);
	return code;
}
