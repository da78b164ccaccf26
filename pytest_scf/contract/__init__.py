"""The contract: the API of the cloud as typed requests, a registry of actions, and error codes."""
