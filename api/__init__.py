"""Every inbound door: HTTP and the command line."""
