#include "httpapi/front/builtin_rpc.h"

#include "httpapi/front/front_internal.h"
#include "httpapi/front/health.h"
#include "httpapi/front/reflection.h"
#include "proto/schema.h"
#include "src/base/list.h"
#include "src/config/config.h"
#include "src/router/exchange.h"
#include "src/userfn/api.h"

/* SPAN_LIT for static tables. */
#define BUILTIN_RPC_TEXT(literal)                                                                  \
	{                                                                                          \
		(const uint8_t *)(literal), sizeof(literal) - 1                                    \
	}

enum builtin_rpc_service {
	BUILTIN_RPC_HEALTH,
	BUILTIN_RPC_REFLECTION,
	BUILTIN_RPC_REFLECTION_ALPHA,
};

static const struct service builtin_rpc_services[] = {
	[BUILTIN_RPC_HEALTH] = {.full_name = BUILTIN_RPC_TEXT("grpc.health.v1.Health")},
	[BUILTIN_RPC_REFLECTION] = {.full_name = BUILTIN_RPC_TEXT(
					    "grpc.reflection.v1.ServerReflection")},
	[BUILTIN_RPC_REFLECTION_ALPHA] = {.full_name = BUILTIN_RPC_TEXT(
						  "grpc.reflection.v1alpha.ServerReflection")},
};

/* The fronts look at the path and the streams of a method; nobody else ever sees these. */
struct builtin_rpc {
	enum builtin_rpc_service service;
	struct method schema;
	void (*accept)(struct front *front, struct exchange *exchange);
};

#define BUILTIN_RPC(number, name, is_in, is_out, fn)                                               \
	{                                                                                          \
		.service = (number),                                                               \
		.schema =                                                                          \
			{                                                                          \
				.path = BUILTIN_RPC_TEXT(name),                                    \
				.service = &builtin_rpc_services[number],                          \
				.client_streaming = (is_in),                                       \
				.server_streaming = (is_out),                                      \
			},                                                                         \
		.accept = (fn),                                                                    \
	}

static const struct builtin_rpc builtin_rpcs[] = {
	BUILTIN_RPC(BUILTIN_RPC_HEALTH, "/grpc.health.v1.Health/Check", false, false,
		    health_accept_check),
	BUILTIN_RPC(BUILTIN_RPC_HEALTH, "/grpc.health.v1.Health/List", false, false,
		    health_accept_list),
	BUILTIN_RPC(BUILTIN_RPC_HEALTH, "/grpc.health.v1.Health/Watch", false, true,
		    health_accept_watch),
	BUILTIN_RPC(BUILTIN_RPC_REFLECTION,
		    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", true, true,
		    reflection_accept),
	BUILTIN_RPC(BUILTIN_RPC_REFLECTION_ALPHA,
		    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", true, true,
		    reflection_accept),
};
#define BUILTIN_RPC_COUNT (sizeof(builtin_rpcs) / sizeof(builtin_rpcs[0]))

/* No service: nobody but the fronts is to see these. */
static const struct api_method builtin_rpc_methods[BUILTIN_RPC_COUNT] = {
	{.schema = &builtin_rpcs[0].schema}, {.schema = &builtin_rpcs[1].schema},
	{.schema = &builtin_rpcs[2].schema}, {.schema = &builtin_rpcs[3].schema},
	{.schema = &builtin_rpcs[4].schema},
};

const struct api_method *builtin_rpc_find(const struct front *front, struct span path)
{
	if (!span_starts_with(path, SPAN_LIT("/grpc.")))
		return NULL;
	for (size_t i = 0; i < BUILTIN_RPC_COUNT; i++) {
		bool is_off = builtin_rpcs[i].service != BUILTIN_RPC_HEALTH &&
			      !front->params.config->grpc_reflection;

		if (!is_off && span_eq(path, builtin_rpcs[i].schema.path))
			return &builtin_rpc_methods[i];
	}
	return NULL;
}

bool builtin_rpc_accept(struct front *front, struct exchange *exchange)
{
	if (exchange->method->service)
		return false;
	container_of(exchange->method->schema, const struct builtin_rpc, schema)
		->accept(front, exchange);
	return true;
}
