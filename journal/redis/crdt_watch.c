/* News of other members, and what is owed to their writers.
 *
 *   news "n <incarnation> <ack> <number> <type>/<id>"
 *     nobody here watches that name -> acknowledged at once, when ack is not 0
 *     watched -> every watch gets a ticket, and is called; when the last ticket of this news is
 *                given back, or its watch ends, it is acknowledged
 *   acknowledgement, on the writer's channel: "<incarnation> <ack>" */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal/key.h"
#include "journal/redis/crdt_internal.h"
#include "journal/redis/subscription.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/base/text.h"

/* After the subscription was interrupted, watchers are told in portions, for each will read. */
#define TELL_PORTION ((size_t)256)
#define TELL_PAUSE_MS ((uint64_t)5)

/* An entity that somebody here watches. */
struct subject {
	struct map_node node;
	struct list watches; /* by subject_node; usually one */
	struct list tickets;
	char *name;
};

struct redis_watch {
	struct crdt_watch base;
	struct subject *subject;
	struct list node; /* of the log: told or untold */
	struct list subject_node;
	crdt_log_news_fn on_news;
	void *data;
	bool is_due; /* to be called with the news that are being told */
	uint64_t due_ack;
};

/* Owed to a writer. */
struct ticket {
	struct map_node node;
	struct list subject_node;
	struct redis_watch *watch;
	uint64_t id;
	uint64_t writer; /* its incarnation, and its number */
	uint64_t number;
};

static struct redis_crdt_log *log_of(const struct redis_watch *watch)
{
	return redis_crdt_log_of(watch->base.log);
}

/* ---- acknowledging -------------------------------------------------------------------------- */
static void tell_writer(struct redis_crdt_log *log, uint64_t writer, uint64_t number)
{
	char channel[KEY_TEXT_MAX];
	char text[CRDT_INCARNATION_TEXT + 1 + TEXT_U64_DIGITS];

	(void)snprintf(channel, sizeof(channel), "%s:ack:%016" PRIx64, log->news_channel, writer);
	(void)snprintf(text, sizeof(text), "%s %" PRIu64, log->own, number);
	redis_call_publish(log->journal, channel, text);
}

static struct ticket *find_ticket(const struct subject *subject, const struct redis_watch *watch,
				  uint64_t writer, uint64_t number)
{
	list_for_each (node, &subject->tickets) {
		struct ticket *ticket = list_entry(node, struct ticket, subject_node);

		if ((!watch || ticket->watch == watch) && ticket->writer == writer &&
		    ticket->number == number)
			return ticket;
	}
	return NULL;
}

static void ticket_free(struct redis_crdt_log *log, struct ticket *ticket)
{
	map_remove(&log->tickets, &ticket->node);
	list_remove(&ticket->subject_node);
	mem_free(ticket);
}

/* The last one of a piece of news acknowledges it. */
static void give_back(struct redis_crdt_log *log, struct ticket *ticket)
{
	struct subject *subject = ticket->watch->subject;
	uint64_t writer = ticket->writer;
	uint64_t number = ticket->number;

	ticket_free(log, ticket);
	if (!find_ticket(subject, NULL, writer, number))
		tell_writer(log, writer, number);
}

void redis_crdt_ack(struct crdt_log *base, uint64_t ack)
{
	struct redis_crdt_log *log = redis_crdt_log_of(base);
	struct map_node *node = map_find(&log->tickets, span_make(&ack, sizeof(ack)));

	if (node)
		give_back(log, container_of(node, struct ticket, node));
}

/* 0: it has one already, for the writer repeats itself, or there are too many. */
static uint64_t ticket_new(struct redis_crdt_log *log, struct redis_watch *watch, uint64_t writer,
			   uint64_t number)
{
	struct ticket *ticket;

	if (log->tickets.count >= CRDT_TICKETS_MAX ||
	    find_ticket(watch->subject, watch, writer, number))
		return 0;
	ticket = mem_new(struct ticket);
	ticket->watch = watch;
	ticket->writer = writer;
	ticket->number = number;
	ticket->id = ++log->next_ticket;
	ticket->node.key = span_make(&ticket->id, sizeof(ticket->id));
	BUG_ON(!map_insert(&log->tickets, &ticket->node));
	list_push_back(&watch->subject->tickets, &ticket->subject_node);
	return ticket->id;
}

/* ---- hearing -------------------------------------------------------------------------------- */
static struct subject *find_subject(const struct redis_crdt_log *log, struct span name)
{
	struct map_node *node = map_find(&log->subjects, name);

	return node ? container_of(node, struct subject, node) : NULL;
}

static struct redis_watch *take_due(const struct redis_crdt_log *log, struct span name)
{
	struct subject *subject = find_subject(log, name);

	if (!subject)
		return NULL;
	list_for_each (node, &subject->watches) {
		struct redis_watch *watch = list_entry(node, struct redis_watch, subject_node);

		if (watch->is_due) {
			watch->is_due = false;
			return watch;
		}
	}
	return NULL;
}

/* All tickets first, so that the first one given back is not taken for the last. Callbacks may end
 * watches: after each the subject is looked up anew. */
static void tell_subject(struct redis_crdt_log *log, struct subject *subject, uint64_t position,
			 uint64_t writer, uint64_t number)
{
	struct span name = span_from_str(subject->name);
	char *copy = mem_strndup(name.data, name.len);
	struct redis_watch *watch;

	list_for_each (node, &subject->watches) {
		watch = list_entry(node, struct redis_watch, subject_node);
		watch->due_ack = number ? ticket_new(log, watch, writer, number) : 0;
		watch->is_due = !number || watch->due_ack;
	}
	while ((watch = take_due(log, span_make(copy, name.len))))
		watch->on_news(watch->data, position, watch->due_ack);
	mem_free(copy);
}

