# peers.mk - how the programs that 'make bench' compares are built
#
# A peer whose package is missing is left out, and said to be.

PEERS  = glibc mimalloc jemalloc lmdb boost_iset boost_flat_map boost_map \
         boost_hash boost_shared boost_memory boost_open \
         bare lmdb_commit sqlite pmemobj xxh3
BENCH  = $(TENON_BENCH) $(addprefix $B/tests/bench/,$(PEERS) traces/made)

# $(call peer,PACKAGE,COMMAND)
peer   = @mkdir -p $(@D); if .ci/deps -t $1; \
         then echo '  bench $(@F)'; $2 -O2 -g -DNDEBUG $< -o $@ $3; \
         else echo '$(@F) is left out: $1 is not there ("make deps-bench")'; fi
malloc = $(CC) -D_GNU_SOURCE -DPEER_HEADER='<$1>' -DPEER_MALLOC=$2malloc \
         -DPEER_REALLOC=$2realloc -DPEER_FREE=$2free
boost  = $(CXX) -std=c++17 -DPEER_INDEX=$1_index

$(TENON_BENCH): %: %.o $B/libtenon.a
	$(call say,link  $@)$(CC) $(CFLAGS) $^ -o $@ -pthread $(LIBS)

$(PEERS:%=$B/tests/bench/%): $(wildcard tests/bench/*.h) tests/bench/peers.mk
$B/tests/bench/glibc: tests/bench/peer_malloc.c
	$(call peer,gcc,$(call malloc,stdlib.h,))
$B/tests/bench/mimalloc: tests/bench/peer_malloc.c
	$(call peer,libmimalloc-dev,$(call malloc,mimalloc.h,mi_),-lmimalloc)
$B/tests/bench/jemalloc: tests/bench/peer_malloc.c
	$(call peer,libjemalloc-dev,$(call malloc,jemalloc/jemalloc.h,),-ljemalloc)
$B/tests/bench/lmdb: tests/bench/peer_lmdb.c
	$(call peer,liblmdb-dev,$(CC) -pthread,-llmdb)
$B/tests/bench/bare: tests/bench/peer_bare.c
	$(call peer,gcc,$(CC) -pthread)
$B/tests/bench/lmdb_commit: tests/bench/peer_lmdb_commit.c
	$(call peer,liblmdb-dev,$(CC) -pthread,-llmdb)
$B/tests/bench/sqlite: tests/bench/peer_sqlite.c
	$(call peer,libsqlite3-dev,$(CC) -pthread,-lsqlite3)
$B/tests/bench/xxh3: tests/bench/peer_xxh3.c
	$(call peer,libxxhash-dev,$(CC) -D_GNU_SOURCE,-pthread)
$B/tests/bench/boost_iset: tests/bench/peer_boost.cpp
	$(call peer,libboost-dev,$(call boost,iset))
$B/tests/bench/boost_flat_map: tests/bench/peer_boost.cpp
	$(call peer,libboost-dev,$(call boost,flat_map))
$B/tests/bench/boost_map: tests/bench/peer_boost.cpp
	$(call peer,libboost-dev,$(call boost,map))
$B/tests/bench/boost_hash: tests/bench/peer_boost.cpp
	$(call peer,libboost-dev,$(call boost,iunordered_set))
$B/tests/bench/boost_shared: tests/bench/peer_boost.cpp
	$(call peer,libboost-dev,$(call boost,iset) -DPEER_SHARED,-pthread)
$B/tests/bench/boost_memory: tests/bench/peer_boost_memory.cpp
	$(call peer,libboost-dev,$(call boost,iset))
$B/tests/bench/boost_open: tests/bench/peer_boost_open.cpp
	$(call peer,libboost-dev,$(call boost,iset))
$B/tests/bench/pmemobj: tests/bench/peer_pmemobj.c
	$(call peer,libpmemobj-dev,$(CC) -D_GNU_SOURCE -pthread,-lpmemobj)

# What real programs on this machine allocate, recorded once.
$B/tests/bench/record.so: tests/bench/record.c tests/bench/trace.h
	@mkdir -p $(@D)
	$(call say,link  $@)$(CC) -O2 -D_GNU_SOURCE -shared -fPIC $< -o $@ -pthread
$B/tests/bench/traces/made: $B/tests/bench/record.so tests/bench/record.sh
	$(call say,trace $(@D))tests/bench/record.sh $< $(@D) && touch $@
