/* Which dots a value has seen: per replica, runs of numbers. A whole state has one run from 1 per
 * replica; a delta has the few numbers it is about, and one that overtook another leaves a gap that
 * closes when the other arrives. */
#include <string.h>

#include "src/base/mem.h"
#include "src/crdt/crdt_internal.h"

static bool find_row(const struct crdt_context *context, const struct crdt_atom *site,
		     size_t *ret_at)
{
	size_t low = 0;
	size_t high = context->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = crdt_atom_cmp(context->rows[middle].site, site);

		if (order == 0) {
			*ret_at = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_at = low;
	return false;
}

static struct crdt_row *row_of(struct crdt_context *context, struct crdt_atom *site)
{
	struct crdt_row *row;
	size_t at;

	if (find_row(context, site, &at))
		return &context->rows[at];
	context->rows = mem_resize_array(context->rows, context->count + 1, sizeof(*row));
	row = &context->rows[at];
	memmove(row + 1, row, (context->count - at) * sizeof(*row));
	context->count++;
	*row = (struct crdt_row){.site = crdt_atom_ref(site)};
	return row;
}

/* The first run that ends at number - 1 or later. */
static size_t find_range(const struct crdt_row *row, uint64_t number)
{
	size_t low = 0;
	size_t high = row->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (row->ranges[middle].last + 1 < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void crdt_context_fini(struct crdt_context *context)
{
	for (size_t i = 0; i < context->count; i++) {
		crdt_atom_unref(context->rows[i].site);
		mem_free(context->rows[i].ranges);
	}
	mem_free(context->rows);
	*context = (struct crdt_context){0};
}

void crdt_context_copy(struct crdt_context *to, const struct crdt_context *from)
{
	*to = (struct crdt_context){.count = from->count};
	if (from->count == 0)
		return;
	to->rows = mem_new_array(struct crdt_row, from->count);
	for (size_t i = 0; i < from->count; i++) {
		const struct crdt_row *row = &from->rows[i];

		to->rows[i] = (struct crdt_row){
			.site = crdt_atom_ref(row->site),
			.ranges = mem_new_array(struct crdt_range, row->count),
			.count = row->count,
		};
		memcpy(to->rows[i].ranges, row->ranges, row->count * sizeof(*row->ranges));
	}
}

void crdt_context_add(struct crdt_context *context, struct crdt_atom *site, uint64_t first,
		      uint64_t last)
{
	struct crdt_row *row = row_of(context, site);
	size_t at = find_range(row, first);
	size_t end = at;

	while (end < row->count && row->ranges[end].first <= last + 1)
		end++;
	if (end == at) { /* touches none */
		row->ranges = mem_resize_array(row->ranges, row->count + 1, sizeof(*row->ranges));
		memmove(&row->ranges[at + 1], &row->ranges[at],
			(row->count - at) * sizeof(*row->ranges));
		row->ranges[at] = (struct crdt_range){first, last};
		row->count++;
		return;
	}
	if (row->ranges[at].first > first)
		row->ranges[at].first = first;
	if (row->ranges[end - 1].last > last)
		last = row->ranges[end - 1].last;
	row->ranges[at].last = last;
	memmove(&row->ranges[at + 1], &row->ranges[end], (row->count - end) * sizeof(*row->ranges));
	row->count -= end - at - 1;
}

void crdt_context_join(struct crdt_context *to, const struct crdt_context *from)
{
	for (size_t i = 0; i < from->count; i++)
		for (size_t k = 0; k < from->rows[i].count; k++)
			crdt_context_add(to, from->rows[i].site, from->rows[i].ranges[k].first,
					 from->rows[i].ranges[k].last);
}

bool crdt_context_covers(const struct crdt_context *context, const struct crdt_atom *site,
			 uint64_t number)
{
	const struct crdt_row *row;
	size_t at;

	if (!find_row(context, site, &at))
		return false;
	row = &context->rows[at];
	at = find_range(row, number);
	if (at < row->count && row->ranges[at].last < number)
		at++;
	return at < row->count && row->ranges[at].first <= number;
}

uint64_t crdt_context_last(const struct crdt_context *context, const struct crdt_atom *site)
{
	size_t at;

	if (!find_row(context, site, &at))
		return 0;
	return context->rows[at].ranges[context->rows[at].count - 1].last;
}
