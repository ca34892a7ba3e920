/* The submission queue shared by several threads: taking entries, pushing batches, and the
 * combining submit, in which one publisher at a time moves the kernel's tail and enters for all.
 *
 * Every access to shared memory is one step and the steps of all threads interleave freely; memory
 * itself is sequentially consistent here, weaker orders are the litmus tests' part. Positions are
 * exact numbers, as the ring's 64-bit positions are.
 *
 * Which index lies in a word of the array is left out: the protocol copies indices and never looks
 * at them. What is kept is the position for which a word was stored. If each position is claimed
 * once, and what is claimed was stored for that very position, then no index is in two hands.
 *
 * Checked at each step: a position is claimed once, and its word was read after it was stored and
 * before it is overwritten; a word is stored only after the one of the lap before was claimed; the
 * kernel's tail never moves backwards, never covers a position that is not written, and never ends
 * inside a batch; an old stamp is never above the position that its slot stands for next. Checked
 * whenever no push is followed by a submit that is still under way: the kernel has taken all that was
 * pushed, so nobody who stays until that is so stays for ever. A deadlock is an error, too.
 *
 * Worker 0 pushes chains of two, the others single entries. Each of these breaks the protocol, and
 * the checker must find it:
 *   BREAK_FORGET   the publisher stops without looking for what came in during its round
 *   BREAK_EAGER    the publisher goes by the tickets and not by the stamps
 *   BREAK_ALONE    every thread publishes for itself
 *   BREAK_CHAIN    each entry of a batch is stamped on its own
 *   BREAK_CLAIM    an index is taken without the compare-and-swap
 *   BREAK_EARLY    an index is read before the look whether its position is free
 *
 * What makes the state space small, and why nothing is lost: what only the checks need is written in
 * the step that it belongs to, so it adds no steps; what nobody reads any more is set to one value,
 * so that states that differ in nothing else are one; the publisher's own reads of what it alone
 * changes are no steps of their own.
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
#define SLOT(position) ((position) % ENTRIES)

/* head <= khead <= ktail <= tail <= head + ENTRIES; the first lap holds the free indices. */
byte head = 0, tail = ENTRIES, khead = ENTRIES, ktail = ENTRIES;
byte requests = 0;              /* raised by each submit; who raises it from zero publishes */
byte array[ENTRIES];            /* the position for which the word was stored last */
byte stamp[ENTRIES];

/* What only the checks read. */
bit ends[ENTRIES];              /* whether a batch ends at the position, beyond the kernel's tail */
byte busy = 0;                  /* how many workers are between their ticket and the end of their submit */

inline look(position) {
  right = right && array[SLOT(position)] == position
}

inline pop() {
  atomic { seen = head; right = 1 };
  do
#ifdef BREAK_EARLY
  :: look(seen);
     (khead >= seen + size || head != seen);
#else
  :: khead >= seen + size ->
     look(seen);
#endif
     if :: size == 2 -> look(seen + 1) :: else fi;
     atomic {
       if
#ifdef BREAK_CLAIM
       :: true ->
#else
       :: head == seen ->
#endif
          assert(head == seen && right);
          head = seen + size;
          seen = 0;
          right = 0;
          break
       :: else -> seen = head; right = 1
       fi
     }
#ifndef BREAK_EARLY
  :: atomic { khead < seen + size && head != seen -> seen = head }
#endif
  od
}

inline store(position) {
  d_step {
    assert(position < head + ENTRIES && array[SLOT(position)] + ENTRIES == position);
    array[SLOT(position)] = position
  }
}

inline push() {
  atomic { ticket = tail; tail = tail + size; ends[SLOT(tail)] = 1; busy++ };
  store(ticket);
#ifdef BREAK_CHAIN
  stamp[SLOT(ticket)] = ticket + 1;
#endif
  if
  :: size == 2 ->
     store(ticket + 1);
#ifdef BREAK_CHAIN
     stamp[SLOT(ticket + 1)] = ticket + 2
#endif
  :: else
  fi;
#ifdef BREAK_CHAIN
  ticket = 0
#else
  d_step { stamp[SLOT(ticket)] = ticket + size; ticket = 0 }
#endif
}

/* One round: find the end of what is ready, show it to the kernel, let the kernel take it. */
inline round() {
#ifdef BREAK_EAGER
  position = tail;
#else
  do
  :: atomic { stamp[SLOT(position)] > position -> position = stamp[SLOT(position)] }
  :: atomic { else -> break }
  od;
#endif
  atomic {
    assert(position >= ktail && position <= head + ENTRIES);
    if
    :: position != ktail ->
       assert(ends[SLOT(position)]);
       do
       :: ktail < position -> ktail++; ends[SLOT(ktail)] = 0
       :: else -> break
       od
    :: else
    fi;
    position = 0
  };
  /* The kernel takes entry by entry: what it shows at its ends, and more. */
  do
  :: d_step {
       khead < ktail ->
       assert(array[SLOT(khead)] == khead);
       assert(stamp[SLOT(khead)] <= khead + ENTRIES);
       stamp[SLOT(khead)] = 0;
       khead++
     }
  :: atomic { khead >= ktail -> break }
  od
}

inline submitted() {
  busy--;
  assert(busy != 0 || (requests == 0 && ktail == tail && khead == tail))
}

inline submit() {
#ifdef BREAK_ALONE
  position = ktail;
  round();
  atomic { submitted() }
#else
  d_step {
    if
    :: requests == 0 -> served = 1; position = ktail
    :: else
    fi;
    requests++;
    if
    :: served == 0 -> submitted()   /* delegated */
    :: else
    fi
  };
  do
  :: served == 0 -> break
  :: else ->
     round();
     atomic {
#ifdef BREAK_FORGET
       requests = 0;
#else
       requests = requests - served;
#endif
       served = requests;
       if
       :: served == 0 -> submitted()
       :: else -> position = ktail
       fi
     }
  od
#endif
}

proctype worker(byte size) {
  byte left = BATCHES, seen, ticket, served, position;
  bit right;
  do
  :: left == 0 -> break
  :: else ->
     pop();
     push();
     submit();
     left--
  od
}

init {
  byte n;
  atomic {
    for (n : 0 .. ENTRIES - 1) { array[n] = n };
    run worker(2);
    for (n : 1 .. WORKERS - 1) { run worker(1) };
    n = 0
  };
  (_nr_pr == 1);
  assert(busy == 0 && tail == ENTRIES + BATCHES * (WORKERS + 1) && khead == tail)
}
