/* Between a stream and its owner:
 *
 *   socket -> stream -> on_read -> [encrypted] -> SSL -> owner's on_read
 *   socket <- stream <- on_produce <- [sealed] <- SSL <- owner's on_produce
 *
 * OpenSSL sees memory only, so it never waits. encrypted_ is emptied by every read, sealed_ by
 * every production: neither grows beyond a chunk and a record. The stream calls us in the place of
 * its owner, and owns us: whoever closes it releases us (stream_layer). */
#include "src/runtime/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/address.h"
#include "src/runtime/stream_internal.h"

/* What one record holds at most (RFC 8446 5.1). */
#define TLS_RECORD_BYTES 16384

/* What the owner says at a time: what it becomes must fit where a stream keeps what a socket
 * refuses, which is four chunks. */
#define TLS_PLAIN_MAX (3 * STREAM_CHUNK_BYTES)

enum tls_state { TLS_CONNECTING, TLS_SHAKING, TLS_OPEN, TLS_OVER };

struct tls {
	struct list garbage_node; /* first: loop_defer_free */
	enum tls_state state;
	struct stream *stream;
	const struct tls_params *params;
	const struct stream_ops *ops;
	void *data;
	char host[ADDRESS_HOST_MAX];
	struct timer timer; /* bound of the handshake */
	uint64_t deadline_ns;
	SSL *ssl;
	BIO *encrypted; /* owned by ssl, as is sealed */
	BIO *sealed;
	struct buf plain; /* said by the owner, not sealed yet */
	bool is_end_said; /* our close_notify */
	uint8_t record[TLS_RECORD_BYTES];
};

static const char *text_or(const char *text, const char *otherwise)
{
	return text && text[0] ? text : otherwise;
}

/* ---- files ----------------------------------------------------------------------------------- */
static enum status tls_file_error(const struct tls_params *params, const char *name,
				  const char *path, const char *what, struct error *err)
{
	ERR_clear_error();
	return error_set(err, ST_FAILED_PRECONDITION, "%s%s: %s: %s", params->key_prefix, name,
			 path, what);
}

/* Not by the library, which would wait for a pipe. */
static BIO *tls_read_file(const struct tls_params *params, const char *name, const char *path,
			  struct error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat stat;
	BIO *bio = NULL;
	const char *what = NULL;

	if (fd < 0 || fstat(fd, &stat) < 0)
		what = strerror(errno);
	else if (!S_ISREG(stat.st_mode))
		what = "is no file";
	else if ((size_t)stat.st_size > TLS_FILE_BYTES_MAX)
		what = "is larger than 1 MiB";
	if (!what) {
		bio = BIO_new(BIO_s_mem());
		BUG_ON(!bio);
		for (size_t len = 0; len < TLS_FILE_BYTES_MAX;) {
			uint8_t bytes[4096];
			ssize_t n = read(fd, bytes, sizeof(bytes));

			if (n < 0)
				what = strerror(errno);
			if (n <= 0)
				break;
			BUG_ON(BIO_write(bio, bytes, (int)n) != n);
			len += (size_t)n;
		}
		BIO_set_mem_eof_return(bio, 0);
	}
	if (fd >= 0)
		(void)close(fd); /* only read */
	if (!what)
		return bio;
	BIO_free(bio);
	(void)tls_file_error(params, name, path, what, err);
	return NULL;
}

static enum status tls_load_ca(const struct tls_params *params, SSL_CTX *context, struct error *err)
{
	const char *path = text_or(params->ca_file, NULL);
	X509_STORE *store = SSL_CTX_get_cert_store(context);
	size_t count = 0;
	X509 *certificate;
	BIO *bio;

	if (!path) {
		(void)SSL_CTX_set_default_verify_paths(
			context); /* what is missing is missed later */
		return ST_OK;
	}
	bio = tls_read_file(params, "tls_ca_file", path, err);
	if (!bio)
		return err->status;
	while ((certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		count += X509_STORE_add_cert(store, certificate) == 1;
		X509_free(certificate);
	}
	BIO_free(bio);
	ERR_clear_error(); /* the end of the file is one */
	if (count == 0)
		return tls_file_error(params, "tls_ca_file", path, "has no certificate (PEM)", err);
	return ST_OK;
}

/* The first certificate is ours, the others lead to its CA. */
static bool tls_use_chain(SSL_CTX *context, BIO *bio)
{
	X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	bool is_ok = certificate && SSL_CTX_use_certificate(context, certificate) == 1;

	X509_free(certificate);
	while (is_ok && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		is_ok = SSL_CTX_add0_chain_cert(context, certificate) == 1;
		if (!is_ok)
			X509_free(certificate);
	}
	return is_ok;
}

/* Without it the library would ask at the terminal. */
static int no_passphrase(char *text, int size, int is_writing, void *data)
{
	(void)text;
	(void)size;
	(void)is_writing;
	(void)data;
	return -1;
}

static enum status tls_load_key(const struct tls_params *params, SSL_CTX *context,
				struct error *err)
{
	bool has_file = text_or(params->key_file, NULL);
	const char *name = has_file ? "tls_key_file" : "tls_cert_file";
	const char *path = has_file ? params->key_file : params->cert_file;
	BIO *bio = tls_read_file(params, name, path, err);
	EVP_PKEY *key;
	bool is_ok;

