#ifndef HEADGATE_PROTO_JSON_PRINT_INTERNAL_H
#define HEADGATE_PROTO_JSON_PRINT_INTERNAL_H

/* What json_print.c (scanning, members), json_print_value.c (values of fields) and
 * json_print_known.c share. */

#include "proto/json.h"

/* Records of one field that stand side by side on the wire. */
struct json_run {
	struct span bytes;
	uint32_t field_index;
	uint32_t sequence;
};

/* The member of a oneof that counts: set last, and from which run on. */
struct json_choice {
	const struct field *field;
	uint32_t sequence;
};

/* A message that has been scanned: its runs lie on the printer's stack. */
struct json_scan {
	const struct message *message;
	size_t first_run;
	size_t first_choice;
	size_t before_choice;
};

/* The runs of one field of a scanned message; places on the stack, since it may move. */
struct json_runs {
	size_t first;
	size_t count;
};

struct json_printer {
	struct json_print_options options;
	struct buf *out;
	struct error *err;
	struct json_run *runs;
	size_t run_count;
	size_t run_cap;
	struct json_choice *choices;
	size_t choice_count;
	size_t choice_cap;
	unsigned depth;
	unsigned indent;
};

/* Walks the records of some runs. */
struct json_cursor {
	const struct json_printer *printer;
	struct json_runs runs;
	size_t next;
	struct wire_reader reader;
};

/* ---- json_print.c ---- */

/* Errors. */
enum status json_too_deep(const struct json_printer *printer) MUST_CHECK;
enum status json_malformed(const struct json_printer *printer,
			   const struct message *message) MUST_CHECK;

/* Begins and ends the scan of a message; in between one call of json_scan_part for each part of it.
 */
enum status json_scan_begin(struct json_printer *printer, const struct message *message,
			    struct json_scan *ret_scan) MUST_CHECK;
enum status json_scan_part(struct json_printer *printer, const struct json_scan *scan,
			   struct span part) MUST_CHECK;
void json_scan_sort(struct json_printer *printer, const struct json_scan *scan);
void json_scan_end(struct json_printer *printer, const struct json_scan *scan);

/* The runs of a field that count. */
struct json_runs json_scan_field(const struct json_printer *printer, const struct json_scan *scan,
				 const struct field *field);

void json_cursor_init(struct json_cursor *cursor, const struct json_printer *printer,
		      struct json_runs runs);
bool json_cursor_next(struct json_cursor *cursor, struct wire_field *ret_record);

/* The last record of a field; false when there is none. */
bool json_scan_last(const struct json_printer *printer, const struct json_scan *scan,
		    const struct field *field, struct wire_field *ret_record);

/* All set members, after what is already in the object. */
enum status json_print_members(struct json_printer *printer, const struct json_scan *scan,
			       bool is_first) MUST_CHECK;

/* White space and commas. */
void json_print_open(struct json_printer *printer, char bracket);
void json_print_item(struct json_printer *printer, bool is_first);
void json_print_close(struct json_printer *printer, char bracket, bool is_empty);

/* ---- json_print_value.c ---- */

enum status json_print_string(struct json_printer *printer, struct span text,
			      bool is_strict) MUST_CHECK;
enum status json_print_base64(struct json_printer *printer, struct span bytes) MUST_CHECK;

/* The value of a scalar field from its record; the default when record is NULL. */
enum status json_print_scalar(struct json_printer *printer, const struct field *field,
			      const struct wire_field *record) MUST_CHECK;

/* The value of a field from its runs, of any kind but for an unset message. */
enum status json_print_field(struct json_printer *printer, const struct field *field,
			     struct json_runs runs) MUST_CHECK;

/* A message from its parts. */
enum status json_print_message(struct json_printer *printer, const struct message *message,
			       const struct span *part) MUST_CHECK;

/* ---- json_print_known.c ---- */

/* The value of a scanned message, in the form of its type. */
enum status json_print_scanned(struct json_printer *printer,
			       const struct json_scan *scan) MUST_CHECK;

#endif
