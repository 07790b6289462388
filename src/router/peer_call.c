/* The nonce is (incarnation, counter): so a receiver needs no set of all that it saw, but a window
 * of bits per sender, as IPsec has it (RFC 4303 3.4.3). A counter that has left the window is
 * refused: commands of one sender do not overtake each other by that much. */
#include "src/router/peer_call.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/grpc/metadata.h"
#include "src/runtime/hmac.h"

#define KEY(name) PEER_CALL_PREFIX name
#define NONCE_BYTES 16
#define WINDOW_BITS ((uint64_t)16384)
/* Senders remembered: members, and processes before them within the allowed difference of clocks.
 */
#define SENDERS_MAX ((size_t)1024)
/* Path, address and some numbers. */
#define SIGNED_BYTES_MAX ((size_t)16 * 1024)

struct peer_sender {
	struct map_node node; /* key: incarnation */
	struct list age;      /* the longest silent one first */
	uint8_t incarnation[8];
	uint64_t highest; /* counter accepted */
	uint64_t seen[WINDOW_BITS / 64];
};

struct peer_auth {
	struct hmac *hmac;
	uint64_t incarnation;
	uint64_t counter;
	struct map senders;
	struct list ages;
	struct buf text; /* what is signed */
};

struct peer_auth *peer_auth_new(struct span secret, uint64_t incarnation)
{
	struct peer_auth *auth = mem_new(struct peer_auth);

	auth->hmac = hmac_new(secret);
	auth->incarnation = incarnation;
	map_init(&auth->senders);
	list_init(&auth->ages);
	buf_init(&auth->text, SIGNED_BYTES_MAX);
	return auth;
}

static void forget(struct peer_auth *auth, struct peer_sender *sender)
{
	map_remove(&auth->senders, &sender->node);
	list_remove(&sender->age);
	mem_free(sender);
}

void peer_auth_free(struct peer_auth *auth)
{
	if (!auth)
		return;
	while (!list_is_empty(&auth->ages))
		forget(auth, list_entry(auth->ages.next, struct peer_sender, age));
	map_fini(&auth->senders);
	buf_fini(&auth->text);
	hmac_free(auth->hmac);
	mem_free(auth);
}

/* ---- hexadecimal ----------------------------------------------------------------------------- */
static void put_hex(const uint8_t *bytes, size_t count, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
}

static bool digit_of(uint8_t c, uint8_t *value)
{
	if (c >= '0' && c <= '9')
		*value = (uint8_t)(c - '0');
	else if (c >= 'a' && c <= 'f')
		*value = (uint8_t)(c - 'a' + 10);
	else
		return false;
	return true;
}