	if (!bio)
		return err->status;
	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	BIO_free(bio);
	if (!key)
		return tls_file_error(params, name, path, "has no key without passphrase (PEM)",
				      err);
	is_ok = SSL_CTX_use_PrivateKey(context, key) == 1;
	EVP_PKEY_free(key);
	if (!is_ok || SSL_CTX_check_private_key(context) != 1)
		return tls_file_error(params, name, path, "is not the certificate's key", err);
	return ST_OK;
}

static enum status tls_load_own(const struct tls_params *params, SSL_CTX *context,
				struct error *err)
{
	const char *path = text_or(params->cert_file, NULL);
	BIO *bio;
	bool is_ok;

	if (!path && text_or(params->key_file, NULL))
		return error_set(err, ST_FAILED_PRECONDITION,
				 "%stls_key_file: there is no tls_cert_file beside it",
				 params->key_prefix);
	if (!path)
		return ST_OK;
	bio = tls_read_file(params, "tls_cert_file", path, err);
	if (!bio)
		return err->status;
	is_ok = tls_use_chain(context, bio);
	BIO_free(bio);
	ERR_clear_error(); /* the end of the file is one */
	if (!is_ok)
		return tls_file_error(params, "tls_cert_file", path,
				      "has no usable certificate (PEM)", err);
	return tls_load_key(params, context, err);
}

static enum status tls_context(const struct tls_params *params, SSL_CTX **ret_context,
			       struct error *err)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	enum status st;

