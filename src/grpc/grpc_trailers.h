#ifndef HEADGATE_SRC_GRPC_GRPC_TRAILERS_H
#define HEADGATE_SRC_GRPC_GRPC_TRAILERS_H

#include <stdbool.h>

#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/text.h"
#include "src/grpc/metadata.h"
#include "src/h2/h2.h"

/* A struct grpc_status as headers and back: for the calls of src/grpc, and for gRPC-Web, which
 * prints the list into a body. */
struct grpc_status;

/* Clients refuse header lists of more than 8 to 16 KiB and then lose the status itself: a longer
 * text is cut, larger details are left out. In encoded bytes. */
#define GRPC_MESSAGE_TEXT_MAX ((size_t)4096)
#define GRPC_DETAILS_TEXT_MAX ((size_t)8192)

/* Arena of one header list: 32 KiB of headers (ruling R5), decoded or encoded, and their items. */
#define GRPC_METADATA_BYTES_MAX ((size_t)128 * 1024)

/* Pseudo-headers and those of gRPC itself, beside the metadata. */
#define GRPC_OWN_HEADERS_MAX 12

struct grpc_trailers {
	struct h2_header items[GRPC_OWN_HEADERS_MAX + METADATA_ITEMS_MAX];
	size_t count;
	struct arena arena;
	struct buf message_;
	struct buf details_;
	char number_[TEXT_U64_DIGITS];
};

void grpc_trailers_init(struct grpc_trailers *list);
void grpc_trailers_fini(struct grpc_trailers *list);

/* Appends a header; name is a literal, value is borrowed until fini. */
void grpc_trailers_add(struct grpc_trailers *list, const char *name, struct span value);

/* Appends metadata; may be NULL. */
void grpc_trailers_add_metadata(struct grpc_trailers *list, const struct metadata *metadata);

/* Appends grpc-status and what goes with it. */
void grpc_trailers_add_status(struct grpc_trailers *list, const struct grpc_status *status);

/* Reads what add_status wrote: spans point into arena; metadata gets the rest. False when there is
 * no grpc-status. */
bool grpc_trailers_read(const struct h2_headers *headers, struct arena *arena,
			struct metadata *metadata, struct grpc_status *ret_status);

#endif
