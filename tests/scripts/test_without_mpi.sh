#!/bin/sh
# test_without_mpi.sh LIBRARY [MPI_LIBRARY]: nothing of MPI in the library, by its dynamic section and the symbols that it wants; the
# other one is where MPI is.
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
wanted() { nm -D --undefined-only "$1" | awk '{print $2}'; }
needed "$1" | grep -i mpi && { echo "$1 needs a library of MPI"; exit 1; }
wanted "$1" | grep '^P*MPI_' && { echo "$1 calls MPI"; exit 1; }
[ -n "$(needed "$1")" ] || { echo "$1 needs nothing at all: this test sees nothing"; exit 1; }
[ -z "${2:-}" ] && exit 0
needed "$2" | grep -q 'libclgrad\.so' || { echo "$2 does not need libclgrad"; exit 1; }
wanted "$2" | grep -q '^MPI_Isend' || { echo "$2 does not call MPI: this test sees nothing"; exit 1; }
