#include "httpapi/front/docs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "httpapi/etag.h"
#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/page.h"
#include "src/base/error.h"
#include "src/base/file.h"
#include "src/base/mem.h"

/* The explorer has about 500 KiB packed and 2 MiB unpacked; nothing larger belongs here. */
#define DOCS_FILE_BYTES_MAX ((size_t)2 * 1024 * 1024)
#define DOCS_UNPACKED_BYTES_MAX ((size_t)8 * 1024 * 1024)

/* Scripts, styles and data from this server alone, and pictures that are part of the styles. React
 * sets style attributes by script, which needs no permission. Spec: CSP level 3 */
#define DOCS_POLICY                                                                                \
	"default-src 'none'; script-src 'self'; style-src 'self'; "                                \
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "          \
	"frame-ancestors 'none'"

#define DOCS_MISSING                                                                               \
	"The files of the API explorer are not here: `./dev build` fetches them, and "             \
	"http.docs_dir says where they are.\n"

static const struct {
	const char *path;
	const char *file;
	const char *content_type;
	bool is_packed;
} docs_files[] = {
	{"/docs", "index.html", "text/html; charset=utf-8", false},
	{"/docs/explorer.js", "explorer.js", "text/javascript; charset=utf-8", false},
	{"/docs/swagger-ui.css", "swagger-ui.css.gz", "text/css; charset=utf-8", true},
	{"/docs/swagger-ui-bundle.js", "swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8",
	 true},
};
#define DOCS_FILE_COUNT (sizeof(docs_files) / sizeof(docs_files[0]))

struct docs {
	struct buf content[DOCS_FILE_COUNT];
	char etag[DOCS_FILE_COUNT][ETAG_BYTES];
	char plain_etag[DOCS_FILE_COUNT][ETAG_BYTES];
	bool is_complete;
};

/* ---- reading ------------------------------------------------------------------------------- */

static void docs_forget(struct docs *docs)
{
	for (size_t i = 0; i < DOCS_FILE_COUNT; i++)
		buf_fini(&docs->content[i]);
	docs->is_complete = false;
}

static bool docs_read(struct docs *docs, const char *dir)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < DOCS_FILE_COUNT; i++) {
		struct buf *content = &docs->content[i];

		buf_init(content, DOCS_FILE_BYTES_MAX);
		if (snprintf(path, sizeof(path), "%s/%s", dir, docs_files[i].file) >=
			    (int)sizeof(path) ||
		    file_load(path, DOCS_FILE_BYTES_MAX, content, NULL) != ST_OK) {
			docs_forget(docs);
			return false;
		}
		etag_make(buf_span(content), docs_files[i].is_packed, docs->etag[i]);
		etag_make(buf_span(content), false, docs->plain_etag[i]);
	}
	docs->is_complete = true;
	return true;
}

/* Beside the program: in the build tree, and where make install puts both. */
static void docs_search(struct docs *docs)
{
	static const char *const places[] = {"share/docs", "../share/headgate/docs"};
	char program[PATH_MAX];
	char dir[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	char *slash;

	if (len <= 0)
		return;
	program[len] = '\0';
	slash = strrchr(program, '/');
	if (!slash)
		return;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (snprintf(dir, sizeof(dir), "%s/%s", program, places[i]) < (int)sizeof(dir) &&
		    docs_read(docs, dir))
			return;
}

struct docs *docs_open(const char *dir)
{
	struct docs *docs = mem_new(struct docs);

	if (dir[0])
		(void)docs_read(docs, dir); /* the page says so */
	else
		docs_search(docs);
	return docs;
}

void docs_close(struct docs *docs)
{
	if (!docs)
		return;
	docs_forget(docs);
	mem_free(docs);
}

/* ---- serving ------------------------------------------------------------------------------- */

const char *docs_path(unsigned index)
{
	return index < DOCS_FILE_COUNT ? docs_files[index].path : NULL;
}

static void docs_serve_file(const struct docs *docs, size_t i, struct http_request *request,
			    const struct http_head *head)
{
	static const struct h2_header headers[] = {
		{SPAN_LIT("content-security-policy"), SPAN_LIT(DOCS_POLICY)},
		{SPAN_LIT("x-content-type-options"), SPAN_LIT("nosniff")},
		{SPAN_LIT("referrer-policy"), SPAN_LIT("no-referrer")},
	};
	struct span content = buf_span(&docs->content[i]);
	const struct page page = {
		.body = docs_files[i].is_packed ? SPAN_EMPTY : content,
		.packed = docs_files[i].is_packed ? content : SPAN_EMPTY,
		.body_max = DOCS_UNPACKED_BYTES_MAX,
		.content_type = docs_files[i].content_type,
		.etag = docs->etag[i],
		.plain_etag = docs->plain_etag[i],
		.headers = headers,
		.header_count = sizeof(headers) / sizeof(headers[0]),
	};

	page_serve(request, head, &page);
}

void docs_serve(const struct docs *docs, struct http_request *request, const struct http_head *head)
{
	struct span path = span_head(head->target, span_find(head->target, '?'));

	for (size_t i = 0; docs->is_complete && i < DOCS_FILE_COUNT; i++) {
		if (!span_eq_str(path, docs_files[i].path))
			continue;
		docs_serve_file(docs, i, request, head);
		return;
	}
	http_reply_body(request, 404, "text/plain; charset=utf-8", SPAN_LIT(DOCS_MISSING));
}
