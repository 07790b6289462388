#include "src/runtime/digest.h"

#include <openssl/evp.h>

#include "src/base/error.h"

void digest_sha256_parts(const struct span *parts, size_t count,
			 uint8_t ret_digest[DIGEST_SHA256_BYTES])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	BUG_ON(!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1);
	for (size_t i = 0; i < count; i++) {
		uint8_t len[8];

		for (size_t k = 0; k < sizeof(len); k++)
			len[k] = (uint8_t)((uint64_t)parts[i].len >> (56 - 8 * k));
		BUG_ON(EVP_DigestUpdate(context, len, sizeof(len)) != 1);
		BUG_ON(parts[i].len && EVP_DigestUpdate(context, parts[i].data, parts[i].len) != 1);
	}
	BUG_ON(EVP_DigestFinal_ex(context, ret_digest, NULL) != 1);
	EVP_MD_CTX_free(context);
}
