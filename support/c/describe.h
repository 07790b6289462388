#ifndef HEADGATE_SUPPORT_C_DESCRIBE_H
#define HEADGATE_SUPPORT_C_DESCRIBE_H

#include "support/c/headgate/function.h"

/* What the descriptor set says about services and their methods, as spans of it. */

/* The methods of a google.protobuf.ServiceDescriptorProto. */
#define HG_SERVICE_METHOD 2

struct hg_described_method {
	struct headgate_bytes name;
	struct headgate_bytes output_type; /* full name */
	bool client_streaming;
	bool server_streaming;
};

struct hg_described_method hg_describe_method(struct headgate_bytes bytes);

/* Finds the ServiceDescriptorProto of a service by its full name. Returns 0, or -1 and the reason.
 */
int hg_describe_service(struct headgate_bytes descriptor_set, const char *service_name,
			struct headgate_bytes *ret_service, struct headgate_error *err);

#endif
