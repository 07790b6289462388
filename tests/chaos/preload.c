/* Loaded before libc into redis-server or a gateway: a disk that is slow and a clock that is wrong,
 * both while the run goes on. CHAOS_CONTROL names a file of two numbers, which the run rewrites. */

#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct control {
	int64_t sync_delay_ms;
	int64_t clock_offset_s;
};

static const volatile struct control *control(void)
{
	static const volatile struct control none;
	static const volatile struct control *mapped;
	const char *path = getenv("CHAOS_CONTROL");

	if (mapped || !path)
		return mapped ? mapped : &none;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *memory = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, fd, 0);
	if (fd >= 0)
		(void)close(fd); /* the mapping stays */
	mapped = memory == MAP_FAILED ? &none : memory;
	return mapped;
}

/* The libc function behind one of these. */
#define BEHIND(NAME)                                                                               \
	static __typeof__(NAME) *behind;                                                           \
	if (!behind)                                                                               \
	*(void **)&behind = dlsym(RTLD_NEXT, #NAME)

int fdatasync(int fd)
{
	BEHIND(fdatasync);
	int64_t delay_ms = control()->sync_delay_ms;

	if (delay_ms > 0)
		(void)poll(NULL, 0, (int)delay_ms); /* waits, nothing can come */
	return behind(fd);
}

int clock_gettime(clockid_t id, struct timespec *time)
{
	BEHIND(clock_gettime);
	int failed = behind(id, time);

	if (!failed && id == CLOCK_REALTIME)
		time->tv_sec += control()->clock_offset_s;
	return failed;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	BEHIND(gettimeofday);
	int failed = behind(time, zone);

	if (!failed)
		time->tv_sec += control()->clock_offset_s;
	return failed;
}
