/* NOPs: push a batch, submit and wait for it, reap it. */

#include "rows.h"

uint64_t c_nop(struct io_uring *ring, unsigned batch, uint64_t iterations)
{
	uint64_t sum = 0;

	for (uint64_t n = 0; n < iterations; n++) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		for (unsigned i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

			CHECK(sqe);
			io_uring_prep_nop(sqe);
			io_uring_sqe_set_data64(sqe, i);
		}
		CHECK(io_uring_submit_and_wait(ring, batch) == (int)batch);
		io_uring_for_each_cqe(ring, head, cqe) {
			sum += cqe->user_data;
			seen++;
		}
		CHECK(seen == batch);
		io_uring_cq_advance(ring, seen);
	}
	return sum;
}