	BUG_ON(!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1);
	(void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_verify(context, params->is_insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
	st = tls_load_ca(params, context, err);
	if (st == ST_OK)
		st = tls_load_own(params, context, err);
	if (st == ST_OK)
		*ret_context = context;
	else
		SSL_CTX_free(context);
	return st;
}

enum status tls_check(const struct tls_params *params, struct error *err)
{
	SSL_CTX *context = NULL;
	enum status st = tls_context(params, &context, err);

	SSL_CTX_free(context);
	return st;
}

/* ---- the end --------------------------------------------------------------------------------- */
/* The stream is closed, by whomever. The memory stays until no frame holds it. */
static void on_gone(void *data)
{
	struct tls *tls = data;

	tls->state = TLS_OVER;
	timer_stop(&tls->timer);
	SSL_free(tls->ssl);
	tls->ssl = NULL;
	buf_fini(&tls->plain);
	loop_defer_free(tls->stream->loop, &tls->garbage_node);
}

/* What the library wants to say yet, as why it refuses the server; nobody waits for it to leave. */
static void tls_last_words(struct tls *tls)
{
	char *bytes;
	long len = tls->ssl ? BIO_get_mem_data(tls->sealed, &bytes) : 0;

	if (len > 0 && tls->stream->fd >= 0 && buf_len(&tls->stream->out) == 0)
		(void)send(tls->stream->fd, bytes, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void tls_fail(struct tls *tls, enum status status, const char *what, const char *advice)
{
	struct error error;

	(void)error_set(&error, status, "TLS with %s: %s%s%s", stream_peer(tls->stream), what,
			advice[0] ? ": see " : "", advice);
	tls_last_words(tls);
	ERR_clear_error();
	stream_fail(tls->stream, &error);
}

static void tls_fail_key(struct tls *tls, const char *what, const char *name)
{
	char key[128];

	(void)snprintf(key, sizeof(key), "%s%s", tls->params->key_prefix, name);
	tls_fail(tls, ST_FAILED_PRECONDITION, what, key);
}

/* The server's certificate was not accepted. */
static void tls_fail_verify(struct tls *tls, long result)
{
	char what[512];

	switch (result) {
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		tls_fail_key(tls, "the server's certificate is of an unknown CA", "tls_ca_file");
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		(void)snprintf(what, sizeof(what), "the server's certificate is not for \"%s\"",
			       text_or(tls->params->server_name, tls->host));
		tls_fail_key(tls, what, "tls_server_name");
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		tls_fail(tls, ST_FAILED_PRECONDITION, "the server's certificate has expired", "");
		break;
	default:
		(void)snprintf(what, sizeof(what), "the server's certificate: %s",
			       X509_verify_cert_error_string(result));
		tls_fail(tls, ST_FAILED_PRECONDITION, what, "");
	}
}

/* By what the library says. */
static void tls_fail_ssl(struct tls *tls)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);
	char what[256];

	switch (ERR_GET_REASON(code)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
		tls_fail_verify(tls, SSL_get_verify_result(tls->ssl));
		return;
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_PACKET_LENGTH_TOO_LONG:
	case SSL_R_HTTP_REQUEST:
		if (tls->state == TLS_SHAKING) {
			tls_fail(tls, ST_FAILED_PRECONDITION,
				 "the server does not speak TLS (redis:// is for such ones)", "");
			return;
		}
		break;
	case SSL_AD_REASON_OFFSET + TLS13_AD_CERTIFICATE_REQUIRED:
		tls_fail_key(tls, "the server wants a certificate of ours", "tls_cert_file");
		return;
	case SSL_AD_REASON_OFFSET + SSL_AD_UNKNOWN_CA:
	case SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_EXPIRED:
	case SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_REVOKED:
	case SSL_AD_REASON_OFFSET + SSL_AD_CERTIFICATE_UNKNOWN:
	case SSL_AD_REASON_OFFSET + SSL_AD_BAD_CERTIFICATE:
	case SSL_AD_REASON_OFFSET + SSL_AD_UNSUPPORTED_CERTIFICATE:
		(void)snprintf(what, sizeof(what), "the server refuses our certificate (%s)",
			       text_or(reason, "?"));
		tls_fail_key(tls, what, "tls_cert_file");
		return;
	case SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE:
		tls_fail(tls, ST_FAILED_PRECONDITION,
			 "the server refuses the handshake: no common protocol or cipher, or it "
			 "wants a certificate of ours",
			 "");
		return;
	default:
		break;
	}
	tls_fail(tls, ST_UNAVAILABLE, text_or(reason, "it broke"), "");
}

static void on_closed(void *data, const struct error *error)
{
	struct tls *tls = data; /* its end came before, the memory is still there */

	tls->ops->on_closed(tls->data, error);
}

static void on_timer(void *data)
{
	struct tls *tls = data;

	tls_fail(tls, ST_DEADLINE_EXCEEDED, "the handshake took too long; does it speak TLS?", "");
}

/* ---- what is heard --------------------------------------------------------------------------- */
/* There is something of the library's own to be sent. */
static void tls_flush(struct tls *tls)
{
	if (tls->state != TLS_OVER && BIO_ctrl_pending(tls->sealed) > 0)
		stream_want_write(tls->stream);
}

static void tls_end(struct tls *tls, int why)
{
	struct error none = {.status = ST_OK};

	if (why == SSL_ERROR_ZERO_RETURN)
		stream_fail(tls->stream, &none); /* close_notify */
	else
		tls_fail_ssl(tls);
}

static void tls_shake(struct tls *tls)
{
	int rc;
	int why;

	ERR_clear_error();
	rc = SSL_do_handshake(tls->ssl);
	why = SSL_get_error(tls->ssl, rc);
	if (rc == 1) {
		timer_stop(&tls->timer);
		tls->state = TLS_OPEN;
		if (tls->ops->on_connected)
			tls->ops->on_connected(tls->data);
		if (tls->state == TLS_OPEN)
			stream_want_write(tls->stream);
	} else if (why != SSL_ERROR_WANT_READ) {
		tls_end(tls, why);
	}
	tls_flush(tls);
}

/* Callbacks may close the stream, or stop the reading: the rest waits in encrypted. */
static void tls_read(struct tls *tls)
{
	while (tls->state == TLS_OPEN && tls->stream->is_reading) {
		int why;
		int n;

		ERR_clear_error();
		n = SSL_read(tls->ssl, tls->record, sizeof(tls->record));
		if (n > 0) {
			tls->ops->on_read(tls->data, span_make(tls->record, (size_t)n));
			continue;
		}
		why = SSL_get_error(tls->ssl, n);
		if (why != SSL_ERROR_WANT_READ)
			tls_end(tls, why);
		break;
	}
	tls_flush(tls);
}

static void on_read(void *data, struct span bytes)
{
	struct tls *tls = data;

	BUG_ON(BIO_write(tls->encrypted, bytes.data, (int)bytes.len) != (int)bytes.len);
	if (tls->state == TLS_SHAKING)
		tls_shake(tls);
	tls_read(tls);
}

/* EOF: the end is one in order only after close_notify, which read would have told. */
static void on_eof(void *data)
{
	struct tls *tls = data;

	if (tls->state == TLS_SHAKING)
		tls_fail(tls, ST_UNAVAILABLE, "the server closed during the handshake", "");
	else if (tls->state == TLS_OPEN)
		tls_fail(tls, ST_UNAVAILABLE, "the server closed without saying so", "");
}

static void on_read_start(void *data)
{
	tls_read(data);
}

/* ---- what is said ---------------------------------------------------------------------------- */
static bool tls_seal(struct tls *tls)
{
	struct span bytes = buf_span(&tls->plain);
	bool is_ok = true;

	ERR_clear_error();
	if (bytes.len > 0)
		is_ok = SSL_write(tls->ssl, bytes.data, (int)bytes.len) == (int)bytes.len;
	buf_fini(&tls->plain); /* a quiet stream holds no buffer */
	return is_ok;
}

static void on_produce(void *data, struct buf *out)
{
	struct tls *tls = data;
	char *bytes;
	long len;

	if (tls->state == TLS_OPEN) {
		tls->ops->on_produce(tls->data, &tls->plain);
		if (tls->state != TLS_OPEN)
			return;
		if (buf_len(&tls->plain) == 0 && tls->stream->state == STREAM_DRAINING &&
		    !tls->is_end_said) {
			tls->is_end_said = true;
			(void)SSL_shutdown(tls->ssl); /* the peer's word is not waited for */
		}
		if (!tls_seal(tls)) {
			tls_fail_ssl(tls);
			return;
		}
	}
	len = BIO_get_mem_data(tls->sealed, &bytes);
	if (len > 0)
		BUG_ON(!buf_append(out, span_make(bytes, (size_t)len)));
	(void)BIO_reset(tls->sealed);
}

/* ---- the beginning --------------------------------------------------------------------------- */
/* An address of numbers stands in the certificate as such, and is not announced (RFC 6066 3). */
static bool tls_expect(struct tls *tls)
{
	const char *name = text_or(tls->params->server_name, tls->host);
	struct in6_addr number;

	if (inet_pton(AF_INET, name, &number) == 1 || inet_pton(AF_INET6, name, &number) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), name) == 1;
	return SSL_set_tlsext_host_name(tls->ssl, name) == 1 && SSL_set1_host(tls->ssl, name) == 1;
}

static void on_connected(void *data)
{
	struct tls *tls = data;
	SSL_CTX *context;
	struct error error;

	if (tls_context(tls->params, &context, &error) != ST_OK) {
		stream_fail(tls->stream, &error);
		return;
	}
	tls->ssl = SSL_new(context);
	SSL_CTX_free(context); /* counted */
	tls->encrypted = BIO_new(BIO_s_mem());
	tls->sealed = BIO_new(BIO_s_mem());
	BUG_ON(!tls->ssl || !tls->encrypted || !tls->sealed);
	SSL_set_bio(tls->ssl, tls->encrypted, tls->sealed);
	SSL_set_connect_state(tls->ssl);
	tls->state = TLS_SHAKING;
	if (!tls_expect(tls)) {
		tls_fail_key(tls, "the server's name cannot be used", "tls_server_name");
		return;
	}
	timer_start(&tls->timer, tls->deadline_ns);
	tls_shake(tls);
}

struct stream *tls_connect(struct loop *loop, const struct address *address, uint64_t deadline_ns,
			   const struct tls_params *params, const struct stream_ops *ops,
			   void *data)
{
	static const struct stream_ops inner = {
		.on_connected = on_connected,
		.on_read = on_read,
		.on_produce = on_produce,
		.on_closed = on_closed,
	};
	static const struct stream_layer layer = {
		.on_read_start = on_read_start,
		.on_eof = on_eof,
		.on_gone = on_gone,
	};
	struct tls *tls = mem_new(struct tls);

	list_init(&tls->garbage_node);
	tls->params = params;
	tls->ops = ops;
	tls->data = data;
	tls->deadline_ns = deadline_ns;
	(void)snprintf(tls->host, sizeof(tls->host), "%s", address->host);
	buf_init(&tls->plain, TLS_PLAIN_MAX);
	timer_init(&tls->timer, loop, on_timer, tls);
	tls->stream = stream_connect(loop, address, deadline_ns, &inner, tls);
	tls->stream->layer = &layer;
	return tls->stream;
}
