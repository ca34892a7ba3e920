/* Rings for the C rows. */

#include "rows.h"

struct io_uring *c_ring(unsigned entries, unsigned flags, int registered)
{
	struct io_uring *ring = calloc(1, sizeof(*ring));

	CHECK(ring);
	CHECK(io_uring_queue_init(entries, ring, flags) == 0);
	if (registered)
		CHECK(io_uring_register_ring_fd(ring) == 1);
	return ring;
}

void c_ring_free(struct io_uring *ring)
{
	io_uring_queue_exit(ring);
	free(ring);
}
