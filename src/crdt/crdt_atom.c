#include <string.h>

#include "src/base/mem.h"
#include "src/crdt/crdt_internal.h"

struct crdt_atom *crdt_atom_new(struct span head, struct span tail)
{
	struct crdt_atom *atom = mem_zalloc(sizeof(*atom) + head.len + tail.len);

	atom->refs = 1;
	atom->head_len = head.len;
	atom->len = head.len + tail.len;
	if (head.len)
		memcpy(atom->bytes, head.data, head.len);
	if (tail.len)
		memcpy(atom->bytes + head.len, tail.data, tail.len);
	return atom;
}

struct crdt_atom *crdt_atom_ref(struct crdt_atom *atom)
{
	if (atom)
		atom->refs++;
	return atom;
}

void crdt_atom_unref(struct crdt_atom *atom)
{
	if (atom && --atom->refs == 0)
		mem_free(atom);
}

struct span crdt_atom_head(const struct crdt_atom *atom)
{
	return span_make(atom->bytes, atom->head_len);
}

struct span crdt_atom_tail(const struct crdt_atom *atom)
{
	return span_make(atom->bytes + atom->head_len, atom->len - atom->head_len);
}

int crdt_atom_cmp(const struct crdt_atom *a, const struct crdt_atom *b)
{
	int order;

	if (a == b)
		return 0;
	order = span_cmp(crdt_atom_head(a), crdt_atom_head(b));
	return order ? order : span_cmp(crdt_atom_tail(a), crdt_atom_tail(b));
}
