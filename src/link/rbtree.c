/* rbtree.c - a red-black tree whose links are offsets
 *
 *        black 40                 parent word of 20:  offset of 40 | 0 (red)
 *        /      \                 left, right of 20:  offsets of 10 and 30
 *     red 20   black 60           parent word of 40:  0 | 1 (black root)
 *      /    \
 *  black 10 black 30
 *
 * rb_check() tests:
 *
 *   R1  The root is black and has no parent; every other node's parent word
 *       names the node that links to it.
 *   R2  No red node has a red child.
 *   R3  On every way from the root down to a missing child there are equally
 *       many black nodes.
 *
 * R2 and R3 together keep the longest way at most twice the shortest.  Parent
 * links cost 8 bytes a node and save a stack: a node found from elsewhere, as
 * a free block beside the one being freed is, can be taken out directly.
 *
 * Both sides of every case are one piece of code: "side" is LEFT or RIGHT, the
 * drawings show LEFT.  A rotation leaves the two colours in their places, which
 * is what every case here wants.
 *
 * Crashes: nothing here is ordered.  Trees in the file are rebuilt by their
 * owners from what is the truth for them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "link/rbtree.h"

enum side { LEFT, RIGHT };

#define BLACK UINT64_C(1)

/* A tree of all the nodes that 2^48 bytes can hold is at most 88 deep. */
enum { MAX_DEPTH = 128 };

static inline uint64_t parent_of(const struct rb_node *n)
{
    return n->parent & ~BLACK;
}

static inline void set_parent(struct rb_node *n, uint64_t parent)
{
    n->parent = parent | (n->parent & BLACK);
}

static inline uint64_t *child(struct rb_node *n, enum side side)
{
    return side == LEFT ? &n->left : &n->right;
}

static inline enum side opposite(enum side side)
{
    return side == LEFT ? RIGHT : LEFT;
}

static inline enum side side_of(const struct rb_node *parent, uint64_t node)
{
    return parent->left == node ? LEFT : RIGHT;
}

/* A missing child counts as black. */
static inline bool is_red(const void *base, uint64_t node)
{
    return node != 0 && (rb_at(base, node)->parent & BLACK) == 0;
}

/* The word that links to node from above. */
static inline uint64_t *link_to(void *base, uint64_t *root, uint64_t node)
{
    uint64_t parent = parent_of(rb_at(base, node));

    if (parent == 0)
        return root;
    return child(rb_at(base, parent), side_of(rb_at(base, parent), node));
}

/* Turn top down to side, and bring up the child opposite:
 *
 *        top                  up
 *       /   \                /  \
 *      a     up     -->    top   c
 *           /  \          /   \
 *          b    c        a     b
 *
 * up gets top's parent word whole, with the colour of the place. */
static void rotate(void *base, uint64_t *root, uint64_t top, enum side side)
{
    struct rb_node *t = rb_at(base, top);
    uint64_t up = *child(t, opposite(side));
    struct rb_node *u = rb_at(base, up);
    uint64_t middle = *child(u, side);
    uint64_t colour = u->parent & BLACK;

    *link_to(base, root, top) = up;
    u->parent = t->parent;
    *child(u, side) = top;
    t->parent = up | colour;
    *child(t, opposite(side)) = middle;
    if (middle != 0)
        set_parent(rb_at(base, middle), top);
}

/* node is red, and so may be its parent, the only offence against R2.  Then a
 * grandparent exists and is black, for the root is never red.
 *
 *   1  The uncle is red: both go black and the grandparent red, which moves
 *      the offence up two levels.
 *
 *            G                  g             capitals: black
 *          /   \              /   \           small:    red
 *         p     u    -->     P     U          n:        node
 *        /                  /
 *       n                  n
 *
 *   2  The uncle is black, node inside: rotate the parent, and what was the
 *      parent is the lower red one, outside.
 *
 *            G                  G
 *          /   \              /   \
 *         p     U    -->     n     U
 *          \                /
 *           n              p
 *
 *   3  The uncle is black, node outside: rotate the grandparent; done.
 *
 *            G                  P
 *          /   \              /   \
 *         p     U    -->     n     g
 *        /                          \
 *       n                            U
 */
