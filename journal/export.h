#ifndef HEADGATE_JOURNAL_EXPORT_H
#define HEADGATE_JOURNAL_EXPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/admin.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/checksum.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* What is stored as lines of JSON, and back byte by byte: of a journal (headgate journal export),
 * and of what one lost (journal/salvage.h). Pure. Spec: docs/journal-format.md, "Lines of an
 * export".
 *
 *   {"line":"begin","format":1,"partitions":64}
 *   {"line":"head","type":"cart","id":"u1","fields":{"g":{"base64":"..."},"s":"2"}}
 *   {"line":"event","type":"cart","id":"u1","sequence":1,"fields":{"c":...,"p":{"base64":"..."}}}
 *   {"line":"end","heads":1,"events":2,"crdts":0,"deltas":0,"sha256":"..."}
 *
 * and each ends with its own sum: ,"crc32c":"0123abcd"}. A value is a text when it is UTF-8 without
 * control characters, else {"base64":"..."}; so every value has one spelling. */
struct error;

#define EXPORT_FORMAT 1
/* A state of a CRDT in base64, and its names; and an event with all it may have. */
#define EXPORT_LINE_MAX ((size_t)32 * 1024 * 1024)
/* Fields of one line: a hash has some ten. */
#define EXPORT_FIELDS_MAX ((size_t)64)

enum export_sort {
	EXPORT_BEGIN,
	EXPORT_HEAD,  /* of an entity; its events follow */
	EXPORT_EVENT, /* sequence; fields in the order they are stored in */
	EXPORT_CRDT,
	EXPORT_DELTA,
	EXPORT_END,
};

struct export_line {
	enum export_sort sort;
	bool is_salvage; /* BEGIN: not a journal, but what one lost */
	struct span type;
	struct span id;
	uint64_t sequence;
	struct span base; /* salvage: tag of the head this was appended to; data NULL: not said */
	const struct admin_field *fields;
	size_t field_count;
};

struct export_counts {
	uint64_t heads;
	uint64_t events;
	uint64_t crdts;
	uint64_t deltas;
};

/* ---- writing --------------------------------------------------------------------------------- */
struct export_writer {
	struct checksum_sha256 sum_;
	struct export_counts counts; /* read only */
};

void export_writer_init(struct export_writer *writer);
/* Appends a line with its line end; BEGIN comes first, END last, with the counts. False: out is
 * full. */
bool export_write(struct export_writer *writer, const struct export_line *line, struct buf *out);

/* ---- reading --------------------------------------------------------------------------------- */
struct export_reader {
	struct checksum_sha256 sum_;
	struct export_counts counts; /* read only */
	uint64_t line;		     /* read only; of the one read last, from 1 */
	bool is_salvage;	     /* read only */
	bool has_end;		     /* read only */
	struct arena arena_;
};

void export_reader_init(struct export_reader *reader);
void export_reader_fini(struct export_reader *reader);

/* A line without its line end; what it gives lies in the reader until the next. Errors:
 * ST_DATA_LOSS what was written is not what is read, ST_INVALID_ARGUMENT no such line,
 * ST_UNIMPLEMENTED of a format of later. */
MUST_CHECK enum status export_read(struct export_reader *reader, struct span text,
				   struct export_line *ret_line, struct error *err);

/* After the last line: ST_DATA_LOSS when the end is missing. A salvage file needs none. */
MUST_CHECK enum status export_reader_finish(const struct export_reader *reader, struct error *err);

#endif
