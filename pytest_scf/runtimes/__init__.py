"""What runs inside an instance: the standard library only, and nothing of ours but the wire protocol."""
