"""The project's links against gateways that share no line of code with them."""
