/* SPDX-License-Identifier: MIT */
/* The release of liburing that vendor/ pins; a test compares the two. */
#ifndef LIBURING_VERSION_H
#define LIBURING_VERSION_H

#define IO_URING_VERSION_MAJOR 2
#define IO_URING_VERSION_MINOR 15

#endif