static void mend_red(void *base, uint64_t *root, uint64_t node)
{
    uint64_t parent, grand, uncle;
    enum side side;

    while (is_red(base, parent = parent_of(rb_at(base, node)))) {
        grand = parent_of(rb_at(base, parent));
        side = side_of(rb_at(base, grand), parent);
        uncle = *child(rb_at(base, grand), opposite(side));

        if (is_red(base, uncle)) {
            rb_at(base, parent)->parent |= BLACK;
            rb_at(base, uncle)->parent |= BLACK;
            rb_at(base, grand)->parent &= ~BLACK;
            node = grand;
            continue;
        }
        if (side_of(rb_at(base, parent), node) != side)
            rotate(base, root, parent, side);
        rotate(base, root, grand, opposite(side));
        break;
    }
    rb_at(base, *root)->parent |= BLACK;
}

void rb_insert(void *base, uint64_t *root, uint64_t parent, uint64_t *link,
               uint64_t node)
{
    *rb_at(base, node) = (struct rb_node){.parent = parent};
    *link = node;
    mend_red(base, root, node);
}

/* Every way through node is one black short, the only offence against R3, and
 * node is black.  Unless it is the root it has a sibling, for the ways on the
 * other side have a black node more.
 *
 *   1  The sibling is red: rotate the parent, and the sibling is black.
 *
 *            P                  S             capitals: black
 *          /   \              /   \           small:    red
 *         N     s    -->     p     B          N:        node
 *              / \          / \               ?:        of either colour
 *             A   B        N   A
 *
 *   2  The nephews are black: a red sibling makes its side short as well, and
 *      with it all that is below the parent.  If that is red, it becomes
 *      black and all is well; else go on with it one level up.
 *
 *            ?                  ?
 *          /   \              /   \
 *         N     S    -->     N     s
 *              / \                / \
 *             A   B              A   B
 *
 *   3  The nephew inside is red, the one outside black: rotate the sibling,
 *      and the red one is outside.
 *
 *            ?                  ?
 *          /   \              /   \
 *         N     S    -->     N     A
 *              / \                  \
 *             a   B                  s
 *                                     \
 *                                      B
 *
 *   4  The nephew outside is red: rotate the parent and make that nephew
 *      black.  The parent, now black, adds the missing one; done.
 *
 *            ?                  ?
 *          /   \              /   \
 *         N     S    -->     P     B
 *              / \          / \
 *             A   b        N   A
 */
static void mend_short(void *base, uint64_t *root, uint64_t node)
{
    uint64_t parent, sibling, outside;
    enum side side;

    while (node != *root && !is_red(base, node)) {
        parent = parent_of(rb_at(base, node));
        side = side_of(rb_at(base, parent), node);
        sibling = *child(rb_at(base, parent), opposite(side));
        if (is_red(base, sibling)) {
            rotate(base, root, parent, side);
            sibling = *child(rb_at(base, parent), opposite(side));
        }

        outside = *child(rb_at(base, sibling), opposite(side));
        if (!is_red(base, outside) &&
            !is_red(base, *child(rb_at(base, sibling), side))) {
            rb_at(base, sibling)->parent &= ~BLACK;
            node = parent;
            continue;
        }

        if (!is_red(base, outside)) {
            rotate(base, root, sibling, opposite(side));
            sibling = *child(rb_at(base, parent), opposite(side));
            outside = *child(rb_at(base, sibling), opposite(side));
        }
        rb_at(base, outside)->parent |= BLACK;
        rotate(base, root, parent, side);
        break;
    }
    rb_at(base, node)->parent |= BLACK;
}

/* Take out a node that lacks a child.  If it has the other one, R3 says that
 * this is a red leaf below a black node, and it steps in, black.  A black leaf
 * is mended around while it is still there, and then cut off. */
static void erase_low(void *base, uint64_t *root, uint64_t node)
{
    struct rb_node *n = rb_at(base, node);
    uint64_t below = n->left != 0 ? n->left : n->right;

    if (below != 0) {
        *link_to(base, root, node) = below;
        rb_at(base, below)->parent = n->parent;
        return;
    }
    if (!is_red(base, node))
        mend_short(base, root, node);
    *link_to(base, root, node) = 0;
}

void rb_erase(void *base, uint64_t *root, uint64_t node)
{
    struct rb_node *n = rb_at(base, node);
    uint64_t next;

    if (n->left == 0 || n->right == 0) {
        erase_low(base, root, node);
        return;
    }
    /* The next one in order has no left child.  It leaves its own place and
     * takes over node's. */
    next = rb_next(base, node);
    erase_low(base, root, next);
    rb_replace(base, root, node, next);
}

