#ifndef HEADGATE_JOURNAL_SALVAGE_H
#define HEADGATE_JOURNAL_SALVAGE_H

/* What a journal acknowledged and lost, kept in a file so that a person decides what becomes of it:
 * never put back by itself, for later commands may build on the shorter history.
 *
 * "salvage-<time in ms>.jsonl" (beside an embedded journal, else where the gateway runs), lines as
 * in journal/export.h:
 *
 *   begin   with "salvage":true
 *   event   one for each lost event, in the order of their sequences within an entity. The first of
 *           an append has "base", the tag of the head that it was appended to (the empty text at
 *           sequence 0)
 *   head    of a value entity that lost a write: its newest state, fields as in the hash
 *   end     optional: a process that dies writes none
 *
 * Write each line at once with export_write of one writer, so that whatever was written is of use.
 * headgate journal salvage list | diff | import reads it. */
#define SALVAGE_PREFIX "salvage-"
#define SALVAGE_SUFFIX ".jsonl"

#endif
