#include "src/runtime/address.h"

#include <stdio.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/text.h"

#define ADDRESS_PORT_MAX 65535U

static enum status address_set_host(struct address *address, struct span host, struct error *err)
{
	if (host.len >= sizeof(address->host))
		return error_set(err, ST_INVALID_ARGUMENT, "host name is longer than %zu bytes",
				 sizeof(address->host) - 1);
	if (span_find(host, '\0') != host.len)
		return error_set(err, ST_INVALID_ARGUMENT, "host name holds a NUL byte");
	if (host.len)
		memcpy(address->host, host.data, host.len);
	address->host[host.len] = '\0';
	return ST_OK;
}

static enum status address_set_port(struct address *address, struct span port, struct error *err)
{
	uint64_t number;

	if (!text_to_u64(port, &number) || number > ADDRESS_PORT_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "\"%.*s\" is no port number (0 to 65535)",
				 SPAN_FMT(span_head(port, ADDRESS_HOST_MAX)));
	address->port = (uint16_t)number;
	return ST_OK;
}

static enum status address_parse_unix(struct span path, struct address *address, struct error *err)
{
	if (path.len == 0)
		return error_set(err, ST_INVALID_ARGUMENT, "\"unix:\" needs a path");
	if (path.len >= sizeof(address->path))
		return error_set(err, ST_INVALID_ARGUMENT, "socket path is longer than %zu bytes",
				 sizeof(address->path) - 1);
	if (span_find(path, '\0') != path.len)
		return error_set(err, ST_INVALID_ARGUMENT, "socket path holds a NUL byte");
	address->is_unix = true;
	memcpy(address->path, path.data, path.len);
	address->path[path.len] = '\0';
	return ST_OK;
}

/* address = "[" v6 "]:" port */
static enum status address_parse_v6(struct span text, struct address *address, struct error *err)
{
	size_t end = span_find(text, ']');
	enum status status;

	if (end + 1 >= text.len || text.data[end + 1] != ':')
		return error_set(err, ST_INVALID_ARGUMENT,
				 "\"[\" must be followed by an IPv6 address and \"]:PORT\"");
	if (end == 1)
		return error_set(err, ST_INVALID_ARGUMENT, "\"[]\" holds no address");
	status = address_set_host(address, span_make(text.data + 1, end - 1), err);
	if (status != ST_OK)
		return status;
	return address_set_port(address, span_skip(text, end + 2), err);
}

/* address = [host] ":" port | port */
static enum status address_parse_tcp(struct span text, const char *default_host,
				     struct address *address, struct error *err)
{
	size_t colon = span_find(text, ':');
	struct span host = span_head(text, colon);
	struct span port = span_skip(text, colon + 1);
	enum status status;

	if (colon == text.len) {
		host = SPAN_EMPTY;
		port = text;
	} else if (span_find(port, ':') != port.len) {
		return error_set(err, ST_INVALID_ARGUMENT,
				 "an IPv6 address needs brackets: [ADDRESS]:PORT");
	}
	if (host.len == 0)
		host = span_from_str(default_host);
	status = address_set_host(address, host, err);
	if (status != ST_OK)
		return status;
	return address_set_port(address, port, err);
}

enum status address_parse(struct span text, const char *default_host, struct address *ret_address,
			  struct error *err)
{
	struct address address = {.is_unix = false};
	struct span prefix = SPAN_LIT("unix:");
	enum status status;

	if (span_starts_with(text, prefix))
		status = address_parse_unix(span_skip(text, prefix.len), &address, err);
	else if (text.len && text.data[0] == '[')
		status = address_parse_v6(text, &address, err);
	else
		status = address_parse_tcp(text, default_host, &address, err);
	if (status == ST_OK)
		*ret_address = address;
	return status;
}

void address_print(const struct address *address, char *text, size_t size)
{
	/* Cut to size by contract. */
	if (address->is_unix)
		(void)snprintf(text, size, "unix:%s", address->path);
	else if (strchr(address->host, ':'))
		(void)snprintf(text, size, "[%s]:%u", address->host, address->port);
	else
		(void)snprintf(text, size, "%s:%u", address->host, address->port);
}
