/* SIGHUP: the workers leave and come back one by one, so that all but one serve. */
#include <signal.h>

#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/runtime/process.h"
#include "src/server/supervisor_internal.h"
#include "src/server/worker_ask.h"

#define RENEW_POLL_MS ((uint64_t)50)
/* From the start of a worker until it is ready; then the others stay as they are. */
#define RENEW_READY_MS ((uint64_t)60000)

static void renew_at_hand(struct supervisor *s)
{
	struct worker *worker = &s->workers[s->renewed];

	/* One that has just died is started again anyway. */
	if (worker->process)
		process_signal(worker->process, SIGTERM);
	else
		supervisor_renew_on_exit(worker);
}

static void on_answer(void *data)
{
	struct supervisor *s = data;
	struct worker_answer answer;

	worker_ask_answer(s->renew_ask, &answer);
	worker_ask_free(s->renew_ask);
	s->renew_ask = NULL;
	if (answer.http_status == 200) {
		s->renewed++;
		s->is_renewing = s->renewed < s->params.count;
		LOG(INFO, WORKERS_RENEWED, LOG_UINT("done", s->renewed),
		    LOG_UINT("of", s->params.count));
		if (s->is_renewing)
			renew_at_hand(s);
	} else if (loop_now_ns(s->loop) > s->renew_deadline_ns) {
		s->is_renewing = false;
		LOG(WARN, WORKERS_RENEWED, LOG_UINT("done", s->renewed),
		    LOG_UINT("of", s->params.count),
		    LOG_STR("error", "a new worker is not ready; the others stay"));
	} else {
		timer_start_in(&s->renew_timer, RENEW_POLL_MS);
	}
}

static void on_renew_timer(void *data)
{
	struct supervisor *s = data;

	s->renew_ask = worker_ask_start(s->loop, s->workers[s->renewed].socket, "/ready",
					SUPERVISOR_ANSWER_MS, on_answer, s);
}

/* Begins again from the first when it comes a second time: the wish may be newer than they. */
void supervisor_renew(struct supervisor *s)
{
	supervisor_renew_stop(s);
	s->is_renewing = true;
	s->renewed = 0;
	LOG(INFO, WORKERS_RENEWED, LOG_UINT("done", 0), LOG_UINT("of", s->params.count));
	renew_at_hand(s);
}

void supervisor_renew_on_exit(struct worker *worker)
{
	struct supervisor *s = worker->supervisor;

	s->renew_deadline_ns = clock_deadline(loop_now_ns(s->loop), RENEW_READY_MS * NS_PER_MS);
	timer_stop(&worker->timer);
	supervisor_start_worker(worker);
	timer_start_in(&s->renew_timer, RENEW_POLL_MS);
}

void supervisor_renew_stop(struct supervisor *s)
{
	if (!s->renew_timer.loop_)
		timer_init(&s->renew_timer, s->loop, on_renew_timer, s);
	timer_stop(&s->renew_timer);
	worker_ask_free(s->renew_ask);
	s->renew_ask = NULL;
	s->is_renewing = false;
}
