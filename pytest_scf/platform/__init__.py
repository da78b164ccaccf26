"""The platform: what the cloud remembers and decides - functions, events, instances, logs, time."""
