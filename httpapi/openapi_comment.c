#include "httpapi/openapi_comment.h"

#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* A comment longer than this is no description. */
#define COMMENT_BYTES_MAX ((size_t)16 * 1024)
#define SUMMARY_BYTES_MAX ((size_t)120)

/* Numbers of the elements in their descriptors. Spec: google/protobuf/descriptor.proto */
enum {
	IN_FILE_MESSAGE = 4,
	IN_FILE_ENUM = 5,
	IN_FILE_SERVICE = 6,
	IN_MESSAGE_FIELD = 2,
	IN_MESSAGE_MESSAGE = 3,
	IN_MESSAGE_ENUM = 4,
	IN_ENUM_VALUE = 2,
	IN_SERVICE_METHOD = 2,
};

/* Longest path as packed varints of up to five bytes. */
#define PATH_BYTES_MAX ((size_t)5 * OPENAPI_COMMENT_PATH_MAX)

struct comment_file {
	struct map_node node; /* key: name of the file */
	struct map by_path;   /* key: the packed path as the location has it */
};

struct comment_node {
	struct map_node node;
	struct span text;
};

/* A path being written, already packed. */
struct comment_path {
	uint8_t bytes[PATH_BYTES_MAX];
	size_t len;
};

void openapi_comments_init(struct openapi_comments *comments, struct arena *arena)
{
	map_init(&comments->files_);
	comments->arena_ = arena;
}

void openapi_comments_fini(struct openapi_comments *comments)
{
	for (struct map_node *node = map_next(&comments->files_, NULL); node;
	     node = map_next(&comments->files_, node))
		map_fini(&container_of(node, struct comment_file, node)->by_path);
	map_fini(&comments->files_);
}

/* ---- the index ----------------------------------------------------------------------------- */

/* Spec: descriptor.proto, SourceCodeInfo.Location: path = 1, leading = 3, trailing = 4 */
static void comment_index_location(struct openapi_comments *comments, struct comment_file *file,
				   struct span location)
{
	struct wire_field path;
	struct wire_field text;
	struct comment_node *node;

	if (!wire_find_last(location, 3, WIRE_BYTES, &text) &&
	    !wire_find_last(location, 4, WIRE_BYTES, &text))
		return;
	if (!wire_find_last(location, 1, WIRE_BYTES, &path))
		return;
	node = arena_new(comments->arena_, struct comment_node);
	if (!node)
		return;
	node->node.key = path.bytes;
	node->text = text.bytes;
	(void)map_insert(&file->by_path, &node->node); /* the first of two wins */
}

static const struct comment_file *comment_file(struct openapi_comments *comments,
					       const struct proto_file *from)
{
	struct map_node *node = map_find(&comments->files_, from->name);
	struct comment_file *file;
	struct wire_reader reader;
	struct wire_field location;

	if (node)
		return container_of(node, struct comment_file, node);
	file = arena_new(comments->arena_, struct comment_file);
	if (!file)
		return NULL;
	file->node.key = from->name;
	map_init(&file->by_path);
	(void)map_insert(&comments->files_, &file->node); /* was looked for */
	wire_reader_init(&reader, from->source_info);
	while (wire_next(&reader, &location))
		if (location.number == 1 && location.type == WIRE_BYTES)
			comment_index_location(comments, file, location.bytes);
	return file;
}

/* ---- paths --------------------------------------------------------------------------------- */

static void path_add(struct comment_path *path, uint32_t number)
{
	do {
		uint8_t more = number > 0x7F ? 0x80 : 0;

		if (path->len == sizeof(path->bytes))
			return; /* names nothing then */
		path->bytes[path->len++] = (uint8_t)((number & 0x7F) | more);
		number >>= 7;
	} while (number);
}

static void path_add_message(struct comment_path *path, const struct message *message)
{
	const struct message *outer[SCHEMA_NESTING_MAX + 1];
	size_t depth = 0;

	for (; message && depth <= SCHEMA_NESTING_MAX; message = message->parent)
		outer[depth++] = message;
	while (depth--) {
		path_add(path, outer[depth]->parent ? IN_MESSAGE_MESSAGE : IN_FILE_MESSAGE);
		path_add(path, outer[depth]->declared_index);
	}
}

static void path_add_enum(struct comment_path *path, const struct enum_type *type)
{
	path_add_message(path, type->parent);
	path_add(path, type->parent ? IN_MESSAGE_ENUM : IN_FILE_ENUM);
	path_add(path, type->declared_index);
}

/* ---- the text ------------------------------------------------------------------------------ */

/* A line without the space after its slashes and those at its end. */
static struct span comment_trim(struct span line)
{
	if (line.len && line.data[0] == ' ')
		line = span_skip(line, 1);
	while (line.len && (line.data[line.len - 1] == ' ' || line.data[line.len - 1] == '\r' ||
			    line.data[line.len - 1] == '\t'))
		line.len--;
	return line;
}

/* "(-- --)" holds notes among the authors. Spec: AIP-192 */
static struct span comment_take_note(struct span text)
{
	for (size_t i = 0; i + 3 <= text.len; i++)
		if (span_starts_with(span_skip(text, i), SPAN_LIT("--)")))
			return span_skip(text, i + 3);
	return SPAN_EMPTY;
}

