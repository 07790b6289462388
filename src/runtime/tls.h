#ifndef HEADGATE_SRC_RUNTIME_TLS_H
#define HEADGATE_SRC_RUNTIME_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/status.h"

/* A stream that is spoken over TLS, as a client. The adapter of the library that does it. */
struct address;
struct error;
struct loop;
struct stream;
struct stream_ops;

/* A file of certificates or a key has at most this many bytes: the bundle of a system has 250 KiB.
 */
#define TLS_FILE_BYTES_MAX ((size_t)1024 * 1024)

/* Strings may be NULL or "" where there is nothing. */
struct tls_params {
	const char *key_prefix;	 /* of the settings' names in errors: "journal." */
	const char *ca_file;	 /* PEM; none: the CAs of the system */
	const char *cert_file;	 /* PEM, the chain behind it; none: no certificate is shown */
	const char *key_file;	 /* PEM, without a passphrase; none: in cert_file */
	const char *server_name; /* whose certificate is accepted; none: the address's host */
	bool is_insecure;	 /* whoever answers is believed */
};

/* Whether the files are there and fit each other. Reads them. Errors: ST_FAILED_PRECONDITION. */
MUST_CHECK enum status tls_check(const struct tls_params *params, struct error *err);

/* As stream_connect, and what it returns is used as such a stream; on_connected comes when the
 * handshake is done and the server is known, and deadline_ns bounds that, too. TLS 1.2 or newer,
 * without renegotiation. params: borrowed until the stream is over. The files are read anew, so
 * they may be replaced in place; they are local and small, which is why that may block.
 * stream_shutdown before on_connected ends it without a word.
 * Errors of on_closed: ST_FAILED_PRECONDITION when a person must do something about files,
 * certificates or names; the peer's end is one in order only if it said so (close_notify). */
struct stream *tls_connect(struct loop *loop, const struct address *address, uint64_t deadline_ns,
			   const struct tls_params *params, const struct stream_ops *ops,
			   void *data);

#endif
