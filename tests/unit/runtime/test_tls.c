/* The client of tls.c beside servers in a child process, each with its own manners, over
 * certificates that the openssl program makes once. */
#include "src/runtime/tls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"
#include "src/runtime/timer.h"
#include "tests/unit/unit.h"

#define TEST_WAIT_NS (20 * NS_PER_S)
#define HANDSHAKE_NS (300 * NS_PER_MS)

enum manner {
	ECHO,	       /* until close_notify, which it answers */
	ECHO_PIECES,   /* the same, each byte of the handshake in a segment of its own */
	SAY_AND_END,   /* some bytes, close_notify */
	SAY_AND_BREAK, /* some bytes, and no word */
	SAY_GARBAGE,   /* some bytes, then some that are no record */
	GARBAGE,       /* at once */
	PLAIN,	       /* a redis-server without TLS */
	HALF,	       /* half of its first flight, then closed */
	SILENT,	       /* takes, and says nothing */
	OLD,	       /* TLS 1.1 */
	WANTS_CERT,
};

struct fixture {
	struct loop *loop;
	struct stream *stream;
	char dir[64];
	pid_t child;
	bool is_connected;
	bool is_closed;
	struct error why;
	size_t to_say;
	size_t said;
	size_t heard;
	size_t want; /* to be heard */
	bool stops;  /* reading, in each read; started anew by the timer */
	struct timer timer;
};

static void on_timer(void *data);

/* ---- certificates ---------------------------------------------------------------------------- */
static void run(struct fixture *f, const char *const *words)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(f->dir) == 0 && freopen("/dev/null", "w", stderr))
			(void)execvp(words[0], (char *const *)(uintptr_t)words);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void make_ca(struct fixture *f, const char *key, const char *pem)
{
	const char *words[] = {"openssl",
			       "req",
			       "-x509",
			       "-newkey",
			       "ec",
			       "-pkeyopt",
			       "ec_paramgen_curve:P-256",
			       "-nodes",
			       "-keyout",
			       key,
			       "-out",
			       pem,
			       "-subj",
			       "/CN=ca",
			       "-days",
			       "1",
			       NULL};

	run(f, words);
}

static void make_certificate(struct fixture *f, const char *name, const char *ca, const char *days,
			     const char *alt)
{
	char key[32];
	char pem[32];
	char ca_key[32];
	char ca_pem[32];
	char ext[32];
	char path[128];
	FILE *file;
	const char *request[] = {"openssl",
				 "req",
				 "-new",
				 "-newkey",
				 "ec",
				 "-pkeyopt",
				 "ec_paramgen_curve:P-256",
				 "-nodes",
				 "-keyout",
				 key,
				 "-out",
				 "csr",
				 "-subj",
				 "/CN=x",
				 NULL};
	const char *sign[] = {"openssl", "x509", "-req",     "-in",  "csr",
			      "-CA",	 ca_pem, "-CAkey",   ca_key, "-CAcreateserial",
			      "-days",	 days,	 "-extfile", ext,    "-out",
			      pem,	 NULL};

	snprintf(key, sizeof(key), "%s.key", name);
	snprintf(pem, sizeof(pem), "%s.pem", name);
	snprintf(ca_key, sizeof(ca_key), "%s.key", ca);
	snprintf(ca_pem, sizeof(ca_pem), "%s.pem", ca);
	snprintf(ext, sizeof(ext), "%s.ext", name);
	snprintf(path, sizeof(path), "%s/%s", f->dir, ext);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "subjectAltName=%s\n", alt);
	assert_int_equal(fclose(file), 0);
	run(f, request);
	run(f, sign);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	snprintf(f->dir, sizeof(f->dir), "/tmp/headgate-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(loop_new(&f->loop, NULL), ST_OK);
	timer_init(&f->timer, f->loop, on_timer, f);
	make_ca(f, "ca.key", "ca.pem");
	make_ca(f, "other.key", "other.pem");
	make_certificate(f, "good", "ca", "1", "DNS:localhost,DNS:redis.example,IP:127.0.0.1");
	make_certificate(f, "stranger", "other", "1", "IP:127.0.0.1");
	make_certificate(f, "renamed", "ca", "1", "DNS:elsewhere.example,IP:127.0.0.2");
	make_certificate(f, "expired", "ca", "-1", "IP:127.0.0.1");
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	const char *words[] = {"rm", "-r", f->dir, NULL};

	timer_stop(&f->timer);
	loop_free(f->loop);
	run(f, words);
	free(f);
	return 0;
}

