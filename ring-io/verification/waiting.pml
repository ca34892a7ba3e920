/* Threads that submit requests and wait for completions, with one leader in the kernel and the
 * followers asleep beside it.
 *
 * Each thread in turn queues a request, submits it, and waits for one completion, no matter whose.
 * The kernel may refuse a submission for a while; who wanted it then naps only for a time. It
 * completes what it took, in its own time. A wait may end early, as if its time were up, and a sleep
 * without a reason.
 *
 * A lost wake-up is a deadlock: somebody sleeps, nobody leads and nobody is on the way, although
 * completions are there or to come. The checker looks at every interleaving of the accesses to
 * shared words. Checked besides: one leader at a time, no completion claimed twice.
 *
 * What makes the state space small, and why nothing is lost: the epoch is compared with keys and
 * nothing else, so only which keys are the current one is kept; what a thread does not read any more
 * is set to one value.
 *
 * Each of these breaks the protocol, and the checker must find it:
 *   BREAK_LOOK      a follower sleeps without a last look
 *   BREAK_ANNOUNCE  a follower looks first and announces itself after
 *   BREAK_KEY       a follower takes its key after the look
 *   BREAK_BUMP      a notification leaves old keys valid
 *   BREAK_LEAVE     a leader leaves without a word
 *   BREAK_PASS      a follower that was woken does not pass it on
 *   BREAK_STRAND    who was refused a submission sleeps without end
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef TURNS
#define TURNS 1
#endif
#ifndef REFUSALS
#define REFUSALS 1
#endif
#ifndef EARLY
#define EARLY 1
#endif

byte queued = 0, taken = 0, completed = 0, claimed = 0;
/* The combining submit's counter, of which only this matters here: nobody asked, one publishes, one
 * publishes and somebody has asked since. */
byte requests = 0;
bit leader = 0;
byte waiters = 0;
/* Of the epoch only this matters: whether it is still the key that the thread has taken. */
bit current[THREADS];
bit asleep[THREADS];
byte refusals = REFUSALS;         /* how often the kernel may still refuse */
byte early = EARLY;               /* how many waits may still end early */
byte finished = 0;

#define EMPTY (completed == claimed)
#define PENDING (queued != taken)

/* The publisher enters for all, and looks again if somebody asked meanwhile. */
inline submit() {
  atomic { publishes = (requests == 0); requests = (publishes -> 1 : 2) };
  do
  :: !publishes -> break
  :: else ->
     if
     :: taken = queued
     :: atomic { refusals > 0 && PENDING -> refusals-- }
     fi;
     atomic { publishes = (requests == 2); requests = publishes }
  od
}

/* The kernel's side of a wake-up: one of the sleepers, whichever. */
inline wake_one() {
  atomic {
    if
    :: asleep[0] -> asleep[0] = 0
    :: asleep[1] -> asleep[1] = 0
#if THREADS > 2
    :: asleep[2] -> asleep[2] = 0
#endif
#if THREADS > 3
    :: asleep[3] -> asleep[3] = 0
#endif
    :: else -> skip
    fi
  }
}

/* The epoch changes, so no key that was taken before is the current one. */
inline bump() {
  d_step {
    current[0] = 0;
    current[1] = 0;
#if THREADS > 2
    current[2] = 0;
#endif
#if THREADS > 3
    current[3] = 0;
#endif
  }
}

inline notify() {
  if
  :: waiters != 0 ->
#ifndef BREAK_BUMP
     bump();
#endif
     wake_one()
  :: else
  fi
}

/* Follows the kernel's: if the word is still the key, fall asleep, in one step. */
inline park() {
  atomic {
    if
    :: current[me] -> asleep[me] = 1
    :: else -> skip
    fi
  };
  do
  :: atomic { asleep[me] == 0 -> break }
  /* A nap is over by itself; so is a sleep, for no reason, as long as reasons are not needed. */
  :: atomic { bounded && asleep[me] -> asleep[me] = 0; break }
  :: atomic { early > 0 && asleep[me] -> early--; asleep[me] = 0; break }
  od
}

/* Whether another thread leads and nothing is there; the second is not looked at if the first is not so. */
inline look() {
  looks = leader;
  if :: looks -> looks = EMPTY :: else fi
}

inline sleep_beside() {
  slept = 1;
#ifdef BREAK_ANNOUNCE
  current[me] = 1;
  look();
  waiters++;
#else
  waiters++;
#ifndef BREAK_KEY
  current[me] = 1;
#endif
#ifdef BREAK_LOOK
  looks = 1;
#else
  look();
#endif
#ifdef BREAK_KEY
  current[me] = 1;
#endif
#endif
  if :: looks -> park() :: else fi;
  atomic { waiters--; current[me] = 0; looks = 0; bounded = 0 }
}

/* Until a completion is claimed or the wait ends early. */
inline wait() {
  do
  :: atomic { if :: !EMPTY -> claimed++; break :: else fi };
     if :: PENDING -> submit() :: else fi;
     bounded = PENDING;
#ifdef BREAK_STRAND
     bounded = 0;
#endif
     if
     :: atomic { early > 0 -> early--; bounded = 0; break }
     :: skip
     fi;
     atomic { if :: !leads && !leader -> leader = 1; leads = 1 :: else fi };
     if
     :: leads ->
        /* In the kernel, which returns at once where there is a completion. */
        atomic { (!EMPTY || bounded) -> bounded = 0 }
     :: else -> sleep_beside()
     fi
  od;
  if
  :: leads ->
     assert(leader);
     leader = 0;
#ifndef BREAK_LEAVE
     notify()
#endif
  :: else ->
#ifndef BREAK_PASS
     if
     :: slept ->
        look();
        if :: !looks -> notify() :: else fi
     :: else
     fi
#endif
     skip
  fi;
  atomic { leads = 0; slept = 0; looks = 0 }
}

proctype thread(byte me) {
  byte left = TURNS;
  bit publishes, leads, slept, looks, bounded;
  do
  :: left == 0 -> break
  :: else ->
     queued++;
     submit();
     wait();
     left--
  od;
  /* Who goes away leaves nothing behind that was refused. */
  do
  :: PENDING -> submit()
  :: else -> break
  od;
  finished++
}

active proctype kernel() {
  do
  :: atomic { completed < taken -> completed++; assert(completed >= claimed) }
  :: atomic { finished == THREADS -> break }
  od
}

init {
  byte n;
  atomic { for (n : 0 .. THREADS - 1) { run thread(n) } };
  (finished == THREADS);
  assert(!leader && waiters == 0 && requests == 0)
}
