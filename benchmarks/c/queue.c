/* The queues alone: the benchmark plays the kernel through `head` and `tail`. */

#include "rows.h"

uint64_t c_fill(struct io_uring *ring, unsigned *kernel_head, unsigned batch,
		uint64_t iterations, int fd, void *buffer, unsigned length)
{
	unsigned consumed = *kernel_head;

	for (uint64_t n = 0; n < iterations; n++) {
		for (unsigned i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

			CHECK(sqe);
			io_uring_prep_read(sqe, fd, buffer, length,
					   (uint64_t)i * 4096);
			io_uring_sqe_set_data64(sqe, i);
		}
		/* What a submit does before it enters the kernel. */
		io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
		consumed += batch;
		io_uring_smp_store_release(kernel_head, consumed);
	}
	return consumed;
}

/* The same with a descriptor and a length that the compiler knows. */
uint64_t c_fill_constant(struct io_uring *ring, unsigned *kernel_head,
			 unsigned batch, uint64_t iterations, void *buffer)
{
	unsigned consumed = *kernel_head;

	for (uint64_t n = 0; n < iterations; n++) {
		for (unsigned i = 0; i < batch; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

			CHECK(sqe);
			io_uring_prep_read(sqe, 5, buffer, 4096,
					   (uint64_t)i * 4096);
			io_uring_sqe_set_data64(sqe, i);
		}
		io_uring_smp_store_release(ring->sq.ktail, ring->sq.sqe_tail);
		consumed += batch;
		io_uring_smp_store_release(kernel_head, consumed);
	}
	return consumed;
}

uint64_t c_reap(struct io_uring *ring, unsigned *kernel_tail, unsigned batch,
		uint64_t iterations)
{
	unsigned completed = *kernel_tail;
	uint64_t sum = 0;

	for (uint64_t n = 0; n < iterations; n++) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		completed += batch;
		io_uring_smp_store_release(kernel_tail, completed);
		io_uring_for_each_cqe(ring, head, cqe) {
			sum += cqe->user_data + (uint64_t)cqe->res;
			seen++;
		}
		CHECK(seen == batch);
		io_uring_cq_advance(ring, seen);
	}
	return sum;
}

uint64_t c_peek(struct io_uring *ring, unsigned *kernel_tail, unsigned batch,
		uint64_t iterations)
{
	unsigned completed = *kernel_tail;
	uint64_t sum = 0;

	for (uint64_t n = 0; n < iterations; n++) {
		completed += batch;
		io_uring_smp_store_release(kernel_tail, completed);
		for (unsigned i = 0; i < batch; i++) {
			struct io_uring_cqe *cqe;

			CHECK(io_uring_peek_cqe(ring, &cqe) == 0);
			sum += cqe->user_data + (uint64_t)cqe->res;
			io_uring_cqe_seen(ring, cqe);
		}
	}
	return sum;
}
