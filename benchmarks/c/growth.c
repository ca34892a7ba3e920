/* What grows: requests in flight, registered files. Rings and threads grow around c_nop. */

#include "rows.h"

#include <poll.h>

/* `count` requests that never complete: polls of a file that never becomes readable. */
void c_pend(struct io_uring *ring, int file, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		if (!sqe) {
			CHECK(io_uring_submit(ring) > 0);
			sqe = io_uring_get_sqe(ring);
		}
		CHECK(sqe);
		io_uring_prep_poll_add(sqe, file, POLLIN);
	}
	CHECK(io_uring_submit(ring) >= 0);
}

/* Reads from registered files in turns; `step` is odd, so that all of them come up. */
void c_read_files(struct io_uring *ring, unsigned files, unsigned step,
		  unsigned batch, uint64_t iterations, void *buffer)
{
	unsigned file = 0;

	for (uint64_t n = 0; n < iterations; n++) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		for (unsigned i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

			CHECK(sqe);
			file += step;
			while (file >= files)
				file -= files;
			io_uring_prep_read(sqe, (int)file, buffer, 8, 0);
			io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
		}
		CHECK(io_uring_submit_and_wait(ring, batch) == (int)batch);
		io_uring_for_each_cqe(ring, head, cqe) {
			CHECK(cqe->res == 0);
			seen++;
		}
		CHECK(seen == batch);
		io_uring_cq_advance(ring, seen);
	}
}
