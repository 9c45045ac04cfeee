# What mpirun needs to know where all ranks are on this machine, by root or in a container. Source it.
if [ "$(id -u)" -eq 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
# No network, and no reading of each other's memory, which containers forbid.
export OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_oob_tcp_if_include=lo
export HWLOC_COMPONENTS=-gl HWLOC_HIDE_ERRORS=2 # no search for X displays, no complaint about a chroot without /sys
