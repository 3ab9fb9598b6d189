"""Jobs: what runs beside the requests, in a process of its own: the relay of events, retention and checks."""
