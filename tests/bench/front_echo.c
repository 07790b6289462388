/* The front alone, over a router that echoes: for wrk and h2load.
 *
 *   tests/bench/front_echo >port & read port <port
 *   wrk -t1 -c64 -d3 http://127.0.0.1:$port/test/a
 *   h2load -c64 -m1 -D3 -d request.bin -H 'content-type: application/grpc' -H 'te: trailers' \
 *          http://127.0.0.1:$port/headgate.test.Entity/Process
 *
 * Ends with SIGTERM. */
#include <stdio.h>

#include "src/base/log.h"
#include "src/runtime/loop.h"
#include "src/runtime/signals.h"
#include "tests/fakes/front_world.h"

static void on_signal(void *data, int signal_number)
{
	struct front_world *world = data;

	(void)signal_number;
	loop_stop(world->loop);
}

int main(void)
{
	static struct front_world world;
	struct signals *signals;

	log_set_level(LOG_WARN);
	front_world_init(&world, NULL);
	signals = signals_start(world.loop, on_signal, &world);
	printf("%u\n", (unsigned)front_port(world.front, FRONT_INGRESS));
	(void)fflush(stdout);
	loop_run(world.loop);
	signals_stop(signals);
	front_world_fini(&world);
	return 0;
}
