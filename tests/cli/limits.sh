# Little address space, and a limit on the size of files.

(ulimit -v 60000; "$TENON" --version) >/dev/null 2>&1 ||
    skip 'limits on addresses do not go with this build'

# A store takes as many addresses as there are, and half of them for reading.
(
    ulimit -v 60000
    t create s.tn
    noise 3000 | t put s.tn a
    t ls -n s.tn
    t check s.tn
    "$TENON" map s.tn | head -n 1 | sed 's/commit.*//'
    "$TENON" dump s.tn >out && echo dumped
)
(
    ulimit -v 20000
    noise 1000000 | t put s.tn b
)
t check s.tn

# A file that may not become that large is an error, and not a signal.
(
    ulimit -f 1
    "$TENON" dump s.tn >out
    echo "[$?]"
    "$TENON" map --html page.html s.tn
    echo "[$?]"
    t_refused put s.tn c out
)
t check s.tn
ls
