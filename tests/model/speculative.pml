/* A hot entity: its owner lets the function run the next command while the appends of earlier ones
 * are on their way, at most DEPTH of them; each expects the head that the one before makes. A rival
 * gateway appends as it likes.
 *
 * A reply leaves when its own append (or, of a read, its verify) is decided well. When one is not,
 * everything built on it is thrown away: the state is loaded again and the commands run again, with
 * the ids they had. A connection is a queue; when it breaks, what was sent may still be executed,
 * all of it or in part, whenever it likes, and everything undecided is sent again in order.
 *
 * Checked as in append.pml: no event on a state that is not in the log, no command twice, nothing
 * acknowledged missing, reads show a state that exists and is not older than what was acknowledged
 * before they began.
 *
 * Sizes: NC commands at the owner, the last one a read with READ; DEPTH; BREAKS of the connection; GIVEUP
 * (deadlines pass); RIVAL: 1 has a command of its own, 2 the first command once more; LOSS.
 * Mutations: EARLYACK, KEEPBUILT, SPECREAD, NODEDUPE. */
#ifndef NC
#define NC 3
#endif
#ifndef DEPTH
#define DEPTH 2
#endif
#ifndef BREAKS
#define BREAKS 1
#endif
#ifndef RIVAL
#define RIVAL 1
#endif
#define RIVALS_OWN (NC + 1)
#define ML 8
#define BIT(c) (1 << (c))
#ifdef READ
#define IS_READ(c) ((c) == NC)
#else
#define IS_READ(c) false
#endif

/* the journal, as in append.pml; the tag is the attempt */
byte logc[ML], loga[ML], logp[ML];
byte ln = 0;

byte attempts = 0;
byte acked = 0;
byte ackmax = 0;

/* the owner: the state the function is at, and what is not decided */
bool has = false;
byte fs, fa;		   /* sequence and content */
byte seen = 0;		   /* commands it knows to be done */
byte flights = 0;
byte flc[DEPTH], fls[DEPTH], fla[DEPTH], flp[DEPTH];
byte waiting = 0;	   /* commands to be run, as bits */
byte begun = 0;		   /* what was acknowledged when the read began */

mtype = { OK, CONFLICT };
chan wire = [6] of { byte, byte, byte, byte }; /* command, sequence, attempt, state it follows */
chan old = [8] of { byte, byte, byte, byte };
chan back = [6] of { byte, mtype }; /* attempt, result */

#define MATCH(s, p) (ln == (s) && loga[ln] == (p))

inline put(command, attempt, before)
{
	ln++;
	logc[ln] = command;
	loga[ln] = attempt;
	logp[ln] = before
}

inline ack(command, place)
{
	acked = acked | BIT(command);
	if
	:: ackmax < place -> ackmax = place
	:: else -> skip
	fi
}

/* Of the log at hand, but for the newest LOSS takes away. */
inline load(sequence, content, known)
{
	d_step {
		sequence = ln;
		content = loga[ln];
		known = 0;
		i = 1;
		do
		:: i <= ln -> known = known | BIT(logc[i]); i++
		:: else -> break
		od;
		i = 0
	}
}

active proctype Redis()
{
	byte c, s, a, p;

end:	do
	:: atomic {
		wire?c, s, a, p ->
		if
		:: MATCH(s, p) && a != p -> put(c, a, p); back!a, OK
		:: MATCH(s, p) && a == p -> back!a, OK /* a verify */
		/* sent again: it is there already */
		:: !MATCH(s, p) && a != p && s + 1 <= ln && loga[s + 1] == a -> back!a, OK
		:: else -> back!a, CONFLICT
		fi;
		c = 0; s = 0; a = 0; p = 0
	   }
	:: atomic {
		old?c, s, a, p ->
		if
		:: MATCH(s, p) && a != p -> put(c, a, p)
		:: skip
		fi;
		c = 0; s = 0; a = 0; p = 0
	   }
	od
}

/* Nobody waits for the replies any more; what was sent may yet be executed. */
inline sever()
{
	do
	:: nempty(wire) -> wire?x, y, z, w; old!x, y, z, w
	:: empty(wire) -> break
	od;
	do
	:: nempty(back) -> back?x, r
	:: empty(back) -> break
	od;
	x = 0; y = 0; z = 0; w = 0
}

/* Everything undecided runs again, on what the journal has then. */
inline discard()
{
	sever();
	do
	:: flights > 0 -> flights--; waiting = waiting | BIT(flc[flights]);
		flc[flights] = 0; fls[flights] = 0; fla[flights] = 0; flp[flights] = 0
	:: else -> break
	od;
	has = false;
	fs = 0;
	fa = 0
}

inline pop()
{
	i = 1;
	do
	:: i < flights -> flc[i - 1] = flc[i]; fls[i - 1] = fls[i]; fla[i - 1] = fla[i]; flp[i - 1] = flp[i]; i++
	:: else -> break
	od;
	flights--;
	flc[flights] = 0; fls[flights] = 0; fla[flights] = 0; flp[flights] = 0;
	i = 0
}

