/* pipeline.c - chunks that several threads work on and one takes in order
 *
 *     released     taken      being worked on        fed      room
 *     ------------|--------|---------------------|---------|------------>
 *              oldest                           next     newest
 *
 * The numbers count slots since the beginning; slot n lies in the ring at n
 * modulo its size.  newest - oldest never exceeds the size.  Between oldest and
 * next a slot may be done before an older one is.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "image/pipeline.h"
#include "base/error.h"
#include "os/team.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOTS_A_THREAD = 2, SLOTS_MORE = 2 };

struct pipeline {
    struct team team;
    pipeline_work *work;
    void *arg;
    struct slot *slots;
    bool *done; /* one a slot */
    size_t slot_count;
    uint64_t oldest, next, newest;
    bool over;
    struct worker *workers;
    unsigned worker_count, workers_given;
};

/* --- Working -------------------------------------------------------------- */

static void work_on(struct pipeline *p, struct worker *worker,
                    struct slot *slot)
{
    slot->status = p->work(p->arg, worker, slot);
    if (slot->status != TN_OK)
        snprintf(slot->why, sizeof(slot->why), "%s", tn_errmsg());
}

/* With the lock held: work on the next slot that was fed, without it. */
static void work_on_next(struct pipeline *p, struct worker *worker)
{
    size_t i = p->next++ % p->slot_count;

    team_unlock(&p->team);
    work_on(p, worker, &p->slots[i]);
    team_lock(&p->team);
    p->done[i] = true;
    team_wake(&p->team);
}

static void *work_along(void *arg)
{
    struct pipeline *p = arg;
    struct worker *worker;

    team_lock(&p->team);
    worker = &p->workers[p->workers_given++];
    while (!p->over) {
        if (p->next < p->newest)
            work_on_next(p, worker);
        else
            team_wait(&p->team);
    }
    team_unlock(&p->team);
    return NULL;
}

/* --- Making --------------------------------------------------------------- */

static bool make_workers(struct pipeline *p, unsigned count)
{
    p->workers = calloc(count, sizeof(*p->workers));
    if (p->workers == NULL)
        return false;
    for (p->worker_count = 0; p->worker_count < count; p->worker_count++) {
        struct worker *worker = &p->workers[p->worker_count];

        worker->coder = coder_open();
        worker->scratch = malloc(IMAGE_CHUNK);
        if (worker->coder == NULL || worker->scratch == NULL) {
            p->worker_count++;
            return false;
        }
    }
    return true;
}

static bool make_slots(struct pipeline *p, size_t count)
{
    p->slots = calloc(count, sizeof(*p->slots));
    p->done = calloc(count, sizeof(*p->done));
    if (p->slots == NULL || p->done == NULL)
        return false;
    for (p->slot_count = 0; p->slot_count < count; p->slot_count++) {
        struct slot *slot = &p->slots[p->slot_count];

        slot->bytes = malloc(IMAGE_CHUNK);
        slot->frame = malloc(compress_bound());
        if (slot->bytes == NULL || slot->frame == NULL) {
            p->slot_count++;
            return false;
        }
    }
    return true;
}

tn_status pipeline_open(struct pipeline **out, unsigned threads,
                        uint64_t chunks, pipeline_work *work, void *arg)
{
    struct pipeline *p = calloc(1, sizeof(*p));
    size_t slots;

    if (p == NULL)
        return error_set(TN_ENOMEM, "no memory for chunks");
    if (threads == 0)
        threads = team_processors();
    if (threads > PIPELINE_THREADS)
        threads = PIPELINE_THREADS;
    if (threads > chunks)
        threads = (unsigned)chunks;
    slots = threads * SLOTS_A_THREAD + SLOTS_MORE;
    if (slots > chunks)
        slots = (size_t)chunks;
    p->work = work;
    p->arg = arg;
    team_init(&p->team);
    if (!make_workers(p, threads) || !make_slots(p, slots)) {
        pipeline_close(p);
        return error_set(TN_ENOMEM, "no memory for chunks");
    }
    p->workers_given = 1; /* the caller's */
    team_start(&p->team, threads - 1, work_along, p);
    *out = p;
    return TN_OK;
}

void pipeline_close(struct pipeline *p)
{
    if (p == NULL)
        return;
    team_lock(&p->team);
    p->over = true;
    team_wake(&p->team);
    team_unlock(&p->team);
    team_join(&p->team);
    for (size_t i = 0; i < p->slot_count; i++) {
        free(p->slots[i].bytes);
        free(p->slots[i].frame);
    }
    for (unsigned i = 0; i < p->worker_count; i++) {
        coder_close(p->workers[i].coder);
        free(p->workers[i].scratch);
    }
    free(p->slots);
    free(p->done);
    free(p->workers);
    free(p);
}

/* --- Feeding and taking --------------------------------------------------- */

struct slot *pipeline_room(struct pipeline *p)
{
    struct slot *slot = &p->slots[p->newest % p->slot_count];
    char *bytes = slot->bytes, *frame = slot->frame;

    if (p->newest - p->oldest == p->slot_count)
        return NULL;
    *slot = (struct slot){.bytes = bytes, .frame = frame};
    return slot;
}

void pipeline_feed(struct pipeline *p)
{
    team_lock(&p->team);
    p->done[p->newest++ % p->slot_count] = false;
    team_wake(&p->team);
    team_unlock(&p->team);
}

struct slot *pipeline_take(struct pipeline *p)
{
    size_t i = p->oldest % p->slot_count;

    if (p->oldest == p->newest)
        return NULL;
    team_lock(&p->team);
    while (!p->done[i]) {
        if (p->next < p->newest)
            work_on_next(p, &p->workers[0]);
        else
            team_wait(&p->team);
    }
    team_unlock(&p->team);
    return &p->slots[i];
}

void pipeline_release(struct pipeline *p)
{
    p->oldest++;
}
