/* Timers that are armed and cancelled before they expire. */

#include "rows.h"

/* `count` timers that stay armed. */
void c_timers_arm(struct io_uring *ring, unsigned count, int64_t seconds,
		  uint64_t user_data)
{
	struct __kernel_timespec time = { .tv_sec = seconds };

	for (unsigned i = 0; i < count; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

		CHECK(sqe);
		io_uring_prep_timeout(sqe, &time, 0, 0);
		io_uring_sqe_set_data64(sqe, user_data);
		CHECK(io_uring_submit(ring) == 1);
	}
}

void c_timers(struct io_uring *ring, unsigned batch, uint64_t iterations)
{
	struct __kernel_timespec time = { .tv_sec = 10 };

	for (uint64_t n = 0; n < iterations; n++) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		for (unsigned i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

			CHECK(sqe);
			io_uring_prep_timeout(sqe, &time, 0, 0);
			io_uring_sqe_set_data64(sqe, i);
		}
		for (unsigned i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

			CHECK(sqe);
			io_uring_prep_timeout_remove(sqe, i, 0);
			io_uring_sqe_set_data64(sqe, batch);
		}
		CHECK(io_uring_submit_and_wait(ring, 2 * batch) ==
		      (int)(2 * batch));
		io_uring_for_each_cqe(ring, head, cqe) {
			CHECK(cqe->res == 0 || cqe->res == -ECANCELED);
			seen++;
		}
		CHECK(seen == 2 * batch);
		io_uring_cq_advance(ring, seen);
	}
}
