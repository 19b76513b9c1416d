"""Starts programs on several ranks: with the mpirun of the MPI that they are built with, where it is installed."""
import os
import shutil
import subprocess
import sys

SKIPPED = 77
# On few processors, each rank's PoCL with one thread; Open MPI wants to be told twice that it may run as root.
ENVIRONMENT = {
    "POCL_MAX_PTHREAD_COUNT": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_btl_vader_single_copy_mechanism": "none", # silent where a container forbids it
}


def says(program, argument):
    done = subprocess.run([program, argument], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def find(library):
    """The command that starts ranks, for a library that calls itself so (MPI_Get_library_version)."""
    kind, mark, more = ("openmpi", "Open MPI", ["--oversubscribe"]) if "Open MPI" in library else ("mpich", "HYDRA", [])
    for name in (f"mpirun.{kind}", "mpirun", "mpiexec"):
        path = shutil.which(name)
        if path and mark in says(path, "--version"):
            return [path, *more]
    print(f"skipped: no mpirun of {library.split(',')[0]} is installed")
    sys.exit(SKIPPED)


def run(mpirun, n, command, env=None, timeout=900):
    """(exit status, standard output, standard error) of n ranks; 0: of one process, without mpirun."""
    everywhere = dict(os.environ, **ENVIRONMENT, **(env or {}))
    whole = [*mpirun, "-np", str(n), *command] if n else command
    done = subprocess.run(whole, env=everywhere, capture_output=True, text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout, done.stderr
