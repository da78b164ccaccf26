"""What triggers are: the schedules of timers, and the rules of the other kinds. Nothing here runs a function."""
