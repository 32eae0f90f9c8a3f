"""The host end of the wire: the packed agent, transports, the typed link, and the runner of one trial."""
