# What may not be read or written, by somebody to whom that matters.

[ "$(id -u)" -ne 0 ] || skip 'root may do everything'

t create s.tn
echo hello | t put s.tn a
mkdir tree closed
echo one >tree/one
echo two >tree/two
chmod 0 tree/one
t load l.tn tree
mkdir tree/dir
chmod 0 tree/dir
t load l.tn tree
chmod 700 tree/dir

chmod 555 closed
t_refused create closed/s.tn
t get s.tn a closed/a
t save s.tn closed
t save s.tn closed/below

chmod 444 s.tn
t get s.tn a
t ls s.tn
t_refused put s.tn b tree/two
t_refused rm s.tn a
chmod 0 s.tn
t_refused ls s.tn
t_refused check s.tn
