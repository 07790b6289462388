/* headgate: the stateful-serverless gateway. The map of the program, from the door to the ground:
 *
 *   main                    arguments, configuration, exit codes
 *   src/cli                 the commands beside it: check, openapi, journal
 *   src/server              wiring, readiness, /status, the ordered end; the supervisor of workers
 *   httpapi/front           listener, HTTP/1.1, HTTP/2, the JSON and gRPC codecs, admin port
 *   src/router              takes a call to its entity and the reply back
 *   src/entity              one machine per entity: queue, replay, append, reply, passivation
 *   src/userfn              the user function: discovery and the API it declared
 *   src/grpc, src/h2        gRPC calls over HTTP/2 sessions, both sides
 *   httpapi                 HTTP rules, routes, JSON to wire and back
 *   journal                 events and snapshots in Redis: the contract and its only implementation
 *   proto                   schema, wire format, ProtoJSON
 *   src/runtime, src/config, src/base
 *
 * Exit codes: 0 ended by a signal, drained or after shutdown.grace; 1 could not start or was cut
 * off by a second signal; 2 wrong usage or configuration. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/text.h"
#include "src/cli/cli.h"
#include "src/config/config.h"
#include "src/server/serve.h"

#define MAIN_FLAGS_MAX 128 /* more than there are keys */

enum { EXIT_DONE = 0, EXIT_USAGE = 2 };

static const char usage[] = "usage: headgate [serve] [--config FILE] [--KEY=VALUE ...]\n"
			    "       headgate --version | --help | --help-config\n";

static const char about[] =
	"\n"
	"Serves the gRPC services of a user function as gRPC and as HTTP/JSON and keeps the\n"
	"events of its entities in Redis, or in a private redis-server of its own.\n"
	"--help-config lists every KEY with its default, its environment name and its meaning.\n"
	"The manual is headgate(8).\n";

static int print_config_help(void)
{
	struct buf text;

	buf_init(&text, 1024 * 1024);
	config_print_help(&text);
	(void)printf("%.*s", SPAN_FMT(buf_span(&text))); /* nowhere to report it */
	buf_fini(&text);
	return EXIT_DONE;
}

/* From the supervisor alone, thus in no usage: which of the workers this is. */
static bool is_worker_flag(const char *argument, struct config_params *params)
{
	struct span text = span_from_str(argument);
	uint64_t number;

	if (!span_starts_with(text, SPAN_LIT("--worker=")) ||
	    !text_to_u64(span_skip(text, strlen("--worker=")), &number) ||
	    number >= CONFIG_WORKERS_MAX)
		return false;
	params->is_worker = true;
	params->worker = (unsigned)number;
	return true;
}

static int wrong_usage(const char *argument)
{
	(void)fprintf(stderr, "headgate: unknown argument %s\n%s%s%s", argument, usage, cli_usage,
		      about);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	uint64_t started_ns = clock_mono_ns();
	const char *flags[MAIN_FLAGS_MAX + 1];
	struct config_params params = {.env = (const char *const *)environ, .flags = flags};
	size_t flag_count = 0;
	int i = 1;

	if (argc > 1 && cli_has(argv[1]))
		return cli_run(argc - 1, argv + 1);
	if (argc > i && strcmp(argv[i], "serve") == 0)
		i++;
	for (; i < argc; i++) {
		if (strcmp(argv[i], "--version") == 0)
			return printf("%s %s\n", PACKAGE_NAME, PACKAGE_VERSION) < 0;
		if (strcmp(argv[i], "--help") == 0)
			return printf("%s%s%s", usage, cli_usage, about) < 0;
		if (strcmp(argv[i], "--help-config") == 0)
			return print_config_help();
		if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			params.file = argv[++i];
		else if (is_worker_flag(argv[i], &params))
			continue;
		else if (strncmp(argv[i], "--", 2) == 0 && strchr(argv[i], '=') &&
			 flag_count < MAIN_FLAGS_MAX)
			flags[flag_count++] = argv[i];
		else
			return wrong_usage(argv[i]);
	}
	flags[flag_count] = NULL;
	return serve_run(&params, started_ns);
}
