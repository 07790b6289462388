/* One entity, two gateways that both believe it theirs, one linearizable journal.
 *
 * What is modelled: the head (sequence, tag) and the comparing append with batches and snapshots,
 * lost replies with a resend, appends that land long after their sender gave up, clients that send a
 * command twice under one key, reads with their verify, erasure, and (LOSS) a failover that loses
 * the newest append. What is not: time and membership, for nothing rests on them; any gateway may run
 * any command at any moment.
 *
 * A state's content is named by the attempt that made its last event, so "same content" is one
 * comparison. Checked: every event was computed on the very state it follows; no command took effect
 * twice, or half; nothing acknowledged is missing; no read is older than what was acknowledged before
 * it began; a load gives what the events give; nothing comes after an erasure.
 *
 * Sizes: NC commands (the first RETRY of them sent twice; the first BATCH make two events and a
 * snapshot), READS, ERASE, LOSS. Mutations, each of which must be caught: SEQONLY, TAGCMD, NODEDUPE,
 * NOVERIFY, ACKFIRST, PARTIAL, SNAPAPART, NOTOMB. run.sh lists what is run. */
#ifndef NC
#define NC 2
#endif
#ifndef RETRY
#define RETRY 0
#endif
#ifndef BATCH
#define BATCH 0
#endif
#ifndef READS
#define READS 0
#endif
#define NG 2
#define ML 9 /* places of the log: two events for each command, and one more */
#define BIT(c) (1 << (c))

/* the journal: events from 1 */
byte logc[ML]; /* command */
byte loga[ML]; /* attempt: the content */
byte logp[ML]; /* attempt that made the state this event was computed on */
byte ln = 0;
byte headt = 0;	    /* the head's tag */
byte zs = 0, za = 0; /* snapshot: sequence, content */
byte oldzs = 0, oldza = 0;
byte lastn = 0; /* events of the newest append */
bool erased = false;

/* the gateways' copies */
bool has[NG];
bool busy[NG];
byte gs[NG], gt[NG]; /* head */
byte ga[NG];	     /* content */
byte seen[NG];	     /* commands in the window */

byte attempts = 0;
byte buried = 0; /* attempts made before the erasure */
byte acked = 0;
byte ackmax = 0; /* highest sequence that was acknowledged */

#ifdef SEQONLY
#define MATCH(s, t) (!erased && ln == (s))
#else
#define MATCH(s, t) (!erased && ln == (s) && headt == (t))
#endif
#ifdef TAGCMD
#define TAG(a, c) (c)
#else
#define TAG(a, c) (a)
#endif

/* place holds what the newest append of this command would be at */
#define IS_DUP(s, c) ((s) + 1 <= ln && logc[(s) + 1] == (c))

inline ack(c)
{
	acked = acked | BIT(c);
	if
	:: ackmax < ln -> ackmax = ln
	:: else -> skip
	fi
}

inline put(command, attempt, before)
{
	ln++;
	logc[ln] = command;
	loga[ln] = attempt;
	logp[ln] = before
}

/* The script. p: content of the state the events were computed on. */
inline append(c, a, p)
{
	put(c, a, p);
	lastn = 1;
	oldzs = zs;
	oldza = za;
	if
#ifdef PARTIAL
	:: c <= BATCH -> skip /* the second event never comes */
#endif
	:: c <= BATCH ->
		put(c, a, a);
		lastn = 2;
#ifndef SNAPAPART
		zs = ln;
		za = a
#endif
	:: else -> skip
	fi;
	headt = TAG(a, c)
}

/* Of this attempt alone, for ever. */
inline fresh(attempt)
{
	attempts++;
	attempt = attempts
}

inline load(g)
{
	d_step {
		gs[g] = ln;
		gt[g] = headt;
		seen[g] = 0;
		i = 1;
		do
		:: i <= ln -> seen[g] = seen[g] | BIT(logc[i]); i++
		:: else -> break
		od;
		i = 0;
		/* the snapshot, then the events after it */
		ga[g] = (ln > zs -> loga[ln] : za);
		assert(erased || zs <= ln);
		assert(erased || ga[g] == loga[ln]);
		has[g] = true
	}
}

/* Still in the network after its sender gave up. */
proctype Zombie(byte s; byte t; byte c; byte a; byte p)
{
	d_step {
		if
		:: MATCH(s, t) -> append(c, a, p)
		:: else -> skip
		fi
	}
}

