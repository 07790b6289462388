#ifndef HEADGATE_SRC_BASE_MEM_H
#define HEADGATE_SRC_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Fixed-size housekeeping memory: aborts when the system has none left. Any size that comes from
 * input belongs in an arena or a buf, which have limits. */

/* Zeroed memory, owned by the caller, released with mem_free. */
void *mem_zalloc(size_t size_bytes) __attribute__((malloc, returns_nonnull));

/* One zeroed object of a type. */
#define mem_new(type) ((type *)mem_zalloc(sizeof(type)))

/* count zeroed objects of a type; aborts on overflow of the product. */
#define mem_new_array(type, count) ((type *)mem_zalloc_array((count), sizeof(type)))
void *mem_zalloc_array(size_t count, size_t size_bytes) __attribute__((malloc, returns_nonnull));

/* Resizes p (may be NULL) to count elements; new elements are not zeroed. */
void *mem_resize_array(void *p, size_t count, size_t size_bytes) __attribute__((returns_nonnull));

/* A NUL-terminated copy of n bytes, owned by the caller. */
char *mem_strndup(const void *text, size_t n) __attribute__((malloc, returns_nonnull));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull));

/* Memory as malloc gives it: not zeroed, NULL when there is none. For allocators of libraries. */
void *mem_take(size_t size_bytes) __attribute__((malloc));

/* Takes what any of these functions, or malloc, gave. NULL is a no-op. */
void mem_free(void *p);

/* Bytes that were freed and that this thread keeps for the next call; at most 1 MiB. */
size_t mem_kept_bytes(void);

/* Recovers the struct around an embedded member. */
#define container_of(ptr, type, member) ((type *)(void *)(((char *)(ptr)) - offsetof(type, member)))

/* A magic first field guards every void pointer that crosses a foreign API. */
#define OBJ_CAST(type, magic_value, pointer)                                                       \
	({                                                                                         \
		type *obj_cast_ = (pointer);                                                       \
		BUG_ON(!obj_cast_ || obj_cast_->magic != (magic_value));                           \
		obj_cast_;                                                                         \
	})

#endif