static bool get_hex(struct span text, uint8_t *bytes, size_t count)
{
	if (text.len != 2 * count)
		return false;
	for (size_t i = 0; i < count; i++) {
		uint8_t high;
		uint8_t low;

		if (!digit_of(text.data[2 * i], &high) || !digit_of(text.data[2 * i + 1], &low))
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* ---- what is signed -------------------------------------------------------------------------- */
struct proof {
	struct span protocol; /* as it was sent */
	uint64_t wall_ms;
	uint8_t nonce[NONCE_BYTES];
};

/* Line ends cannot stand in a path, an address or a literal, so no two calls give one text. */
static bool sign(struct peer_auth *auth, const struct peer_call *call, const struct proof *proof,
		 const struct peer_occasion *occasion, uint8_t mac[HMAC_BYTES])
{
	char id[2 * sizeof(call->id.bytes) + 1] = {0};
	char nonce[2 * NONCE_BYTES + 1] = {0};

	put_hex(call->id.bytes, sizeof(call->id.bytes), id);
	put_hex(proof->nonce, NONCE_BYTES, nonce);
	buf_reset(&auth->text);
	if (!buf_printf(&auth->text,
			"headgate 1\n%.*s\n%.*s\n%u\n%" PRIu64 "\n%u\n%d\n%s\n%.*s\n%" PRIu64
			"\n%s",
			SPAN_FMT(occasion->target), SPAN_FMT(occasion->path), call->hop,
			call->view_version, call->chain, call->is_derived, id,
			SPAN_FMT(proof->protocol), proof->wall_ms, nonce))
		return false;
	hmac_sign(auth->hmac, buf_span(&auth->text), mac);
	return true;
}

static bool add(struct metadata *metadata, struct arena *arena, const char *key, struct span value)
{
	return metadata_add(metadata, arena, span_from_str(key), value) == ST_OK;
}

static bool add_number(struct metadata *metadata, struct arena *arena, const char *key,
		       uint64_t value)
{
	char digits[TEXT_U64_DIGITS];

	return add(metadata, arena, key, text_from_u64(value, digits));
}

static bool add_hex(struct metadata *metadata, struct arena *arena, const char *key,
		    const uint8_t *bytes, size_t count)
{
	char text[2 * HMAC_BYTES];

	put_hex(bytes, count, text);
	return add(metadata, arena, key, span_make(text, 2 * count));
}

bool peer_call_write(struct peer_auth *auth, const struct peer_call *call,
		     const struct peer_occasion *occasion, struct arena *arena,
		     struct metadata *metadata)
{
	struct proof proof = {.protocol = span_from_str(call->protocol),
			      .wall_ms = occasion->wall_ms};
	uint8_t mac[HMAC_BYTES];

	auth->counter++;
	memcpy(proof.nonce, &auth->incarnation, 8);
	memcpy(proof.nonce + 8, &auth->counter, 8);
	return sign(auth, call, &proof, occasion, mac) &&
	       add_number(metadata, arena, KEY("hop"), call->hop) &&
	       add_number(metadata, arena, KEY("view-version"), call->view_version) &&
	       add_number(metadata, arena, KEY("chain"), call->chain) &&
	       add_number(metadata, arena, KEY("derived"), call->is_derived) &&
	       add_hex(metadata, arena, KEY("command-id"), call->id.bytes, sizeof(call->id)) &&
	       add(metadata, arena, KEY("protocol"), span_from_str(call->protocol)) &&
	       add_number(metadata, arena, KEY("time"), occasion->wall_ms) &&
	       add_hex(metadata, arena, KEY("nonce"), proof.nonce, NONCE_BYTES) &&
	       add_hex(metadata, arena, KEY("proof"), mac, HMAC_BYTES);
}

void peer_call_strip(struct metadata *metadata)
{
	size_t kept = 0;

	for (size_t i = 0; i < metadata->count; i++)
		if (!span_starts_with(metadata->items[i].key, SPAN_LIT(PEER_CALL_PREFIX)))
			metadata->items[kept++] = metadata->items[i];
	metadata->count = kept;
}

/* ---- reading --------------------------------------------------------------------------------- */
static bool get_number(const struct metadata *metadata, const char *key, uint64_t max,
		       uint64_t *ret_value)
{
	return text_to_u64(metadata_get(metadata, key), ret_value) && *ret_value <= max;
}

/* Labels of metrics are literals; those of another version are not known here. */
static const char *protocol_of(struct span text)
{
	static const char *const known[] = {"grpc",    "grpc-web", "json",
					    "forward", "effect",   "eventing"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (span_eq_str(text, known[i]))
			return known[i];
	}
	return "other";
}

static bool read_call(const struct metadata *metadata, struct peer_call *call, struct proof *proof,
		      uint8_t mac[HMAC_BYTES])
{
	uint64_t hop;
	uint64_t chain;
	uint64_t derived;

	if (!get_number(metadata, KEY("hop"), UINT8_MAX, &hop) || hop == 0 ||
	    !get_number(metadata, KEY("chain"), UINT8_MAX, &chain) ||
	    !get_number(metadata, KEY("derived"), 1, &derived) ||
	    !get_number(metadata, KEY("view-version"), UINT64_MAX, &call->view_version) ||
	    !get_number(metadata, KEY("time"), UINT64_MAX, &proof->wall_ms))
		return false;
	call->hop = (unsigned)hop;
	call->chain = (unsigned)chain;
	call->is_derived = derived;
	proof->protocol = metadata_get(metadata, KEY("protocol"));
	call->protocol = protocol_of(proof->protocol);
	return get_hex(metadata_get(metadata, KEY("command-id")), call->id.bytes,
		       sizeof(call->id.bytes)) &&
	       get_hex(metadata_get(metadata, KEY("nonce")), proof->nonce, NONCE_BYTES) &&
	       get_hex(metadata_get(metadata, KEY("proof")), mac, HMAC_BYTES);
}

static struct peer_sender *sender_of(struct peer_auth *auth, const uint8_t *incarnation)
{
	struct map_node *node = map_find(&auth->senders, span_make(incarnation, 8));
	struct peer_sender *sender;

	if (node)
		return container_of(node, struct peer_sender, node);
	if (auth->senders.count >= SENDERS_MAX)
		forget(auth, list_entry(auth->ages.next, struct peer_sender, age));
	sender = mem_new(struct peer_sender);
	memcpy(sender->incarnation, incarnation, 8);
	sender->node.key = span_make(sender->incarnation, 8);
	list_init(&sender->age);
	BUG_ON(!map_insert(&auth->senders, &sender->node));
	return sender;
}

/* Only for what is proved, or anybody could use the counters up. */
static bool is_first_time(struct peer_auth *auth, const struct proof *proof)
{
	struct peer_sender *sender = sender_of(auth, proof->nonce);
	uint64_t counter;
	uint64_t *word;
	uint64_t bit;

	list_remove(&sender->age);
	list_push_back(&auth->ages, &sender->age);
	memcpy(&counter, proof->nonce + 8, 8);
	if (counter + WINDOW_BITS <= sender->highest)
		return false;
	if (counter > sender->highest + WINDOW_BITS) {
		memset(sender->seen, 0, sizeof(sender->seen));
		sender->highest = counter;
	}
	while (sender->highest < counter) {
		sender->highest++;
		sender->seen[sender->highest % WINDOW_BITS / 64] &=
			~((uint64_t)1 << sender->highest % 64);
	}
	word = &sender->seen[counter % WINDOW_BITS / 64];
	bit = (uint64_t)1 << counter % 64;
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

enum status peer_call_read(struct peer_auth *auth, const struct metadata *metadata,
			   const struct peer_occasion *occasion, struct peer_call *ret_call,
			   struct error *err)
{
	struct peer_call call;
	struct proof proof;
	uint8_t mac[HMAC_BYTES];
	uint8_t want[HMAC_BYTES];
	uint64_t skew_ms;

	if (!read_call(metadata, &call, &proof, mac))
		return error_set(err, ST_UNAUTHENTICATED,
				 "this port is for the other gateways of the namespace");
	if (!sign(auth, &call, &proof, occasion, want) || !hmac_is_equal(mac, want))
		return error_set(err, ST_UNAUTHENTICATED,
				 "the caller does not know the secret of the namespace "
				 "(peer.secret_file), or means another member");
	skew_ms = proof.wall_ms > occasion->wall_ms ? proof.wall_ms - occasion->wall_ms
						    : occasion->wall_ms - proof.wall_ms;
	if (skew_ms > PEER_CALL_SKEW_MS)
		return error_set(err, ST_UNAUTHENTICATED,
				 "the clocks of the two gateways differ by %" PRIu64 " ms",
				 skew_ms);
	if (!is_first_time(auth, &proof))
		return error_set(err, ST_UNAUTHENTICATED, "the call was here before");
	*ret_call = call;
	return ST_OK;
}
