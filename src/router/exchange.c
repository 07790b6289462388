#include "src/router/exchange.h"

#include "src/grpc/grpc_call.h"

void exchange_fail(struct exchange *exchange, enum status code, struct span message)
{
	exchange_finish(exchange, &(struct grpc_status){.code = code, .message = message});
}