proctype Command(byte g; byte c)
{
	byte i = 0, s, t, a, p;

	atomic { !busy[g] -> busy[g] = true }
again:
	if
	:: !has[g] -> load(g)
	:: else -> skip
	fi;
	if
#ifndef NODEDUPE
	:: (seen[g] & BIT(c)) -> /* done before: the stored reply, fetched with the head compared */
		if
		:: atomic { MATCH(gs[g], gt[g]) -> ack(c) }
		:: atomic { !MATCH(gs[g], gt[g]) && !erased -> has[g] = false; goto again }
		:: atomic { erased -> has[g] = false }
		fi
#endif
	:: else ->
		d_step { s = gs[g]; t = gt[g]; p = ga[g] }
#ifdef ACKFIRST
		ack(c);
#endif
		if
		:: atomic { /* executed, and the reply arrives */
			MATCH(s, t) -> fresh(a);
			append(c, a, p);
			gs[g] = ln;
			gt[g] = headt;
			ga[g] = a;
			seen[g] = seen[g] | BIT(c);
			ack(c)
		   }
		:: atomic { MATCH(s, t) -> fresh(a); append(c, a, p) }; /* the reply is lost; it is sent again */
			if
			:: atomic { MATCH(s, t) -> append(c, a, p); has[g] = false; ack(c) }
			:: atomic {
				!MATCH(s, t) -> has[g] = false;
				if
				:: erased -> skip /* unknown to the caller */
				:: !erased && IS_DUP(s, c) && loga[s + 1] == a -> ack(c)
				:: else -> goto again
				fi
			   }
			fi
		:: atomic { MATCH(s, t) -> fresh(a); append(c, a, p); has[g] = false } /* and given up */
		:: atomic { fresh(a); run Zombie(s, t, c, a, p); has[g] = false } /* given up before */
#ifdef SNAPAPART
		/* outcome unknown, but the snapshot is written as a matter of its own */
		:: atomic { c <= BATCH && !erased -> fresh(a); zs = s + 2; za = a; run Zombie(s, t, c, a, p); has[g] = false }
#endif
		:: atomic {
			!MATCH(s, t) -> has[g] = false;
			if
			:: erased -> skip
#ifndef NODEDUPE
			:: !erased && IS_DUP(s, c) -> goto again /* done elsewhere: the stored reply */
#endif
			:: else -> goto again
			fi
		   }
		fi
	fi;
	busy[g] = false
}

proctype Read()
{
	byte g, i = 0, n;

	if
	:: g = 0
	:: g = 1
	fi;
	n = ackmax; /* it begins */
	atomic { !busy[g] -> busy[g] = true }
again:
	if
	:: !has[g] -> load(g)
	:: else -> skip
	fi;
	/* the function answered from this state */
#ifdef NOVERIFY
	assert(erased || gs[g] >= n);
#else
	if
	:: atomic { MATCH(gs[g], gt[g]) ->
#ifndef LOSS
		assert(gs[g] >= n);
#endif
		assert(ga[g] == loga[ln]) /* and it is a state that exists */
	   }
	:: atomic { !MATCH(gs[g], gt[g]) && !erased -> has[g] = false; goto again }
	:: atomic { erased -> has[g] = false }
	fi;
#endif
	busy[g] = false
}

#ifdef LOSS
/* The newest append is gone, whole: scripts are replicated and written as one block. */
proctype Failover()
{
	d_step {
		if
		:: ln > 0 && lastn > 0 && !erased ->
			do
			:: lastn > 0 -> logc[ln] = 0; loga[ln] = 0; logp[ln] = 0; ln--; lastn--
			:: else -> break
			od;
			zs = oldzs;
			za = oldza;
			headt = TAG(loga[ln], logc[ln]);
			if
			:: ackmax > ln -> ackmax = ln
			:: else -> skip
			fi
		:: else -> skip
		fi
	}
}
#endif

#ifdef ERASE
proctype Erase()
{
	byte i = 1;

	d_step {
		buried = attempts;
		do
		:: i <= ln -> logc[i] = 0; loga[i] = 0; logp[i] = 0; i++
		:: else -> break
		od;
		zs = 0;
		za = 0;
#ifdef NOTOMB
		ln = 0;
		headt = 0;
		ackmax = 0;
#else
		erased = true;
#endif
		acked = 0
	}
}
#endif

init
{
	byte i, done = 0;
	byte c = 1;

	atomic {
		do
		:: c <= NC ->
			if
			:: run Command(0, c)
			:: c > 1 -> run Command(1, c) /* the first is anybody's: the gateways are alike */
			fi;
			if
			:: c <= RETRY ->
				if
				:: run Command(0, c)
				:: run Command(1, c)
				fi
			:: else -> skip
			fi;
			c++
		:: else -> break
		od;
#if READS > 0
		run Read();
#endif
#if READS > 1
		run Read();
#endif
#ifdef LOSS
		run Failover();
#endif
#ifdef ERASE
		run Erase();
#endif
	}
	(_nr_pr == 1);
	if
	:: erased || buried ->
		i = 1;
		do
		:: i <= ln -> assert(loga[i] == 0 || loga[i] > buried); i++
		:: else -> break
		od
	:: else ->
		i = 1;
		do
		:: i <= ln ->
			assert(logp[i] == loga[i - 1]);
			if
			:: loga[i] != loga[i - 1] ->
				assert(!(done & BIT(logc[i])));
				done = done | BIT(logc[i]);
				/* batches are whole */
				assert(logc[i] > BATCH || (i < ln && loga[i + 1] == loga[i]))
			:: else -> skip
			fi;
			i++
		:: else -> break
		od;
#ifndef LOSS
		assert((acked & done) == acked)
#endif
	fi
}
