/* The submission queue shared by several threads: taking entries, pushing batches, and the
 * combining submit, in which one publisher at a time moves the kernel's tail and enters for all.
 *
 * Every access to shared memory is one step and the steps of all threads interleave freely; memory
 * itself is sequentially consistent here, weaker orders are the litmus tests' part. Positions are
 * exact numbers, as the ring's 64-bit positions are.
 *
 * Checked in every state: an index has one owner; the kernel's tail never moves backwards, never
 * covers a position that is not written, and never ends inside a batch. Checked at the end, and by
 * the absence of a deadlock: every entry was taken once, nobody waits for an entry that was left.
 *
 * Worker 0 pushes chains of two, the others single entries. Each of these breaks the protocol, and
 * the checker must find it:
 *   BREAK_FORGET   the publisher stops without looking for what came in during its round
 *   BREAK_EAGER    the publisher goes by the tickets and not by the stamps
 *   BREAK_ALONE    every thread publishes for itself
 *   BREAK_CHAIN    each entry of a batch is stamped on its own
 *   BREAK_CLAIM    an index is taken without the compare-and-swap
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef BATCHES
#define BATCHES 2
#endif
#ifndef ENTRIES
#define ENTRIES 2
#endif
#define POSITIONS (ENTRIES + 2 * WORKERS * BATCHES + 1)
#define SLOT(position) ((position) % ENTRIES)
#define NOBODY 255

/* head <= khead <= ktail <= tail <= head + ENTRIES; the first lap holds the free indices. */
byte head = 0, tail = ENTRIES, khead = ENTRIES, ktail = ENTRIES;
byte requests = 0;              /* raised by each submit; who raises it from zero publishes */
byte published = ENTRIES;       /* the publisher's own word */
byte array[ENTRIES], stamp[ENTRIES];

/* What only the checks read. */
byte owner[ENTRIES];            /* the worker that may write the entry's bytes */
bit written[POSITIONS], ends[POSITIONS];
byte pushed = 0, consumed = 0, finished = 0;

inline take_over(index) {
  assert(owner[index] == NOBODY);
  owner[index] = me
}

inline pop() {
  do
  :: seen = head;
     (khead >= seen + size || head != seen);
     if
     :: khead < seen + size -> skip             /* somebody was quicker: look again */
     :: else ->
        first = array[SLOT(seen)];
        if :: size == 2 -> second = array[SLOT(seen + 1)] :: else fi;
        atomic {
          if
#ifdef BREAK_CLAIM
          :: true ->
#else
          :: head == seen ->
#endif
             head = seen + size;
             take_over(first);
             if :: size == 2 -> take_over(second) :: else fi;
             break
          :: else -> skip
          fi
        }
     fi
  od
}

inline store(position, index) {
  atomic { array[SLOT(position)] = index; written[position] = 1; owner[index] = NOBODY }
}

inline push() {
  atomic { ticket = tail; tail = tail + size };
  store(ticket, first);
#ifdef BREAK_CHAIN
  stamp[SLOT(ticket)] = ticket + 1;
#endif
  if
  :: size == 2 ->
     store(ticket + 1, second);
#ifdef BREAK_CHAIN
     stamp[SLOT(ticket + 1)] = ticket + 2
#endif
  :: else
  fi;
  atomic { ends[ticket + size] = 1; pushed = pushed + size };
#ifndef BREAK_CHAIN
  stamp[SLOT(ticket)] = ticket + size
#endif
}

/* One round: find the end of what is ready, show it to the kernel, let the kernel take it. */
inline round(position) {
#ifdef BREAK_EAGER
  position = tail;
#else
  do
  :: mark = stamp[SLOT(position)];
     if :: mark > position -> position = mark :: else -> break fi
  od;
#endif
  atomic {
    assert(position >= ktail);
    assert(position == ktail || ends[position]);
    ktail = position
  };
  do
  :: atomic { khead < ktail -> assert(written[khead]); consumed++; khead++ }
  :: atomic { khead >= ktail -> break }
  od
}

inline submit() {
#ifdef BREAK_ALONE
  from = ktail;
  round(from);
#else
  atomic { before = requests; requests++ };
  if
  :: before != 0 -> skip                        /* delegated */
  :: else ->
     served = 1;
     do
     :: from = published;
        round(from);
        published = from;
#ifdef BREAK_FORGET
        requests = 0;
        break
#else
        atomic { before = requests; requests = requests - served };
        if :: before == served -> break :: else -> served = before - served fi
#endif
     od
  fi;
#endif
  skip
}

proctype worker(byte me; byte size) {
  byte left = BATCHES, seen, first, second, ticket, before, served, from, mark;
  bit waits;
  do
  :: left == 0 -> break
  :: else ->
     pop();
     push();
     submit();
     /* Some callers stay until the kernel has taken what they pushed. */
     if :: waits = 0 :: waits = 1 fi;
     if :: waits -> (khead >= ticket + size) :: else fi;
     left--
  od;
  finished++
}

init {
  byte n;
  atomic {
    for (n : 0 .. ENTRIES - 1) { array[n] = n; owner[n] = NOBODY }
    run worker(0, 2);
    for (n : 1 .. WORKERS - 1) { run worker(n, 1) }
  };
  (finished == WORKERS);
  assert(consumed == pushed && requests == 0 && ktail == tail && khead == ktail)
}
