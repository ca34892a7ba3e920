/* Random reads of 4 KiB with a number of them in flight. */

#include "rows.h"

struct c_reads {
	struct io_uring *ring;
	unsigned char *buffers;
	uint64_t blocks;
	int file;
	int registered;
};

struct c_reads *c_reads(struct io_uring *ring, int file, int registered,
			unsigned char *buffers, unsigned depth, uint64_t blocks)
{
	struct c_reads *reads = calloc(1, sizeof(*reads));
	struct iovec all = { .iov_base = buffers,
			     .iov_len = (size_t)depth * 4096 };

	CHECK(reads);
	reads->ring = ring;
	reads->buffers = buffers;
	reads->blocks = blocks;
	reads->file = file;
	reads->registered = registered;
	if (registered) {
		CHECK(io_uring_register_files(ring, &file, 1) == 0);
		CHECK(io_uring_register_buffers(ring, &all, 1) == 0);
	}
	return reads;
}

static inline uint64_t c_random(uint64_t *state, uint64_t bound)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 20) & (bound - 1);
}

static inline void c_push(const struct c_reads *reads, uint64_t *state,
			  uint64_t slot, int registered)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(reads->ring);
	unsigned char *buffer = reads->buffers + slot * 4096;
	uint64_t offset = c_random(state, reads->blocks) * 4096;

	CHECK(sqe);
	if (registered) {
		io_uring_prep_read_fixed(sqe, 0, buffer, 4096, offset, 0);
		io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	} else {
		io_uring_prep_read(sqe, reads->file, buffer, 4096, offset);
	}
	io_uring_sqe_set_data64(sqe, slot);
}

/* Answers how many system calls that took. */
static inline uint64_t c_read_loop(const struct c_reads *reads, unsigned depth,
			       uint64_t total, int registered)
{
	uint64_t state = 0x9e3779b97f4a7c15, pushed = 0, done = 0, calls = 0;

	for (; pushed < depth; pushed++)
		c_push(reads, &state, pushed, registered);
	while (done < total) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		CHECK(io_uring_submit_and_wait(reads->ring, 1) >= 0);
		calls++;
		io_uring_for_each_cqe(reads->ring, head, cqe) {
			CHECK(cqe->res == 4096);
			seen++;
			if (pushed < total) {
				c_push(reads, &state, cqe->user_data,
				       registered);
				pushed++;
			}
		}
		io_uring_cq_advance(reads->ring, seen);
		done += seen;
	}
	return calls;
}

/* `total` is at least `depth`. */
void c_read(const struct c_reads *reads, unsigned depth, uint64_t total)
{
	if (reads->registered)
		c_read_loop(reads, depth, total, 1);
	else
		c_read_loop(reads, depth, total, 0);
}

uint64_t c_read_calls(const struct c_reads *reads, unsigned depth,
		      uint64_t total)
{
	return c_read_loop(reads, depth, total, 0);
}