/* Up to the next blank, which is taken too. */
static struct span next_word(struct span *text)
{
	size_t len = span_find(*text, ' ');
	struct span word = span_head(*text, len);

	*text = span_skip(*text, len + 1);
	return word;
}

static bool read_incarnation(struct span text, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (text.len != CRDT_INCARNATION_TEXT - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		const char *digits = "0123456789abcdef";
		const char *digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;

		if (!digit)
			return false;
		value = value << 4 | (uint64_t)(digit - digits);
	}
	*ret_value = value;
	return true;
}

/* What is none of ours, or of a later version, is passed over. */
static void hear_news(struct redis_crdt_log *log, struct span text)
{
	struct span kind = next_word(&text);
	struct span incarnation = next_word(&text);
	struct span ack = next_word(&text);
	struct span number = next_word(&text);
	struct subject *subject;
	uint64_t writer;
	uint64_t owed;
	uint64_t at;

	if (!span_eq_str(kind, "n") || !read_incarnation(incarnation, &writer) ||
	    !text_to_u64(ack, &owed) || !text_to_u64(number, &at) || at > CRDT_NUMBER_MAX ||
	    writer == log->journal->base.incarnation)
		return;
	if (log->news)
		metrics_add(log->news, 1);
	subject = find_subject(log, text);
	if (subject)
		tell_subject(log, subject, crdt_position(log, at), writer, owed);
	else if (owed)
		tell_writer(log, writer, owed);
}

void redis_crdt_heard(struct redis_crdt_log *log, struct span channel, struct span text)
{
	uint64_t member;
	uint64_t number;

	if (span_eq_str(channel, log->news_channel)) {
		hear_news(log, text);
	} else if (span_eq_str(channel, log->ack_channel)) {
		if (read_incarnation(next_word(&text), &member) && text_to_u64(text, &number))
			redis_crdt_acked(log, member, number);
	}
}

void redis_crdt_tell_all(struct redis_crdt_log *log)
{
	list_splice_back(&log->untold, &log->watches);
	timer_start_in(&log->tell_timer, 0);
}

void redis_crdt_on_tell(void *data)
{
	struct redis_crdt_log *log = data;
	struct list *node;

	for (size_t i = 0; i < TELL_PORTION && (node = list_pop_front(&log->untold)); i++) {
		struct redis_watch *watch = list_entry(node, struct redis_watch, node);

		list_push_back(&log->watches, node);
		watch->on_news(watch->data, 0, 0);
	}
	if (!list_is_empty(&log->untold))
		timer_start_in(&log->tell_timer, TELL_PAUSE_MS);
}

/* ---- watching ------------------------------------------------------------------------------- */
static struct subject *subject_of(struct redis_crdt_log *log, const struct journal_key *key)
{
	struct key_crdt_names names;
	struct subject *subject;
	struct error ignored;

	/* No news have the name of what cannot be a key: such a watch is never called for any. */
	if (key_render_crdt(log->journal->namespace_text, key, &names, &ignored) != ST_OK)
		names.name = SPAN_EMPTY;
	subject = find_subject(log, names.name);
	if (subject)
		return subject;
	subject = mem_new(struct subject);
	subject->name = mem_strndup(names.name.data ? names.name.data : (const uint8_t *)"",
				    names.name.len);
	subject->node.key = span_from_str(subject->name);
	list_init(&subject->watches);
	list_init(&subject->tickets);
	BUG_ON(!map_insert(&log->subjects, &subject->node));
	return subject;
}

struct crdt_watch *redis_crdt_watch(struct crdt_log *base, const struct journal_key *key,
				    crdt_log_news_fn on_news, void *data)
{
	struct redis_crdt_log *log = redis_crdt_log_of(base);
	struct redis_watch *watch = mem_new(struct redis_watch);

	watch->base.log = base;
	watch->subject = subject_of(log, key);
	watch->on_news = on_news;
	watch->data = data;
	list_push_back(&watch->subject->watches, &watch->subject_node);
	list_push_back(&log->watches, &watch->node);
	redis_crdt_log_listen(base);
	return &watch->base;
}

static void subject_free(struct redis_crdt_log *log, struct subject *subject)
{
	map_remove(&log->subjects, &subject->node);
	mem_free(subject->name);
	mem_free(subject);
}

void redis_crdt_unwatch(struct crdt_watch *base)
{
	struct redis_watch *watch = container_of(base, struct redis_watch, base);
	struct redis_crdt_log *log = log_of(watch);
	struct subject *subject = watch->subject;

	list_for_each_safe (node, &subject->tickets) {
		struct ticket *ticket = list_entry(node, struct ticket, subject_node);

		if (ticket->watch == watch)
			give_back(log, ticket);
	}
	list_remove(&watch->node);
	list_remove(&watch->subject_node);
	mem_free(watch);
	if (list_is_empty(&subject->watches))
		subject_free(log, subject);
}

void redis_crdt_free_watches(struct redis_crdt_log *log)
{
	struct list *node;

	list_splice_back(&log->watches, &log->untold);
	while ((node = list_pop_front(&log->watches))) {
		struct redis_watch *watch = list_entry(node, struct redis_watch, node);
		struct subject *subject = watch->subject;

		list_for_each_safe (ticket, &subject->tickets)
			ticket_free(log, list_entry(ticket, struct ticket, subject_node));
		list_remove(&watch->subject_node);
		mem_free(watch);
		if (list_is_empty(&subject->watches))
			subject_free(log, subject);
	}
}
