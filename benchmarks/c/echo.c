/* Sends back what comes: multishot accept and receive, and provided buffers. */

#include "rows.h"

enum { GROUP = 0, BUFFER_LEN = 4096 };
enum kind { ACCEPT, RECV, SEND };

struct c_echo {
	struct io_uring *ring;
	struct io_uring_buf_ring *group;
	unsigned char *buffers;
	unsigned buffer_count;
	unsigned wait_for;
	unsigned min_wait_us;
	int listener;
	uint64_t calls;
};

/* What a completion is about: a connection, the buffer that is sent, and what was asked for. */
static uint64_t c_tag(enum kind kind, int fd, unsigned buffer)
{
	return (uint64_t)kind << 56 | (uint64_t)buffer << 32 | (uint32_t)fd;
}

static struct io_uring_sqe *c_sqe(struct c_echo *echo)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(echo->ring);

	if (!sqe) {
		echo->calls++;
		CHECK(io_uring_submit(echo->ring) >= 0);
		sqe = io_uring_get_sqe(echo->ring);
		CHECK(sqe);
	}
	return sqe;
}

static void c_accept(struct c_echo *echo)
{
	struct io_uring_sqe *sqe = c_sqe(echo);

	io_uring_prep_multishot_accept(sqe, echo->listener, NULL, NULL, 0);
	io_uring_sqe_set_data64(sqe, c_tag(ACCEPT, echo->listener, 0));
}

static void c_recv(struct c_echo *echo, int fd)
{
	struct io_uring_sqe *sqe = c_sqe(echo);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
	sqe->buf_group = GROUP;
	io_uring_sqe_set_data64(sqe, c_tag(RECV, fd, 0));
}

static void c_give(struct c_echo *echo, unsigned buffer)
{
	io_uring_buf_ring_add(echo->group,
			      echo->buffers + (size_t)buffer * BUFFER_LEN,
			      BUFFER_LEN, buffer,
			      io_uring_buf_ring_mask(echo->buffer_count), 0);
	io_uring_buf_ring_advance(echo->group, 1);
}

struct c_echo *c_echo(struct io_uring *ring, int listener,
		      unsigned buffer_count, unsigned wait_for,
		      unsigned min_wait_us)
{
	struct c_echo *echo = calloc(1, sizeof(*echo));
	int error;

	CHECK(echo);
	echo->ring = ring;
	echo->listener = listener;
	echo->buffer_count = buffer_count;
	echo->wait_for = wait_for;
	echo->min_wait_us = min_wait_us;
	echo->buffers = malloc((size_t)buffer_count * BUFFER_LEN);
	CHECK(echo->buffers);
	echo->group = io_uring_setup_buf_ring(ring, buffer_count, GROUP, 0,
					      &error);
	CHECK(echo->group);
	for (unsigned i = 0; i < buffer_count; i++)
		c_give(echo, i);
	c_accept(echo);
	return echo;
}

static void c_wait(struct c_echo *echo)
{
	struct __kernel_timespec limit = { .tv_sec = 3600 };
	struct io_uring_cqe *first;
	int result;

	echo->calls++;
	if (echo->wait_for <= 1) {
		CHECK(io_uring_submit_and_wait(echo->ring, 1) >= 0);
		return;
	}
	result = io_uring_submit_and_wait_min_timeout(
		echo->ring, &first, echo->wait_for, &limit, echo->min_wait_us,
		NULL);
	CHECK(result >= 0 || result == -ETIME);
}

/* How many system calls have submitted or waited. */
uint64_t c_echo_calls(const struct c_echo *echo)
{
	return echo->calls;
}

/* Until so many messages have been sent back, or some more; answers how many. */
uint64_t c_echo_run(struct c_echo *echo, uint64_t messages)
{
	uint64_t done = 0;

	while (done < messages) {
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;

		c_wait(echo);
		io_uring_for_each_cqe(echo->ring, head, cqe) {
			int fd = (int)(uint32_t)cqe->user_data;
			int more = cqe->flags & IORING_CQE_F_MORE;
			unsigned buffer;
			struct io_uring_sqe *sqe;

			seen++;
			switch (cqe->user_data >> 56) {
			case ACCEPT:
				CHECK(cqe->res >= 0);
				c_recv(echo, cqe->res);
				if (!more)
					c_accept(echo);
				break;
			case RECV:
				if (cqe->res == -ENOBUFS) {
					/* Sends give some back soon. */
					c_recv(echo, fd);
					break;
				}
				if (cqe->res <= 0) {
					CHECK(cqe->res == 0 ||
					      cqe->res == -ECONNRESET);
					close(fd);
					break;
				}
				buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
				sqe = c_sqe(echo);
				io_uring_prep_send(sqe, fd,
						   echo->buffers +
							   (size_t)buffer *
								   BUFFER_LEN,
						   cqe->res, MSG_WAITALL);
				io_uring_sqe_set_data64(
					sqe, c_tag(SEND, fd, buffer));
				if (!more)
					c_recv(echo, fd);
				break;
			case SEND:
				CHECK(cqe->res > 0);
				c_give(echo, cqe->user_data >> 32 & 0xffff);
				done++;
				break;
			}
		}
		io_uring_cq_advance(echo->ring, seen);
	}
	return done;
}