/* ---- the server, in its own process ---------------------------------------------------------- */
static void send_all(int fd, const char *bytes, size_t len, size_t piece)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len < piece ? len : piece, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0); /* the client has had enough */
		bytes += n;
		len -= (size_t)n;
	}
}

/* A handshake whose bytes pass through memory, so that they can be cut. */
static void shake_in_pieces(int fd, SSL *ssl, size_t piece, bool is_half)
{
	BIO *in = BIO_new(BIO_s_mem());
	BIO *out = BIO_new(BIO_s_mem());
	char bytes[65536];
	int rc;

	SSL_set_bio(ssl, in, out);
	do {
		int len;
		ssize_t n;

		rc = SSL_accept(ssl);
		len = BIO_read(out, bytes, sizeof(bytes));
		if (len > 0)
			send_all(fd, bytes, is_half ? (size_t)len / 2 : (size_t)len, piece);
		if (is_half && len > 0)
			_exit(0);
		if (rc == 1)
			break;
		/* a byte at a time: what came behind the handshake must stay in the socket */
		n = recv(fd, bytes, 1, 0);
		if (n <= 0)
			_exit(0);
		BIO_write(in, bytes, (int)n);
	} while (rc != 1);
	SSL_set_fd(ssl, fd);
}

static void serve_tls(int fd, SSL *ssl, enum manner manner)
{
	static char bytes[65536];
	int n;

	if (manner == ECHO_PIECES || manner == HALF)
		shake_in_pieces(fd, ssl, 1, manner == HALF);
	else if (SSL_accept(ssl) != 1)
		_exit(0);
	if (manner == SAY_AND_END || manner == SAY_AND_BREAK || manner == SAY_GARBAGE) {
		(void)SSL_write(ssl, "\0\1\2\3", 4);
		if (manner == SAY_AND_END)
			(void)SSL_shutdown(ssl);
		if (manner == SAY_GARBAGE)
			send_all(fd, "garbage that is no record of it", 31, 31);
		_exit(0);
	}
	while ((n = SSL_read(ssl, bytes, sizeof(bytes))) > 0) {
		if (SSL_write(ssl, bytes, n) != n)
			_exit(1);
	}
	if (SSL_get_error(ssl, n) != SSL_ERROR_ZERO_RETURN)
		_exit(2); /* the client went without a word */
	(void)SSL_shutdown(ssl);
	_exit(0);
}

static void serve(int listener, const char *dir, const char *name, enum manner manner,
		  unsigned seed)
{
	int fd = accept(listener, NULL, NULL);
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	char text[4096];
	int one = 1;
	ssize_t n = 0;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (chdir(dir) < 0)
		_exit(3);
	if (manner == GARBAGE || manner == PLAIN || manner == SILENT) {
		n = recv(fd, text, sizeof(text), 0);
		if (manner == SILENT)
			n = recv(fd, text, sizeof(text), 0);
		if (manner == PLAIN)
			send_all(fd, "-ERR unknown command\r\n", 22, 22);
		for (size_t i = 0; manner == GARBAGE && i < sizeof(text); i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = (char)(seed >> 16);
		}
		if (manner == GARBAGE && seed % 2)
			memcpy(text, "\x16\x03\x03\x01\x00", 5); /* looks like a record */
		if (manner == GARBAGE)
			send_all(fd, text, sizeof(text), 997);
		_exit(n < 0);
	}
	snprintf(text, sizeof(text), "%s.pem", name);
	SSL_CTX_use_certificate_chain_file(context, text);
	snprintf(text, sizeof(text), "%s.key", name);
	SSL_CTX_use_PrivateKey_file(context, text, SSL_FILETYPE_PEM);
	if (manner == OLD) {
		SSL_CTX_set_security_level(context, 0);
		SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
	}
	SSL_CTX_load_verify_locations(context, "ca.pem", NULL);
	if (manner == WANTS_CERT)
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
				   NULL);
	{
		SSL *ssl = SSL_new(context);

		SSL_set_fd(ssl, fd);
		serve_tls(fd, ssl, manner);
	}
}

