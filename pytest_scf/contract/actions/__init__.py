"""What each action does: a function from a platform and a request to a response. It holds no rule of the wire."""
