"""What runs in the fork server and in the init of each instance: keeper, zygote, init.

keeper   started once, above everything; removes the base directory when all the others are gone
zygote   made by the keeper; enters the namespaces that all instances share, forks one init per instance
init     one per instance; prepares its mounts, forks the user's process, reaps, reports, leaves

Single-threaded, no user code, the standard library and ``pytest_scf.runtimes`` only.
"""