inline takeoff(command, attempt)
{
	flc[flights] = command;
	fls[flights] = fs;
	fla[flights] = attempt;
	flp[flights] = fa;
	flights++;
	wire!command, fs, attempt, fa
}

inline next()
{
	c = 1;
	do
	:: !(waiting & BIT(c)) -> c++
	:: else -> break
	od
}

proctype Owner()
{
	byte i = 0, c = 0, a = 0, breaks = 0;
	byte x = 0, y = 0, z = 0, w = 0;
	mtype r;

	do
	:: !has && waiting -> atomic { load(fs, fa, seen); has = true }
	:: atomic {
		has && waiting && flights < DEPTH ->
		next();
		waiting = waiting & ~BIT(c);
		if
		:: IS_READ(c) ->
			begun = ackmax;
#ifdef SPECREAD
			assert(fs <= ln && loga[fs] == fa);
			ack(c, 0)
#else
			takeoff(c, fa)
#endif
#ifndef NODEDUPE
		:: !IS_READ(c) && (seen & BIT(c)) -> takeoff(c, fa) /* its stored reply, with the head compared */
#endif
		:: else ->
			attempts++;
			a = attempts;
			takeoff(c, a);
			fs++;
			fa = a;
#ifdef EARLYACK
			ack(c, fs)
#endif
		fi;
		c = 0; a = 0
	   }
	:: atomic {
		back?a, r ->
		assert(a == fla[0]);
		if
		:: r == OK ->
			c = flc[0];
			if
			:: IS_READ(c) ->
#ifndef LOSS
				assert(fls[0] >= begun);
#endif
				ack(c, 0)
			:: !IS_READ(c) && fla[0] == flp[0] -> ack(c, fls[0])
			:: else -> ack(c, fls[0] + 1); seen = seen | BIT(c)
			fi;
			pop()
		:: r == CONFLICT ->
#ifdef EARLYACK
			do
			:: flights > 0 -> c = flc[0]; pop(); waiting = waiting | (BIT(c) & ~acked)
			:: else -> break
			od;
			has = false
#elif defined(KEEPBUILT)
			/* only the failed one runs again; the one after it takes the head there is */
			waiting = waiting | BIT(flc[0]);
			pop();
			sever();
			if
			:: flights > 0 && fla[0] != flp[0] ->
				put(flc[0], fla[0], flp[0]);
				ack(flc[0], ln)
			:: else -> skip
			fi;
			discard()
#else
			discard()
#endif
		fi;
		c = 0; a = 0
	   }
	:: atomic {
		breaks < BREAKS && flights > 0 && empty(old) -> breaks++;
		sever();
		do
		:: i < flights -> wire!flc[i], fls[i], fla[i], flp[i]; i++
		:: else -> break
		od;
		i = 0; c = 0; a = 0
	   }
#ifdef GIVEUP
	/* The oldest one's deadline passed: its caller hears that the outcome is unknown. */
	:: atomic { flights > 0 -> pop(); discard() }
#endif
	:: atomic { flights == 0 && waiting == 0 -> break }
	od
}

proctype Rival()
{
	byte i = 0, s, p, known, c;

	c = (RIVAL == 1 -> RIVALS_OWN : 1);
again:
	load(s, p, known);
	if
#ifndef NODEDUPE
	:: (known & BIT(c)) ->
		if
		:: atomic { MATCH(s, p) -> ack(c, ln) }
		:: !MATCH(s, p) -> goto again
		fi
#endif
	:: else ->
		if
		:: atomic { MATCH(s, p) -> attempts++; put(c, attempts, p); ack(c, ln) }
		:: !MATCH(s, p) -> goto again
		fi
	fi
}

#ifdef LOSS
proctype Failover()
{
	d_step {
		if
		:: ln > 0 ->
			logc[ln] = 0; loga[ln] = 0; logp[ln] = 0; ln--;
			if
			:: ackmax > ln -> ackmax = ln
			:: else -> skip
			fi
		:: else -> skip
		fi
	}
}
#endif

init
{
	byte i = 1, done = 0;

	atomic {
		do
		:: i <= NC -> waiting = waiting | BIT(i); i++
		:: else -> break
		od;
		run Owner();
#if RIVAL > 0
		run Rival();
#endif
#ifdef LOSS
		run Failover();
#endif
	}
	(_nr_pr == 2 && empty(wire) && empty(old)); /* but for Redis and this */
	i = 1;
	do
	:: i <= ln ->
		assert(logp[i] == loga[i - 1]);
		assert(!(done & BIT(logc[i])));
		done = done | BIT(logc[i]);
		i++
	:: else -> break
	od;
#ifdef READ
	acked = acked & ~BIT(NC);
#endif
#ifndef LOSS
	assert((acked & done) == acked)
#endif
}
