# Settings for mpirun with all ranks on this machine, even as root, in a container, or with more ranks than cores. Source it:
#   . scripts/local_mpi.sh
# Open MPI 4 reads OMPI_MCA_*. In Open MPI 5 the launcher, PRRTE, reads PRTE_MCA_* and PMIX_MCA_*. MPICH needs none of them.
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
# Do not bind ranks: mpirun would bind each of one or two ranks, with all its threads, to one core.
export OMPI_MCA_hwloc_base_binding_policy=none PRTE_MCA_hwloc_default_binding_policy=none
# Use no network, and do not read another process's memory directly, which containers often forbid.
export OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_oob_tcp_if_include=lo PMIX_MCA_ptl_tcp_if_include=lo
# If a run fails, only its own sentence is printed; without this, Open MPI 4 adds twelve lines. The drawback: mpirun does not report
# a program that is missing (exit code 132) or was killed (137) either. Open MPI 5 has no such setting.
export OMPI_MCA_orte_execute_quiet=1
# Keep hwloc from looking for X displays, and from complaining about a chroot without /sys.
export HWLOC_COMPONENTS=-gl HWLOC_HIDE_ERRORS=2