static uint16_t start_server(struct fixture *f, const char *name, enum manner manner, unsigned seed)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	f->child = fork();
	assert_true(f->child >= 0);
	if (f->child == 0)
		serve(listener, f->dir, name, manner, seed);
	close(listener);
	return ntohs(address.sin_port);
}

/* ---- the client ------------------------------------------------------------------------------ */
static void on_connected(void *data)
{
	struct fixture *f = data;

	assert_non_null(f->stream); /* never from inside tls_connect */
	f->is_connected = true;
}

static void on_read(void *data, struct span bytes)
{
	struct fixture *f = data;

	for (size_t i = 0; i < bytes.len; i++)
		assert_int_equal(bytes.data[i], (uint8_t)(f->heard + i));
	f->heard += bytes.len;
	if (f->stops) {
		stream_read_stop(f->stream);
		timer_start_in(&f->timer, 0);
	}
}

static void on_timer(void *data)
{
	struct fixture *f = data;

	if (f->stream)
		stream_read_start(f->stream);
}

static void on_produce(void *data, struct buf *out)
{
	struct fixture *f = data;
	size_t n = f->to_say < STREAM_CHUNK_BYTES ? f->to_say : STREAM_CHUNK_BYTES;

	assert_true(f->is_connected);
	for (size_t i = 0; i < n; i++)
		assert_true(buf_append_byte(out, (uint8_t)(f->said + i)));
	f->said += n;
	f->to_say -= n;
}

static void on_closed(void *data, const struct error *error)
{
	struct fixture *f = data;

	f->stream = NULL;
	f->is_closed = true;
	f->why = *error;
}

static const struct stream_ops ops = {on_connected, on_read, on_produce, on_closed};

static void open_client(struct fixture *f, const struct tls_params *params, const char *host,
			uint16_t port, uint64_t limit_ns)
{
	struct address address;
	char text[64];

	f->is_connected = false;
	f->is_closed = false;
	f->to_say = 0;
	f->said = 0;
	f->heard = 0;
	snprintf(text, sizeof(text), "%s:%u", host, port);
	assert_int_equal(address_parse(span_from_str(text), "", &address, NULL), ST_OK);
	f->stream = tls_connect(f->loop, &address, clock_mono_ns() + limit_ns, params, &ops, f);
}

static bool is_decided(void *data)
{
	struct fixture *f = data;

	return f->is_connected || f->is_closed;
}

static bool is_over(void *data)
{
	struct fixture *f = data;

	return f->is_closed;
}

static bool is_heard(void *data)
{
	struct fixture *f = data;

	return f->heard == f->want || f->is_closed;
}

static void await(struct fixture *f, bool (*is_done)(void *))
{
	assert_true(loop_run_until(f->loop, is_done, f, clock_mono_ns() + TEST_WAIT_NS));
}

