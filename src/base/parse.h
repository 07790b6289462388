#ifndef HEADGATE_SRC_BASE_PARSE_H
#define HEADGATE_SRC_BASE_PARSE_H

/* The answer of every incremental parser: the item is whole, more bytes are needed, or the bytes
 * cannot become right any more. */
enum parse_result { PARSE_DONE, PARSE_MORE, PARSE_BAD };

#endif
