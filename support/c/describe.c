#include "support/c/describe.h"

#include <string.h>

#include "support/c/error.h"
#include "support/c/wire.h"

/* The parts of google/protobuf/descriptor.proto that matter here. Everything is a span of the
 * descriptor set: a service is found by walking its files, which happens only at the start. */
#define SET_FILE 1
#define FILE_PACKAGE 2
#define FILE_SERVICE 6
#define SERVICE_NAME 1
#define METHOD_NAME 1
#define METHOD_OUTPUT 3
#define METHOD_CLIENT_STREAMING 5
#define METHOD_SERVER_STREAMING 6

struct hg_described_method hg_describe_method(struct headgate_bytes bytes)
{
	struct hg_described_method method = {0};
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, METHOD_NAME)) {
			method.name = field.bytes;
		} else if (hg_is_bytes(&field, METHOD_OUTPUT)) {
			method.output_type = field.bytes;
		} else if (hg_is_varint(&field, METHOD_CLIENT_STREAMING)) {
			method.client_streaming = field.value != 0;
		} else if (hg_is_varint(&field, METHOD_SERVER_STREAMING)) {
			method.server_streaming = field.value != 0;
		}
	}
	const char *name = method.output_type.data;
	if (method.output_type.size > 0 && name[0] == '.') { /* resolved names begin with a dot */
		method.output_type.data = name + 1;
		method.output_type.size--;
	}
	return method;
}

static struct headgate_bytes first_bytes(struct headgate_bytes message, uint32_t number)
{
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, message);
	while (hg_reader_next(&reader, &field))
		if (hg_is_bytes(&field, number))
			return field.bytes;
	return (struct headgate_bytes){0};
}

static bool is_full_name(const char *full_name, struct headgate_bytes package,
			 struct headgate_bytes name)
{
	size_t prefix = package.size > 0 ? package.size + 1 : 0;

	if (strlen(full_name) != prefix + name.size)
		return false;
	if (prefix > 0 &&
	    (memcmp(full_name, package.data, package.size) != 0 || full_name[package.size] != '.'))
		return false;
	return name.size == 0 || memcmp(full_name + prefix, name.data, name.size) == 0;
}

static bool find_in_file(struct headgate_bytes file, const char *service_name,
			 struct headgate_bytes *ret_service)
{
	struct headgate_bytes package = first_bytes(file, FILE_PACKAGE);
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, file);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, FILE_SERVICE) &&
		    is_full_name(service_name, package, first_bytes(field.bytes, SERVICE_NAME))) {
			*ret_service = field.bytes;
			return true;
		}
	}
	return false;
}

int hg_describe_service(struct headgate_bytes descriptor_set, const char *service_name,
			struct headgate_bytes *ret_service, struct headgate_error *err)
{
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, descriptor_set);
	while (hg_reader_next(&reader, &field))
		if (hg_is_bytes(&field, SET_FILE) &&
		    find_in_file(field.bytes, service_name, ret_service))
			return 0;
	if (reader.is_bad)
		return hg_error(err, "the descriptor set is not a serialized FileDescriptorSet");
	return hg_error(err, "service %s is not in the descriptor set", service_name);
}
