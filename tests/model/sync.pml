/* Durability class D3: a primary and two replicas, a failover, and two primaries at once.
 *
 * A write is acknowledged when the WAIT behind it, on its own connection, counted W replicas. A
 * partition may take the primary, with one gateway and any of the replicas, away from the rest; there
 * the other side makes a promotable replica the primary, whichever it likes, while the old one goes
 * on taking writes. When the partition heals, the old primary and its side take the new one's log.
 *
 * Checked: what was acknowledged is in the log that remains; and so is every state that a read has
 * shown (it may be old while there are two primaries: journal-and-ownership 3.4 says so).
 *
 * The rules of the class: W is the number of all replicas; too few means outcome unknown: not
 * acknowledged, and the state is given up; a state that was loaded is shown only after a write of our
 * own behind it (the claim) was waited for.
 *
 * Sizes: OPS of each gateway; W; PROMOTABLE, as bits of nodes 1 and 2; PAIR: there is no node 2. Mutations:
 * W=1 with two replicas (even when only one may be promoted: WAIT counts the other), NOWAIT, NOCLAIM,
 * KEEPSHORT (the state stays after a WAIT that counted too few). */
#ifndef OPS
#define OPS 3
#endif
#ifndef W
#define W 2
#endif
#ifndef PROMOTABLE
#define PROMOTABLE 6
#endif
#define NODES 3
#define ML 8 /* a node's log: entries 1 .. ML - 1 */
#define AT(node, i) log[(node) * ML + (i)]
#define BIT(x) (1 << (x))
#ifdef PAIR
#define HASNODE(n) ((n) < 2)
#else
#define HASNODE(n) true
#endif

byte log[24]; /* NODES * ML: attempts */
byte ln[NODES];
byte master[NODES]; /* whom it follows; itself: a primary */
bool far[NODES];    /* on the side of the old primary; false: one network */
byte primary = 0;   /* the one that clients are told of */
bool is_cut = false;

byte attempts = 0;
int acked = 0; /* attempts */
int shown = 0; /* attempts that the shown states end with */

inline copy(from, to)
{
	k = 1;
	do
	:: k < ML -> AT(to, k) = AT(from, k); k++
	:: else -> break
	od;
	ln[to] = ln[from];
	k = 0
}

/* Replicas that follow the node, can be reached by it and have so many entries. */
#define HAS(r, node, n) (r != node && master[r] == node && far[r] == far[node] && ln[r] >= n)
#define COUNT(node, n) ((HAS(0, node, n) -> 1 : 0) + (HAS(1, node, n) -> 1 : 0) + (HAS(2, node, n) -> 1 : 0))
#ifdef NOWAIT
#define IS_HELD(node, n) true
#else
#define IS_HELD(node, n) (COUNT(node, n) >= W)
#endif

#define IS_BEHIND(r) (master[r] != r && far[r] == far[master[r]] && ln[r] < ln[master[r]])

/* One entry goes to a replica. */
inline advance(r)
{
	ln[r]++;
	AT(r, ln[r]) = AT(master[r], ln[r])
}

active proctype Replication()
{
end:	do
	:: atomic { IS_BEHIND(0) -> advance(0) }
	:: atomic { IS_BEHIND(1) -> advance(1) }
	:: atomic { IS_BEHIND(2) -> advance(2) }
	od
}

proctype Gateway(byte g)
{
	byte node = 0, s = 0, a = 0, ops = 0;
	bool has = false, is_held = false;

	do
	:: ops < OPS ->
		ops++;
again:
		atomic {
			if
			:: node != primary && !(is_cut && g == 0) -> node = primary; has = false
			:: else -> skip
			fi;
			if
			:: !has -> s = ln[node]; a = AT(node, s); has = true; is_held = false
			:: else -> skip
			fi
		}
		if
		:: /* a write */
			if
			:: atomic { /* compared, and appended */
				ln[node] == s && AT(node, s) == a && s + 1 < ML ->
				attempts++;
				a = attempts;
				s++;
				ln[node] = s;
				AT(node, s) = a;
				is_held = false
			   }
			:: atomic { !(ln[node] == s && AT(node, s) == a && s + 1 < ML) -> has = false; goto next }
			fi;
			if
			:: atomic { IS_HELD(node, s) -> acked = acked | BIT(a); is_held = true }
#ifdef KEEPSHORT
			:: is_held = true
#else
			:: has = false /* too few in time */
#endif
			fi
		:: /* a read: what the function says is shown when the verify passed */
#ifndef NOCLAIM
			if
			:: atomic { !is_held && ln[node] == s && AT(node, s) == a ->
				/* the claim is a write of ours, so the WAIT speaks of all before it */
				if
				:: IS_HELD(node, s) -> is_held = true
				:: has = false; goto next
				fi
			   }
			:: atomic { !is_held && !(ln[node] == s && AT(node, s) == a) -> has = false; goto next }
			:: is_held -> skip
			fi;
#endif
			if
			:: atomic { ln[node] == s && AT(node, s) == a -> shown = shown | BIT(a) }
			:: atomic { !(ln[node] == s && AT(node, s) == a) -> has = false }
			fi
		fi;
next:
		skip
	:: ops >= OPS -> break
	od
}

proctype Fault()
{
	byte k = 0, q = 0;

	/* gateway 0 stays with the old primary, and perhaps replicas */
	atomic {
		is_cut = true;
		far[0] = true;
		if
		:: far[1] = true
		:: far[2] = true
		:: skip
		fi
	}
	/* the other side promotes one of its own */
	atomic {
		if
		:: !far[1] && (PROMOTABLE & 2) -> q = 1
		:: !far[2] && (PROMOTABLE & 4) -> q = 2
		:: else -> q = 0
		fi;
		if
		:: q > 0 ->
			primary = q;
			master[q] = q;
			if
			:: !far[3 - q] && HASNODE(3 - q) -> master[3 - q] = q; copy(q, 3 - q)
			:: else -> skip
			fi
		:: else -> skip
		fi
	}
	/* healed: everybody follows the one that clients are told of */
	atomic {
		is_cut = false;
		far[0] = false;
		far[1] = false;
		far[2] = false;
		if
		:: q > 0 ->
			master[0] = q;
			copy(q, 0);
			if
			:: master[3 - q] != q && HASNODE(3 - q) -> master[3 - q] = q; copy(q, 3 - q)
			:: else -> skip
			fi
		:: else -> skip
		fi
	}
}

init
{
	byte i = 1;
	int held = 1; /* the empty state */

	atomic {
#ifdef PAIR
		master[2] = 2;
#endif
		run Gateway(0);
		run Gateway(1);
		run Fault();
	}
	(_nr_pr == 2);
	atomic {
		do
		:: i <= ln[primary] -> held = held | BIT(AT(primary, i)); i++
		:: else -> break
		od;
		assert((acked & held) == acked);
		assert((shown & held) == shown)
	}
}