static void comment_write(struct span text, struct buf *out)
{
	while (text.len && buf_len(out) < COMMENT_BYTES_MAX) {
		size_t end = span_find(text, '\n');
		struct span line = span_head(text, end);

		for (size_t i = 0; i + 3 <= line.len; i++) {
			if (!span_starts_with(span_skip(line, i), SPAN_LIT("(--")))
				continue;
			text = comment_take_note(span_skip(text, i));
			line = span_head(line, i);
			(void)buf_append(out, comment_trim(line));
			break;
		}
		if (line.len < end)
			continue;
		(void)buf_append(out, comment_trim(line));
		(void)buf_append_byte(out, '\n');
		text = span_skip(text, end + 1);
	}
}

static struct span comment_clean(struct openapi_comments *comments, struct span text)
{
	struct buf out;
	struct span clean;

	/* A line more than the limit, so that the cut is made here. */
	buf_init(&out, COMMENT_BYTES_MAX + text.len + 1);
	comment_write(text, &out);
	clean = span_head(buf_span(&out), COMMENT_BYTES_MAX);
	while (clean.len && (clean.data[0] == '\n'))
		clean = span_skip(clean, 1);
	while (clean.len && clean.data[clean.len - 1] == '\n')
		clean.len--;
	while (clean.len && clean.len == COMMENT_BYTES_MAX && !text_is_utf8(clean))
		clean.len--;
	clean = text_is_utf8(clean) ? arena_span(comments->arena_, clean) : SPAN_EMPTY;
	buf_fini(&out);
	return clean;
}

static struct span comment_find(struct openapi_comments *comments, const struct proto_file *from,
				const struct comment_path *path)
{
	const struct comment_file *file;
	struct map_node *node;

	if (from->source_info.len == 0)
		return SPAN_EMPTY;
	file = comment_file(comments, from);
	node = file ? map_find(&file->by_path, span_make(path->bytes, path->len)) : NULL;
	if (!node)
		return SPAN_EMPTY;
	return comment_clean(comments, container_of(node, struct comment_node, node)->text);
}

struct span openapi_comment_message(struct openapi_comments *comments,
				    const struct message *message)
{
	struct comment_path path = {.len = 0};

	path_add_message(&path, message);
	return comment_find(comments, message->file, &path);
}

struct span openapi_comment_field(struct openapi_comments *comments, const struct field *field)
{
	struct comment_path path = {.len = 0};

	path_add_message(&path, field->parent);
	path_add(&path, IN_MESSAGE_FIELD);
	path_add(&path, field->declared_index);
	return comment_find(comments, field->parent->file, &path);
}

struct span openapi_comment_enum(struct openapi_comments *comments, const struct enum_type *type)
{
	struct comment_path path = {.len = 0};

	path_add_enum(&path, type);
	return comment_find(comments, type->file, &path);
}

struct span openapi_comment_value(struct openapi_comments *comments, const struct enum_type *type,
				  size_t index)
{
	struct comment_path path = {.len = 0};

	path_add_enum(&path, type);
	path_add(&path, IN_ENUM_VALUE);
	path_add(&path, (uint32_t)index);
	return comment_find(comments, type->file, &path);
}

struct span openapi_comment_service(struct openapi_comments *comments,
				    const struct service *service)
{
	struct comment_path path = {.len = 0};

	path_add(&path, IN_FILE_SERVICE);
	path_add(&path, service->declared_index);
	return comment_find(comments, service->file, &path);
}

struct span openapi_comment_method(struct openapi_comments *comments, const struct method *method)
{
	struct comment_path path = {.len = 0};

	path_add(&path, IN_FILE_SERVICE);
	path_add(&path, method->service->declared_index);
	path_add(&path, IN_SERVICE_METHOD);
	path_add(&path, method->declared_index);
	return comment_find(comments, method->service->file, &path);
}

/* True where a sentence or a paragraph ends at i. */
static bool comment_is_end(struct span text, size_t i)
{
	bool is_last = i + 1 == text.len;

	if (text.data[i] == '\n')
		return is_last || text.data[i + 1] == '\n';
	return text.data[i] == '.' &&
	       (is_last || text.data[i + 1] == ' ' || text.data[i + 1] == '\n');
}

struct span openapi_comment_summary(struct openapi_comments *comments, struct span comment)
{
	size_t len = 0;
	uint8_t *text;

	while (len < comment.len && !comment_is_end(comment, len))
		len++;
	if (len > SUMMARY_BYTES_MAX) {
		for (len = SUMMARY_BYTES_MAX;
		     len > 0 && comment.data[len] != ' ' && comment.data[len] != '\n';)
			len--;
	}
	text = len ? arena_alloc(comments->arena_, len) : NULL;
	for (size_t i = 0; text && i < len; i++)
		text[i] = comment.data[i] == '\n' ? ' ' : comment.data[i];
	return text ? span_make(text, len) : SPAN_EMPTY;
}
