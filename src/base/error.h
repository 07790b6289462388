#ifndef HEADGATE_SRC_BASE_ERROR_H
#define HEADGATE_SRC_BASE_ERROR_H

#include "src/base/status.h"

/* Longest texts kept; longer ones are cut at a UTF-8 boundary. */
#define ERROR_MESSAGE_MAX 512
#define ERROR_FIELD_MAX 128

/* Why a call failed. Fixed size, no allocation: lives on the caller's stack. Only meaningful after
 * a call returned something other than ST_OK. `field` is the request field as the client wrote it,
 * "" when the failure belongs to no field. */
struct error {
	enum status status;
	int saved_errno;
	char field[ERROR_FIELD_MAX];
	char message[ERROR_MESSAGE_MAX];
};

/* Fills err (which may be NULL) and returns status, so that `return error_set(...)` reads well. */
enum status error_set(struct error *err, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Like error_set for a failed system call: keeps saved_errno and appends its text. */
enum status error_set_errno(struct error *err, enum status status, int saved_errno,
			    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Puts "context: " before the message; once per layer. Returns err->status, ST_UNKNOWN for NULL. */
enum status error_wrap(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Names the request field; later calls put "outer." before it when outer is not empty. */
void error_set_field(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* What static analysis cannot see from here: these return the status they are given. */
#if defined(__clang_analyzer__) && !defined(HEADGATE_ERROR_IMPLEMENTATION)
#define error_set(err, status, ...) (error_set((err), (status), __VA_ARGS__), (status))
#define error_set_errno(err, status, ...) (error_set_errno((err), (status), __VA_ARGS__), (status))
#define error_wrap(...) (error_wrap(__VA_ARGS__), ST_UNKNOWN)
#endif

/* Our own bug: says what and where, aborts in every build. Never for data from outside. */
#define BUG_ON(condition)                                                                          \
	do {                                                                                       \
		if (__builtin_expect(!!(condition), 0))                                            \
			bug_abort(#condition, __FILE__, __LINE__);                                 \
	} while (0)

void bug_abort(const char *condition, const char *file, int line) __attribute__((noreturn, cold));

#endif