void rb_replace(void *base, uint64_t *root, uint64_t node, uint64_t fresh)
{
    struct rb_node *n = rb_at(base, node);

    *link_to(base, root, node) = fresh;
    if (n->left != 0)
        set_parent(rb_at(base, n->left), fresh);
    if (n->right != 0)
        set_parent(rb_at(base, n->right), fresh);
    *rb_at(base, fresh) = *n;
}

/* The outermost node on one side of the tree below node. */
static uint64_t outermost(const void *base, uint64_t node, enum side side)
{
    uint64_t below;

    if (node == 0)
        return 0;
    while ((below = *child(rb_at(base, node), side)) != 0)
        node = below;
    return node;
}

uint64_t rb_first(const void *base, uint64_t root)
{
    return outermost(base, root, LEFT);
}

uint64_t rb_last(const void *base, uint64_t root)
{
    return outermost(base, root, RIGHT);
}

/* The neighbour in order: the near end of the tree below on that side, or the
 * first node above that has us on its other side. */
static uint64_t neighbour(const void *base, uint64_t node, enum side side)
{
    uint64_t parent, below = *child(rb_at(base, node), side);

    if (below != 0)
        return outermost(base, below, opposite(side));
    while ((parent = parent_of(rb_at(base, node))) != 0 &&
           side_of(rb_at(base, parent), node) == side)
        node = parent;
    return parent;
}

uint64_t rb_next(const void *base, uint64_t node)
{
    return neighbour(base, node, RIGHT);
}

uint64_t rb_prev(const void *base, uint64_t node)
{
    return neighbour(base, node, LEFT);
}

/* A check under way. */
struct walk {
    const void *base;
    bool (*valid)(void *arg, uint64_t node);
    void (*visit)(void *arg, uint64_t node);
    void *arg;
    size_t left;     /* how many nodes may still be met */
    int blacks;      /* black nodes on the first complete way, -1: none yet */
    uint64_t *where; /* the node concerned, when something is wrong */
};

/* What is wrong with node itself, reached from parent as the depth-th? */
static const char *check_node(struct walk *w, uint64_t node, uint64_t parent,
                              int depth)
{
    *w->where = node;
    if (!w->valid(w->arg, node))
        return "a link of the tree leads to where no node can be";
    if (depth > MAX_DEPTH || w->left == 0)
        return "the tree has more nodes than there can be";
    w->left--;
    if (parent_of(rb_at(w->base, node)) != parent)
        return "a node's parent link does not lead back";
    if (is_red(w->base, node) && (parent == 0 || is_red(w->base, parent)))
        return "a red node is the root or below another red node";
    return NULL;
}

/* Check the tree below and including node; blacks are above it.  A node has
 * one parent word, so no node is met twice, unless both links of its parent
 * lead to it. */
static const char *check_below(struct walk *w, uint64_t node, uint64_t parent,
                               int depth, int blacks)
{
    const struct rb_node *n;
    const char *wrong;

    if (node == 0) {
        *w->where = parent;
        if (w->blacks < 0)
            w->blacks = blacks;
        return blacks == w->blacks ? NULL : "black heights differ";
    }
    wrong = check_node(w, node, parent, depth);
    if (wrong != NULL)
        return wrong;

    n = rb_at(w->base, node);
    blacks += is_red(w->base, node) ? 0 : 1;
    if (n->left != 0 && n->left == n->right)
        return "both links of a node lead to the same one";
    wrong = check_below(w, n->left, node, depth + 1, blacks);
    if (wrong != NULL)
        return wrong;
    w->visit(w->arg, node);
    return check_below(w, n->right, node, depth + 1, blacks);
}

const char *rb_check(const void *base, uint64_t root, size_t limit,
                     bool (*valid)(void *arg, uint64_t node),
                     void (*visit)(void *arg, uint64_t node), void *arg,
                     uint64_t *where)
{
    uint64_t place = 0;
    struct walk w = {.base = base,
                     .valid = valid,
                     .visit = visit,
                     .arg = arg,
                     .left = limit,
                     .blacks = -1,
                     .where = &place};
    const char *wrong = check_below(&w, root, 0, 1, 0);

    if (wrong != NULL)
        *where = place;
    return wrong;
}
