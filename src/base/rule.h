/* rule.h - the rules of the commit protocol, each of which can be taken out
 *
 * RULE(NAME) is 1.  A build with -DTN_WITHOUT=RULE_NAME has that one rule taken
 * out, and the tests of crashes must notice (tests/crash/rules.sh).  What each
 * rule prevents is told in docs/CRASH.md.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef BASE_RULE_H
#define BASE_RULE_H

enum rule {
    RULE_NONE,
    RULE_TAILSYNC,     /* adopted records are synced before they are believed */
    RULE_TAILREWRITE,  /* and written again before that */
    RULE_SYNCFIRST,    /* applied moves after the writes */
    RULE_ROVERLAY,     /* readers lay pending records over the file */
    RULE_DIFFBASE,     /* and so does the commit before it compares */
    RULE_RBOVERLAY,    /* and so does a rollback */
    RULE_DONTNEED,     /* private pages go when another handle has committed */
    RULE_DIRADOPT,     /* the directory is synced, whoever made the journal */
    RULE_HDRSYNC,      /* a header is on disk before its first record */
    RULE_HDR2,         /* two slots for headers */
    RULE_HDRADOPT,     /* a header that may not be on disk is adopted */
    RULE_LIVEHANDLE,   /* every handle syncs LIVE itself */
    RULE_LIVE,         /* LIVE is on disk before the first commit */
    RULE_FSYNCF,       /* the file is synced before a new generation */
    RULE_REAPPLY,      /* and written again by a handle that joined */
    RULE_DISTRUST,     /* after a failed sync nothing is taken as applied */
    RULE_GROWSYNC,     /* a new size is on disk before the record */
    RULE_GROWCOMMIT,   /* also if the file is long enough already */
    RULE_PAIR,         /* LIVE without a journal is refused */
    RULE_LOCALCOUNT,   /* a handle with readers of its own does not apply */
    RULE_BOUNDED,      /* nobody waits for readers without bound */
    RULE_GATESHORT,    /* GATE is not held from one call to the next */
    RULE_MARKORDER,    /* synced moves after the sync */
    RULE_CKPTAPPLIED,  /* a new generation begins when all is applied */
    RULE_BOOTID,       /* marks of another boot are not believed */
    RULE_WAHEAD,       /* nothing unsynced is applied */
    RULE_TAILRULE,     /* a gap is damage only if it had been on disk */
    RULE_SHAREDREC,    /* a shared opener recovers first */
    RULE_REINIT,       /* a clean store's old journal begins anew */
    RULE_RESCAN,       /* a reader without marks looks at boot again */
    RULE_CLOSEWAIT,    /* a handle with open views is not closed */
    RULE_MODELOCK,     /* durable and shared openers exclude each other */
    RULE_SAMESET,      /* applies and views use the same records */
    RULE_FELLVIEW,     /* a distrusted file is laid over anew */
    RULE_OTHERSLOT,    /* adopting writes both slots */
    RULE_MARKSYNC,     /* a settler looks for records beyond the mark */
    RULE_NONCE,        /* commits of one number differ */
    RULE_HINTED,       /* the library's stores are searched for in any case */
    RULE_SYNCCOVERS,   /* a sync covers what was written before it began */
    RULE_FAILTOGETHER, /* who wrote behind a failed sync fails with it */
    RULE_RUN,          /* every run of bytes that differ is recorded */
    RULE_COMPARE,      /* every page that is found is compared */
    RULE_SUM,          /* every changed page's sum is renewed */
    RULE_TRIMREC,      /* what is trimmed becomes zero by a commit */
    RULE_TRIMCKPT,     /* holes are made behind a checkpoint */
    RULE_HOLES,        /* a hole has blocks before a record stores there */
    RULE_HOLESYNC,     /* and they are on disk */
    RULE_THROUGH,      /* one record is synced alone if all before it are */
    RULE_WRITER,       /* a handle reads on where another one has written */
};

#ifdef TN_WITHOUT
#define RULE(name) (TN_WITHOUT != RULE_##name)
#else
#define RULE(name) 1
#endif

#endif
