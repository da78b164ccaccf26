"""The contract: the API of the cloud as typed requests, a table of actions, and error codes."""
