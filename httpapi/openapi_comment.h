#ifndef HEADGATE_HTTPAPI_OPENAPI_COMMENT_H
#define HEADGATE_HTTPAPI_OPENAPI_COMMENT_H

#include "proto/schema.h"
#include "src/base/arena.h"
#include "src/base/map.h"
#include "src/base/span.h"

/* Comments of .proto files by element. schema_comment looks through a file's locations for every
 * question; this looks through them once. */
struct openapi_comments {
	struct map files_;
	struct arena *arena_;
};

/* A path in a file descriptor: a message eight levels down with its field has 18 numbers; comments
 * deeper than this are not found. */
#define OPENAPI_COMMENT_PATH_MAX 2 * (SCHEMA_NESTING_MAX + 2)

void openapi_comments_init(struct openapi_comments *comments, struct arena *arena);
void openapi_comments_fini(struct openapi_comments *comments);

/* The comment of an element, with its lines trimmed and notes in "(-- --)" left out; empty when
 * there is none. Lies in the arena. */
struct span openapi_comment_message(struct openapi_comments *comments,
				    const struct message *message);
struct span openapi_comment_field(struct openapi_comments *comments, const struct field *field);
struct span openapi_comment_enum(struct openapi_comments *comments, const struct enum_type *type);
struct span openapi_comment_value(struct openapi_comments *comments, const struct enum_type *type,
				  size_t index);
struct span openapi_comment_service(struct openapi_comments *comments,
				    const struct service *service);
struct span openapi_comment_method(struct openapi_comments *comments, const struct method *method);

/* The first sentence of a comment on one line, in the arena; no longer than 120 characters. */
struct span openapi_comment_summary(struct openapi_comments *comments, struct span comment);

#endif
