"""The fork server of one isolation level: its client in the test process, and its own processes.

client       in the test process: starts the fork server, requests instances, is told of their end
supervisor   started once, above everything; removes the base directory when all the others are gone
zygote   made by the supervisor; enters the namespaces that all instances share, forks one init per instance
init     one per instance; prepares its mounts, forks the user's process, reaps, reports, leaves

All but the client is single-threaded, runs no user code, and loads the standard library and ``pytest_scf.runtimes``
only.
"""
