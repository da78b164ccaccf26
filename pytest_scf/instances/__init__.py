"""The instances: how processes are started, isolated, spoken to, signalled, killed and reaped."""
