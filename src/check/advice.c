/* advice.c - what a broken rule means for whoever uses the store
 *
 * The layers say what is wrong; here stands, once a rule, what that does to the
 * user's data and which command is next.  FILE is the store, and NEW the name
 * of a file that is not there yet.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "check/check.h"

#include <string.h>

static const char repair[] =
    "tenon repair FILE NEW saves what is whole into a new store; FILE stays as "
    "it is.  Or restore a snapshot: tenon restore SNAPSHOT NEW.";
static const char reopen[] =
    "Nothing is lost.  Opening the store for writing puts it right.";
static const char put_back[] =
    "Put FILE-journal back beside FILE, from the same time.  Without it, "
    "tenon repair FILE NEW saves what FILE has by itself.";

struct advice {
    const char *rule, *meaning, *help;
};

static const struct advice table[] = {
    {"B1",
     "The file is not opened: what its first page says of it cannot be "
     "believed, or is not for this version or machine.",
     "If the reason above is damage, tenon repair FILE NEW looks for objects "
     "without it.  Else open it with the version or on the machine that it "
     "names."},
    {"B2",
     "It is not known whether the store was closed in order, so it is taken "
     "for one in durable use.",
     repair},
    {"B3",
     "Something else wrote into the first page.  Objects are not affected, but "
     "whatever wrote there may have written elsewhere too.",
     "tenon check --full FILE looks everywhere; a copy by tenon snapshot FILE "
     "OUT and tenon restore OUT NEW has a first page that is right."},
    {"B4",
     "Readers could take the file for newer or older than it is, until it is "
     "opened for writing.",
     reopen},
    {"B5",
     "The store's own bytes are not affected: something wrote behind them, or "
     "cut off or added to the file.",
     "tenon snapshot FILE OUT keeps a copy of what the store has; tenon shrink "
     "FILE gives the rest back."},
    {"B6",
     "One of the two is another store's, or was overwritten; which one, the "
     "objects tell.",
     repair},
    {"J1",
     "The journal may not be found to belong to the store when it is needed. "
     "Commits that were applied are in the file already.",
     put_back},
    {"J3",
     "Commits from this one on are lost, unless another copy of the journal "
     "has them.  The store is not opened for writing as it is.",
     put_back},
    {"J5",
     "Commits are not affected, but something else wrote into the journal.",
     "If tenon info FILE says that the store is clean, remove FILE-journal: it "
     "is made anew.  Else open it for writing and close it first."},
    {"J6", "Commits at the end of the journal may have been cut off.",
     put_back},
    {"O3",
     "The last commits cannot be told from older ones, so the store is not "
     "opened for writing.",
     put_back},
    {"O5",
     "Store and journal are of different times or stores; laying one over the "
     "other would mix them, so the store is not opened for writing.",
     "Put back the file or the journal that belongs to the other.  If the file "
     "was closed in order and is the right one, remove FILE-journal."},
    {"O8",
     "Readers could see an older commit than the last one, until the store is "
     "opened for writing.",
     reopen},
    {"S1", "The segment was made by another version, or overwritten.", repair},
    {"S2", "Names may be looked for in the wrong way and not be found.",
     repair},
    {"S3",
     "A process died in the middle of a change; objects that were complete are "
     "all there.",
     "tenon grow FILE 0 opens the store for shared use and puts it right."},
    {"S4",
     "The object in this block has lost its type, its size or its name.  Other "
     "objects are not affected.",
     repair},
    {"S5", "The object is there, but looking for its name does not find it.",
     repair},
    {"S6",
     "An object that was never completed takes up memory; nobody can see it.",
     "tenon grow FILE 0 opens the store for shared use and puts it right."},
    {"S7",
     "Memory is lost, or part of an index cannot be reached and names may be "
     "missing.",
     repair},
    {"S8",
     "Something else wrote into the segment's header, or a newer version did.",
     repair},
    {"H1",
     "The blocks from here on cannot be told apart: their objects cannot be "
     "used, and allocating could overwrite them.",
     repair},
    {"H2",
     "Free memory is in smaller pieces than it could be.  No object is "
     "affected.",
     repair},
    {"H3",
     "Freeing the block beside it would join the wrong bytes and damage "
     "objects.",
     repair},
    {"H4",
     "Allocating could hand out memory that is in use, or not find free "
     "memory.  Objects are whole as long as nothing is written.",
     repair},
    {"H5",
     "Allocating could hand out memory that is in use, or not find free "
     "memory.  Objects are whole as long as nothing is written.",
     repair},
    {"H6",
     "Allocating could hand out memory that is in use, or lose freed memory. "
     "Objects are whole as long as nothing is written.",
     repair},
    {"H7",
     "Allocating could hand out memory that is in use, or not find free "
     "memory.  Objects are whole as long as nothing is written.",
     repair},
    {"H8",
     "Figures of free and used memory are wrong, or memory is lost.  Objects "
     "are not affected.",
     repair},
    {"T1",
     "Objects of this type may not be found by their type, and new ones may "
     "be refused.",
     repair},
    {"T2", "Looking for a type may not find it.", repair},
    {"T3",
     "The type's name or size is lost, and with it how to read its objects.",
     repair},
    {"T4", "Destroying objects could free the type while others still use it.",
     repair},
    {"I1",
     "The name leads to something that is no object; a call with it is "
     "answered as if the name were not there, or fails.",
     repair},
    {"I2", "Looking for some names may not find them.", repair},
    {"I3", "Counts of names are wrong; names may be missing.", repair},
    {"I4", "Part of the index is lost, and names may be missing.", repair},
    {"I5", "Looking for some names may not find them.", repair},
    {"I6", "Looking for some names may not find them.", repair},
    {"I7", "Looking for some names may not find them.", repair},
    {"I8", "Listing the names may skip or repeat some.", repair},
    {"I9", "The name finds another object than its own.", repair},
    {"P1",
     "Bytes of the page are not what was committed: a disk, a cable, memory "
     "or another program changed them.  Objects in it may be damaged.",
     repair},
    {"P2",
     "A bit of the page sums changed.  No object is affected, but the disk or "
     "memory may not be sound.",
     repair},
    {"P3",
     "The first sector is older than the rest, as after a write that never "
     "reached the disk.  Objects are not affected.",
     "Commit something: that writes it anew."},
    {"Z1",
     "Free memory is not zero as it was left by trim.  No object is affected, "
     "but something wrote where nothing should.",
     "tenon trim FILE zeroes it again."},
};

void advice_add(tn_finding *finding)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(table[i].rule, finding->rule) == 0) {
            finding->meaning = table[i].meaning;
            finding->help = table[i].help;
            return;
        }
    }
}
