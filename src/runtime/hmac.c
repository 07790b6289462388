#include "src/runtime/hmac.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "src/base/error.h"
#include "src/base/mem.h"

/* The context keeps the key, so that a message costs no look-up of the algorithm. */
struct hmac {
	EVP_MAC_CTX *context;
};

struct hmac *hmac_new(struct span key)
{
	struct hmac *hmac = mem_new(struct hmac);
	char digest[] = "SHA256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	BUG_ON(!mac && "OpenSSL has no HMAC");
	hmac->context = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	BUG_ON(!hmac->context || !EVP_MAC_init(hmac->context, key.data, key.len, params));
	return hmac;
}

void hmac_free(struct hmac *hmac)
{
	if (!hmac)
		return;
	EVP_MAC_CTX_free(hmac->context);
	mem_free(hmac);
}

void hmac_sign(struct hmac *hmac, struct span message, uint8_t ret_mac[HMAC_BYTES])
{
	size_t len = 0;

	/* with neither key nor parameters: begins anew with those it has */
	BUG_ON(!EVP_MAC_init(hmac->context, NULL, 0, NULL) ||
	       !EVP_MAC_update(hmac->context, message.data, message.len) ||
	       !EVP_MAC_final(hmac->context, ret_mac, &len, HMAC_BYTES) || len != HMAC_BYTES);
}

bool hmac_is_equal(const uint8_t a[HMAC_BYTES], const uint8_t b[HMAC_BYTES])
{
	return CRYPTO_memcmp(a, b, HMAC_BYTES) == 0;
}