/* What the server made of it. */
static int end_server(struct fixture *f)
{
	int status;

	stream_close(f->stream);
	f->stream = NULL;
	assert_int_equal(waitpid(f->child, &status, 0), f->child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const char *in_dir(struct fixture *f, const char *name, char *path, size_t size)
{
	if (!name || name[0] == '/')
		return name;
	snprintf(path, size, "%s/%s", f->dir, name);
	return path;
}

/* ---- tests ----------------------------------------------------------------------------------- */
static const struct {
	const char *name;
	const char *server;
	enum manner manner;
	struct tls_params params;
	const char *host;
	const char *error; /* NULL: it stands */
} handshake_rows[] = {
	{"by number", "good", ECHO, {.ca_file = "ca.pem"}, "127.0.0.1", NULL},
	{"by name", "good", ECHO, {.ca_file = "ca.pem"}, "localhost", NULL},
	{"in pieces", "good", ECHO_PIECES, {.ca_file = "ca.pem"}, "127.0.0.1", NULL},
	{"another name expected",
	 "renamed",
	 ECHO,
	 {.ca_file = "ca.pem", .server_name = "elsewhere.example"},
	 "127.0.0.1",
	 NULL},
	{"another number expected",
	 "renamed",
	 ECHO,
	 {.ca_file = "ca.pem", .server_name = "127.0.0.2"},
	 "127.0.0.1",
	 NULL},
	{"insecure", "stranger", ECHO, {.is_insecure = true}, "127.0.0.1", NULL},
	{"insecure, another name",
	 "renamed",
	 ECHO,
	 {.ca_file = "ca.pem", .is_insecure = true},
	 "127.0.0.1",
	 NULL},
	{"with a certificate",
	 "good",
	 WANTS_CERT,
	 {.ca_file = "ca.pem", .cert_file = "good.pem", .key_file = "good.key"},
	 "127.0.0.1",
	 NULL},
	{"unknown CA",
	 "stranger",
	 ECHO,
	 {.ca_file = "ca.pem"},
	 "127.0.0.1",
	 "unknown CA: see t.tls_ca_file"},
	{"the system's CAs",
	 "good",
	 ECHO,
	 {.ca_file = NULL},
	 "127.0.0.1",
	 "unknown CA: see t.tls_ca_file"},
	{"another name",
	 "renamed",
	 ECHO,
	 {.ca_file = "ca.pem"},
	 "localhost",
	 "not for \"localhost\": see t.tls_server_name"},
	{"another number",
	 "renamed",
	 ECHO,
	 {.ca_file = "ca.pem"},
	 "127.0.0.1",
	 "not for \"127.0.0.1\": see t.tls_server_name"},
	{"expired", "expired", ECHO, {.ca_file = "ca.pem"}, "127.0.0.1", "has expired"},
	{"plain server", "good", PLAIN, {.ca_file = "ca.pem"}, "127.0.0.1", "does not speak TLS"},
	{"closed in the middle",
	 "good",
	 HALF,
	 {.ca_file = "ca.pem"},
	 "127.0.0.1",
	 "closed during the handshake"},
	{"silent", "good", SILENT, {.ca_file = "ca.pem"}, "127.0.0.1", "took too long"},
	{"too old", "good", OLD, {.ca_file = "ca.pem"}, "127.0.0.1", "protocol version"},
	{"no such file", "good", ECHO, {.ca_file = "none.pem"}, "127.0.0.1", "t.tls_ca_file: "},
};

static void handshakes(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(handshake_rows); i++) {
		struct tls_params params = handshake_rows[i].params;
		char paths[3][128];
		uint16_t port =
			start_server(f, handshake_rows[i].server, handshake_rows[i].manner, 0);

		params.key_prefix = "t.";
		params.ca_file = in_dir(f, params.ca_file, paths[0], sizeof(paths[0]));
		params.cert_file = in_dir(f, params.cert_file, paths[1], sizeof(paths[1]));
		params.key_file = in_dir(f, params.key_file, paths[2], sizeof(paths[2]));
		open_client(f, &params, handshake_rows[i].host, port,
			    handshake_rows[i].manner == SILENT ? HANDSHAKE_NS : TEST_WAIT_NS);
		await(f, is_decided);
		if (handshake_rows[i].error) {
			UNIT_ROW(handshake_rows[i].name, f->is_closed && f->why.status != ST_OK);
			if (!strstr(f->why.message, handshake_rows[i].error))
				fail_msg("row \"%s\": %s", handshake_rows[i].name, f->why.message);
			(void)end_server(f);
			continue;
		}
		if (!f->is_connected)
			fail_msg("row \"%s\": %s", handshake_rows[i].name, f->why.message);
		f->to_say = 100;
		f->want = 100;
		stream_want_write(f->stream);
		await(f, is_heard);
		UNIT_ROW(handshake_rows[i].name, f->heard == 100);
		stream_shutdown(f->stream);
		await(f, is_over);
		UNIT_ROW(handshake_rows[i].name, f->why.status == ST_OK);
		UNIT_ROW(handshake_rows[i].name, end_server(f) == 0); /* it was told of the end */
	}
}

/* The refusal of a client without certificate comes after what it takes for the handshake. */
static void server_wants_a_certificate(void **state)
{
	struct fixture *f = *state;
	char path[128];
	const struct tls_params params = {.key_prefix = "t.",
					  .ca_file = in_dir(f, "ca.pem", path, sizeof(path))};

	open_client(f, &params, "127.0.0.1", start_server(f, "good", WANTS_CERT, 0), TEST_WAIT_NS);
	await(f, is_over);
	assert_int_equal(f->why.status, ST_FAILED_PRECONDITION);
	assert_non_null(strstr(f->why.message, "wants a certificate of ours: see t.tls_cert_file"));
	(void)end_server(f);
}

static void ends(void **state)
{
	static const struct {
		const char *name;
		enum manner manner;
		enum status status;
	} rows[] = {
		{"in order", SAY_AND_END, ST_OK},
		{"without a word", SAY_AND_BREAK, ST_UNAVAILABLE},
		{"with garbage", SAY_GARBAGE, ST_UNAVAILABLE},
	};
	struct fixture *f = *state;
	char path[128];
	const struct tls_params params = {.key_prefix = "t.",
					  .ca_file = in_dir(f, "ca.pem", path, sizeof(path))};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint16_t port = start_server(f, "good", rows[i].manner, 0);

		open_client(f, &params, "127.0.0.1", port, TEST_WAIT_NS);
		await(f, is_over);
		UNIT_ROW(rows[i].name, f->heard == 4);
		UNIT_ROW(rows[i].name, f->why.status == rows[i].status);
		UNIT_ROW(rows[i].name, end_server(f) == 0);
	}
}

static void random_bytes_are_refused(void **state)
{
	struct fixture *f = *state;
	char path[128];
	const struct tls_params params = {.key_prefix = "t.",
					  .ca_file = in_dir(f, "ca.pem", path, sizeof(path))};

	for (unsigned seed = 1; seed <= 60; seed++) {
		open_client(f, &params, "127.0.0.1", start_server(f, "good", GARBAGE, seed),
			    TEST_WAIT_NS);
		await(f, is_decided);
		assert_false(f->is_connected);
		assert_int_not_equal(f->why.status, ST_OK);
		(void)end_server(f);
	}
}

static void much_goes_both_ways(void **state)
{
	struct fixture *f = *state;
	char path[128];
	const struct tls_params params = {.key_prefix = "t.",
					  .ca_file = in_dir(f, "ca.pem", path, sizeof(path))};

	for (int stops = 0; stops < 2; stops++) {
		open_client(f, &params, "127.0.0.1", start_server(f, "good", ECHO, 0),
			    TEST_WAIT_NS);
		await(f, is_decided);
		assert_true(f->is_connected);
		f->stops = stops;
		f->want = f->to_say = (stops ? 1U : 16U) << 20;
		stream_want_write(f->stream);
		await(f, is_heard);
		assert_int_equal(f->heard, f->want);
		f->stops = false;
		stream_shutdown(f->stream);
		await(f, is_over);
		assert_int_equal(end_server(f), 0);
	}
}

static void files_are_checked(void **state)
{
	static const struct {
		const char *name;
		struct tls_params params;
		const char *error;
	} rows[] = {
		{"nothing", {.ca_file = ""}, NULL},
		{"all", {"t.", "ca.pem", "good.pem", "good.key", NULL, false}, NULL},
		{"no CA", {.ca_file = "good.key"}, "t.tls_ca_file"},
		{"a folder", {.ca_file = "/tmp"}, "t.tls_ca_file: /tmp: is no file"},
		{"key alone",
		 {.key_file = "good.key"},
		 "t.tls_key_file: there is no tls_cert_file"},
		{"key of another",
		 {.cert_file = "good.pem", .key_file = "expired.key"},
		 "t.tls_key_file"},
		{"no key", {.cert_file = "good.pem"}, "t.tls_cert_file"},
		{"no certificate",
		 {.cert_file = "good.key", .key_file = "good.key"},
		 "t.tls_cert_file"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct tls_params params = rows[i].params;
		struct error error = {.status = ST_OK};
		char paths[3][128];
		enum status st;

		params.key_prefix = "t.";
		if (params.ca_file && params.ca_file[0])
			params.ca_file = in_dir(f, params.ca_file, paths[0], sizeof(paths[0]));
		params.cert_file = in_dir(f, params.cert_file, paths[1], sizeof(paths[1]));
		params.key_file = in_dir(f, params.key_file, paths[2], sizeof(paths[2]));
		st = tls_check(&params, &error);
		UNIT_ROW(rows[i].name, st == (rows[i].error ? ST_FAILED_PRECONDITION : ST_OK));
		if (rows[i].error && !strstr(error.message, rows[i].error))
			fail_msg("row \"%s\": %s", rows[i].name, error.message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes),
		cmocka_unit_test(server_wants_a_certificate),
		cmocka_unit_test(ends),
		cmocka_unit_test(random_bytes_are_refused),
		cmocka_unit_test(much_goes_both_ways),
		cmocka_unit_test(files_are_checked),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
